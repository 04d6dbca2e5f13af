// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a runtime may execute the plugin, and read the list, at any moment; so may others, and
 * istio-cni writes the list, too. What is put there is put by rename (base/replace.h), and only if
 * it is something else: each write makes runtimes read the directory anew.
 *
 * The list is what makes a node Ready, so it comes last, when pods can be served, and stays: as
 * long as an attachment lives, a runtime needs it for the DEL.
 *
 * Between reading the list and replacing it another's change could be lost: so it is read again
 * when the new one lies on the disk, right before the rename, and if it has changed, all begins
 * anew.
 *
 * A file of our name that is not a list of ours (somebody else's, or broken) is not merged with:
 * it is kept under a name that runtimes do not read, and ours takes its place. Uninstalling does
 * the same to a list with others' plugins in it: a chain behind a plugin that is gone makes no
 * network, but its configuration may exist nowhere else.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/conflist.h"
#include "agent/install.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/replace.h"

#define PLUGIN_MAX   (64U << 20)
#define CONFLIST_MAX (1U << 20)
#define ASIDE_MAX    9 /* files that are kept */
#define ATTEMPTS     5 /* to write while another writes */

static int open_dir(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_set(err, -errno, "open directory '%s'", path) : fd;
}

/* The whole file, which the caller frees. *mode may be NULL. -ENOENT with a message. */
static int read_file(int dir, const char *name, size_t max, struct conflist_text *out, mode_t *mode,
		     struct err *err)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int ret;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "open '%s'", name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "'%s' is no regular file", name);
	ret = file_read_all(fd, max, &out->text, &out->len, err);
	if (ret < 0)
		return err_wrap(err, "'%s'", name);
	if (mode)
		*mode = st.st_mode & 07777;
	return 0;
}

static void free_text(struct conflist_text *text)
{
	free(text->text);
}

#define _cleanup_text_ __attribute__((cleanup(free_text)))

static bool same_text(const struct conflist_text *a, const struct conflist_text *b)
{
	return a->text && b->text ? a->len == b->len && !memcmp(a->text, b->text, a->len)
				  : !a->text && !b->text;
}

/* ---- the plugin ------------------------------------------------------------------------------ */

/* Are these the very files that were found to be the same? ctime tells of all that could differ. */
static bool are_compared(const struct install *install, int dir, struct install_compared *now)
{
	const struct install_compared *then = &install->compared;
	struct stat wanted, have;

	if (stat(install->plugin, &wanted) < 0 || fstatat(dir, INSTALL_PLUGIN, &have, 0) < 0)
		return false;
	*now = (struct install_compared){
		.ino = { wanted.st_ino, have.st_ino },
		.changed = { wanted.st_ctim, have.st_ctim },
	};
	return then->ino[0] && !memcmp(then, now, sizeof(*now));
}

int install_plugin(struct install *install, struct err *err)
{
	struct install_compared now = { .ino = { 0 } };
	_cleanup_text_ struct conflist_text wanted = { 0 }, have = { 0 };
	_cleanup_close_ int dir = open_dir(install->bin_dir, err);
	mode_t mode = 0;
	int ret;

	if (dir < 0)
		return dir;
	if (are_compared(install, dir, &now))
		return 0;
	ret = read_file(AT_FDCWD, install->plugin, PLUGIN_MAX, &wanted, NULL, err);
	if (ret < 0)
		return ret;
	if (!read_file(dir, INSTALL_PLUGIN, PLUGIN_MAX, &have, &mode, NULL) && mode == 0755 &&
	    same_text(&wanted, &have)) {
		replace_sweep(dir, INSTALL_PLUGIN);
		install->compared = now;
		return 0;
	}
	ret = replace_file(dir, INSTALL_PLUGIN, wanted.text, wanted.len, 0755, err);
	return ret < 0 ? err_wrap(err, "install '%s/%s'", install->bin_dir, INSTALL_PLUGIN) : 1;
}

/* ---- the directory of networks --------------------------------------------------------------- */

static bool is_configuration(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && (!strcmp(dot, ".conf") || !strcmp(dot, ".conflist") || !strcmp(dot, ".json"));
}

/* Runtimes take the first by name. */
static void note_earlier(int dir, const char *path, struct notes *notes)
{
	_cleanup_close_ int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!entries)
		return;
	(void)TAKE_FD(fd);
	while ((entry = readdir(entries)))
		if (is_configuration(entry->d_name) && strcmp(entry->d_name, INSTALL_CONFLIST) < 0)
			notes_add(notes,
				  "'%s/%s' comes before '%s': runtimes take that network, "
				  "not ours",
				  path, entry->d_name, INSTALL_CONFLIST);
	closedir(entries);
}

/* One more name for what is installed, that no runtime reads. Also where it cannot be read. */
static int keep_aside(int dir, char name[NAME_MAX + 1], struct err *err)
{
	for (int i = 1; i <= ASIDE_MAX; i++) {
		snprintf(name, NAME_MAX + 1, "%s.kept-%d", INSTALL_CONFLIST, i);
		if (!linkat(dir, INSTALL_CONFLIST, dir, name, 0))
			return 0;
		if (errno != EEXIST)
			return err_set(err, -errno, "keep '%s' as '%s'", INSTALL_CONFLIST, name);
	}
	return err_set(err, -EEXIST, "keep '%s' as '%s'", INSTALL_CONFLIST, name);
}

/* ---- the network ----------------------------------------------------------------------------- */

/* What is installed: in *have if it is a list of ours; else it is in the way, and *odd. */
struct installed {
	struct conflist_text have;
	mode_t mode;
	bool odd;
	char why[256];
};

static void look(int dir, struct installed *out)
{
	struct err err;
	int ret = read_file(dir, INSTALL_CONFLIST, CONFLIST_MAX, &out->have, &out->mode, &err);

	if (ret == -ENOENT)
		return;
	if (ret < 0)
		snprintf(out->why, sizeof(out->why), "%.*s", (int)sizeof(out->why) - 1, err.msg);
	else if (!conflist_is_ours(&out->have))
		snprintf(out->why, sizeof(out->why), "it is no list with a plugin ctnat in it");
	out->odd = out->why[0];
	out->mode = out->odd ? 0 : out->mode;
}

static void free_installed(struct installed *installed)
{
	free_text(&installed->have);
}

#define _cleanup_installed_ __attribute__((cleanup(free_installed)))

/* Is what is installed still what was merged with? */
static bool unchanged(int dir, const struct installed *then)
{
	_cleanup_installed_ struct installed now = { 0 };

	look(dir, &now);
	return now.odd == then->odd && same_text(&now.have, &then->have);
}

/* -EAGAIN: somebody else has written meanwhile. */
static int write_list(struct install *install, int dir, const struct conflist_text *list,
		      const struct installed *installed, struct err *err)
{
	_cleanup_replace_ struct replacement r = REPLACEMENT_NONE;
	char kept[NAME_MAX + 1];
	int ret = replace_begin(&r, dir, INSTALL_CONFLIST, list->text, list->len,
				installed->mode ?: 0644, err);

	if (ret < 0)
		return ret;
	if (!unchanged(dir, installed))
		return err_cni(err, CNI_TRY_AGAIN, "'%s' changes all the time", INSTALL_CONFLIST);
	if (installed->odd) {
		ret = keep_aside(dir, kept, err);
		if (ret < 0)
			return ret;
		notes_add(&install->notes, "'%s/%s' was in the way and is kept as '%s': %s",
			  install->conf_dir, INSTALL_CONFLIST, kept, installed->why);
	}
	return replace_commit(&r, err);
}

/* 1: written; 0: it is as it should be. */
static int merge(struct install *install, int dir, const struct conflist_text *template,
		 const struct cidr *ranges, size_t n_ranges, struct err *err)
{
	static const struct conflist_text none;
	_cleanup_installed_ struct installed installed = { 0 };
	_cleanup_text_ struct conflist_text list = { 0 };
	int ret;

	notes_clear(&install->notes);
	note_earlier(dir, install->conf_dir, &install->notes);
	look(dir, &installed);
	ret = conflist_merge(template, installed.odd ? &none : &installed.have, ranges, n_ranges,
			     &install->chained, &list, &install->notes, err);
	if (ret < 0)
		return ret;
	if (!list.text) {
		replace_sweep(dir, INSTALL_CONFLIST);
		return 0;
	}
	ret = write_list(install, dir, &list, &installed, err);
	return ret < 0 ? ret : 1;
}

int install_conflist(struct install *install, const struct cidr *ranges, size_t n_ranges,
		     bool ready, struct err *err)
{
	_cleanup_text_ struct conflist_text template = { 0 };
	_cleanup_close_ int dir = -1;
	int ret = -EAGAIN;

	if (!ready)
		return 0;
	install->chained.bin_dir = install->bin_dir;
	dir = open_dir(install->conf_dir, err);
	if (dir < 0)
		return dir;
	if (read_file(AT_FDCWD, install->conflist, CONFLIST_MAX, &template, NULL, err) < 0)
		return err_wrap(err, "template of the network configuration");
	for (int i = 0; i < ATTEMPTS && ret == -EAGAIN; i++)
		ret = merge(install, dir, &template, ranges, n_ranges, err);
	return ret < 0 ? err_wrap(err, "network configuration '%s/%s'", install->conf_dir,
				  INSTALL_CONFLIST)
		       : ret;
}

bool install_stands(const struct install *install)
{
	_cleanup_close_ int dir = open_dir(install->conf_dir, NULL);
	_cleanup_installed_ struct installed installed = { 0 };

	if (dir < 0)
		return false;
	look(dir, &installed);
	return installed.have.text && !installed.odd;
}

const char *install_news(struct install *install)
{
	if (notes_equal(&install->notes, &install->told))
		return NULL;
	install->told = install->notes;
	return install->notes.text;
}

/* ---- the end --------------------------------------------------------------------------------- */

static int remove_name(const char *path, const char *name, struct err *err)
{
	_cleanup_close_ int dir = open_dir(path, err);

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	replace_sweep(dir, name);
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_set(err, -errno, "remove '%s/%s'", path, name);
	return 0;
}

/* Whatever is not from our template; where that is gone already, from the one that we ship. */
static bool is_worth_keeping(const struct install *install, const struct installed *installed)
{
	static const char shipped[] = "{\"plugins\":[{\"type\":\"ctnat\"},{\"type\":\"portmap\"}]}";
	const struct conflist_text usual = { (char *)shipped, sizeof(shipped) - 1 };
	_cleanup_text_ struct conflist_text template = { 0 };
	bool known;

	if (!installed->have.text || installed->odd)
		return false;
	known = !read_file(AT_FDCWD, install->conflist, CONFLIST_MAX, &template, NULL, NULL);
	return conflist_has_foreign(&installed->have, known ? &template : &usual);
}

static int withdraw_conflist(struct install *install, struct err *err)
{
	_cleanup_installed_ struct installed installed = { 0 };
	_cleanup_close_ int dir = open_dir(install->conf_dir, err);
	char kept[NAME_MAX + 1];
	int ret;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	look(dir, &installed);
	if (installed.odd) {
		notes_add(&install->notes, "'%s/%s' is left where it is: %s", install->conf_dir,
			  INSTALL_CONFLIST, installed.why);
		return 0;
	}
	if (is_worth_keeping(install, &installed)) {
		ret = keep_aside(dir, kept, err);
		if (ret < 0)
			return ret;
		notes_add(&install->notes, "'%s/%s' has others' plugins in it and is kept as '%s'",
			  install->conf_dir, INSTALL_CONFLIST, kept);
	}
	return remove_name(install->conf_dir, INSTALL_CONFLIST, err);
}

int install_withdraw_conflist(struct install *install, struct err *err)
{
	notes_clear(&install->notes);
	return withdraw_conflist(install, err);
}

int install_withdraw_plugin(const struct install *install, struct err *err)
{
	return remove_name(install->bin_dir, INSTALL_PLUGIN, err);
}
