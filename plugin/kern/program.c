// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: stdin is a memfd, because a pipe would have to be fed while the answer is read; stdout is
 * a pipe, because its length must be bounded.
 *
 * With a limit the program is a process group of its own, so that all of it can be killed; its
 * output is read when it has ended, without waiting for others who hold the pipe.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "kern/program.h"

#define OUTPUT_MAX (1U << 20)
#define PIPE_MAX   (1U << 16)

static bool is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

int program_find(const char *name, const char *dirs, char *path, size_t size)
{
	for (const char *dir = dirs; *dir;) {
		int len = (int)strcspn(dir, ":");

		if (len && (size_t)snprintf(path, size, "%.*s/%s", len, dir, name) < size &&
		    is_program(path))
			return 0;
		dir += len + (dir[len] == ':');
	}
	return -ENOENT;
}

/* ---- environment ----------------------------------------------------------------------------- */

static bool is_replaced(const char *var, const struct program_var *vars, size_t n)
{
	size_t len = strcspn(var, "=");

	for (size_t i = 0; i < n; i++)
		if (strlen(vars[i].name) == len && !strncmp(vars[i].name, var, len))
			return true;
	return false;
}

/* An array of pointers and the replaced variables' text behind it, in one piece; NULL if memory is
 * short. */
static char **make_environment(const struct program_var *vars, size_t n_vars)
{
	size_t n = n_vars + 1, bytes = 0, used = 0;
	char **envp, *text;

	for (char **var = environ; *var; var++)
		n++;
	for (size_t i = 0; i < n_vars; i++)
		bytes += strlen(vars[i].name) + strlen(vars[i].value) + sizeof("=");
	envp = malloc(n * sizeof(*envp) + bytes);
	if (!envp)
		return NULL;
	text = (char *)(envp + n);
	for (; used < n_vars; used++) {
		envp[used] = text;
		text += sprintf(text, "%s=%s", vars[used].name, vars[used].value) + 1;
	}
	for (char **var = environ; *var; var++)
		if (!is_replaced(*var, vars, n_vars))
			envp[used++] = *var;
	envp[used] = NULL;
	return envp;
}

/* ---- running --------------------------------------------------------------------------------- */

/* An fd to read the text from. */
static int open_text(const char *text, struct err *err)
{
	_cleanup_close_ int fd = memfd_create("stdin", MFD_CLOEXEC);
	int ret;

	if (fd < 0)
		return err_set(err, -errno, "memfd for stdin");
	ret = file_write_all(fd, text, strlen(text), err);
	if (ret)
		return ret;
	if (lseek(fd, 0, SEEK_SET))
		return err_set(err, -errno, "rewind stdin");
	return TAKE_FD(fd);
}

/* Returns 0 or -errno. The signals that we ignore or block, a program would too. */
static int spawn(const char *path, int in, int out, char **envp, bool group, pid_t *pid)
{
	short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
	char *argv[] = { (char *)path, NULL };
	posix_spawn_file_actions_t files;
	sigset_t defaults, blocked;
	posix_spawnattr_t attr;
	int ret;

	sigemptyset(&blocked);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawnattr_setsigmask(&attr, &blocked);
	posix_spawnattr_setflags(&attr, group ? flags | POSIX_SPAWN_SETPGROUP : flags);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	ret = posix_spawn(pid, path, &files, &attr, argv, envp);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -ret;
}

/* The exit status, or -errno. */
static int wait_for(pid_t pid, const char *path, struct err *err)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(err, -errno, "wait for '%s'", path);
	if (WIFSIGNALED(status))
		return err_cni(err, CNI_DELEGATE, "'%s' was killed by signal %d (%s)", path,
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
	return WEXITSTATUS(status);
}

/* What is in the pipe by now: others may hold it, so its end may not come. */
static int read_now(int from, char **text, size_t *len, struct err *err)
{
	_cleanup_free_ char *buf = malloc(PIPE_MAX + 1);
	size_t used = 0;
	ssize_t n = 1;

	if (!buf)
		return err_set(err, -ENOMEM, "read");
	while (n > 0 && used < PIPE_MAX) {
		n = read(from, buf + used, PIPE_MAX - used);
		if (n < 0 && errno != EAGAIN)
			return err_set(err, -errno, "read");
		used += n > 0 ? (size_t)n : 0;
	}
	buf[used] = '\0';
	*text = TAKE_PTR(buf);
	*len = used;
	return 0;
}

/* Waits for its end, or as long as the limit says; then nothing of its group is left. */
static int await_end(pid_t pid, const char *path, unsigned int limit_ms, struct err *err)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	int n, errnum;

	do
		n = pidfd < 0 ? -1 : poll(&end, 1, (int)limit_ms);
	while (n < 0 && errno == EINTR);
	errnum = n < 0 ? -errno : -ETIMEDOUT;
	kill(-pid, SIGKILL);
	return n > 0 ? 0 : err_set(err, errnum, "wait %u ms for '%s' to end", limit_ms, path);
}

/* Starts it and returns its pid; *out is where its output comes from. */
static pid_t start(const char *path, const struct program_var *vars, size_t n_vars,
		   const char *input, bool group, int *out, struct err *err)
{
	_cleanup_close_ int in = -1, from = -1, to = -1;
	_cleanup_free_ char **envp = make_environment(vars, n_vars);
	int fds[2], ret;
	pid_t pid;

	if (!envp)
		return err_set(err, -ENOMEM, "environment of '%s'", path);
	in = open_text(input, err);
	if (in < 0)
		return in;
	if (pipe2(fds, O_CLOEXEC))
		return err_set(err, -errno, "pipe from '%s'", path);
	from = fds[0];
	to = fds[1];
	if (group && fcntl(from, F_SETFL, O_NONBLOCK))
		return err_set(err, -errno, "pipe from '%s'", path);
	ret = spawn(path, in, to, envp, group, &pid);
	if (ret)
		return err_set(err, ret, "execute '%s'", path);
	*out = TAKE_FD(from);
	return pid;
}

int program_run(const char *path, const struct program_var *vars, size_t n_vars, const char *input,
		unsigned int limit_ms, char **output, size_t *len, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int from = -1, ret = 0, status;
	pid_t pid;

	pid = start(path, vars, n_vars, input, limit_ms > 0, &from, err);
	if (pid < 0)
		return pid;
	if (limit_ms)
		ret = await_end(pid, path, limit_ms, err);
	if (!ret) {
		ret = limit_ms ? read_now(from, &text, len, err) :
				 file_read_all(from, OUTPUT_MAX, &text, len, err);
		if (ret)
			err_wrap(err, "output of '%s'", path);
	}
	close(from); /* before waiting: who has more to say than we read gets a SIGPIPE */
	status = wait_for(pid, path, ret ? NULL : err);
	if (ret)
		return ret;
	if (status >= 0)
		*output = TAKE_PTR(text);
	return status;
}
