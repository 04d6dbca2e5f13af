// SPDX-License-Identifier: Apache-2.0
/* Other programs, run with a limit: shell scripts stand for them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "kern/program.h"

static char dir[] = "/tmp/test_program.XXXXXX", path[256];
static char *output;
static size_t len;
static struct err err;

static void program(const char *script)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	fclose(f);
	assert_int_equal(chmod(path, 0755), 0);
}

static int run(unsigned int limit_ms)
{
	free(output);
	output = NULL;
	memset(&err, 0, sizeof(err));
	return program_run(path, NULL, 0, "in", limit_ms, &output, &len, &err);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void within_the_limit_it_is_as_without(void **state)
{
	static const unsigned int limits[] = { 0, 10000 };

	(void)state;
	program("cat; echo -n ' and out'; exit 3");
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(run(limits[i]), 3);
		assert_string_equal(output, "in and out");
	}
	program("kill -9 $$");
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(run(limits[i]), -EIO);
		assert_non_null(strstr(err.msg, "killed by signal 9"));
	}
}

static void who_hangs_is_killed(void **state)
{
	double start = seconds();

	(void)state;
	program("echo out; exec sleep 60");
	assert_int_equal(run(200), -ETIMEDOUT);
	assert_non_null(strstr(err.msg, "wait 200 ms for '/tmp/test_program."));
	program("yes");	/* more than a pipe holds */
	assert_int_equal(run(200), -ETIMEDOUT);
	assert_true(seconds() - start < 20);
}

/* The sleeper holds the pipe, and is gone with the group. */
static void so_are_those_whom_he_leaves_behind(void **state)
{
	double start = seconds();
	char pid[32], name[300];
	FILE *f;

	(void)state;
	snprintf(name, sizeof(name), "sleep 60 & echo $! >%s/pid; echo out", dir);
	program(name);
	assert_int_equal(run(10000), 0);
	assert_string_equal(output, "out\n");
	assert_true(seconds() - start < 8);
	snprintf(name, sizeof(name), "%s/pid", dir);
	f = fopen(name, "r");
	assert_non_null(f);
	assert_non_null(fgets(pid, sizeof(pid), f));
	fclose(f);
	unlink(name);
	snprintf(name, sizeof(name), "/proc/%d/cmdline", atoi(pid));
	for (int i = 0; i < 500 && (f = fopen(name, "r")); i++) {
		int c = fgetc(f);	/* of a dead one that nobody has waited for: nothing */

		fclose(f);
		if (c == EOF)
			return;
		usleep(10000);
	}
	assert_null(f);
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/program", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	free(output);
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(within_the_limit_it_is_as_without),
		cmocka_unit_test(who_hangs_is_killed),
		cmocka_unit_test(so_are_those_whom_he_leaves_behind),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("program", tests, make_dir, remove_dir);
}
