// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a runtime calls every plugin of a list in the list's one version, and a plugin that does
 * not know it fails each ADD; so before a version is written, each plugin is asked. That costs a
 * process, hence the answer is remembered together with the file that gave it.
 *
 * A plugin may hang, or not run at all where ctnatd lives (a script, in an image without a shell).
 * It then counts as one that knows what everything in use has known for years, and nothing newer:
 * a version too low costs GC and STATUS, one too high costs every pod.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/chained.h"
#include "agent/loop.h"
#include "base/cleanup.h"
#include "conf/json.h"
#include "conf/version.h"
#include "kern/program.h"

#define LIMIT_MS 2000
#define RETRY_MS (10 * 60 * 1000)

static const char *const spoken_by_all[] = { "0.3.1", "0.4.0", "1.0.0" };

static bool speaks(const struct chained_plugin *plugin, const char *version)
{
	for (size_t i = 0; i < plugin->n_versions; i++)
		if (!version_compare(plugin->versions[i], version))
			return true;
	return false;
}

static void add_version(struct chained_plugin *p, const char *version)
{
	if (p->n_versions < CHAINED_VERSIONS_MAX && strlen(version) < sizeof(p->versions[0]))
		strcpy(p->versions[p->n_versions++], version);
}

static void add_common_versions(struct chained_plugin *p)
{
	p->n_versions = 0;
	for (size_t i = 0; i < sizeof(spoken_by_all) / sizeof(spoken_by_all[0]); i++)
		add_version(p, spoken_by_all[i]);
}

static int read_versions(struct chained_plugin *p, const char *text, size_t len, struct err *err)
{
	_cleanup_json_ struct json root = { 0 };
	struct json list = { 0 }, item = { 0 };
	const char *version;
	int ret;

	ret = json_parse(text, len, "VERSION", &root, err);
	if (!ret)
		ret = json_get_list(&root, "supportedVersions", &list, err);
	if (!ret)
		return json_missing(&root, "supportedVersions", err, "a plugin must say");
	while (ret >= 0 && json_next(&list, &item)) {
		ret = json_string(&item, &version, err);
		if (!ret)
			add_version(p, version);
	}
	return ret < 0 ? ret : 0;
}

/* With what libcni gives it. */
static int run(struct chained_plugin *p, const char *path, struct err *err)
{
	static const struct program_var vars[] = {
		{ "CNI_COMMAND", "VERSION" }, { "CNI_CONTAINERID", "dummy" },
		{ "CNI_NETNS", "dummy" },     { "CNI_IFNAME", "dummy" },
		{ "CNI_PATH", "dummy" },
	};
	_cleanup_free_ char *text = NULL;
	size_t len;
	int ret = program_run(path, vars, sizeof(vars) / sizeof(vars[0]),
			      "{\"cniVersion\":\"1.0.0\"}", LIMIT_MS, &text, &len, err);

	if (ret > 0)
		return err_cni(err, CNI_DELEGATE, "'%s' ended with status %d", path, ret);
	return ret < 0 ? ret : read_versions(p, text, len, err);
}

static void ask(struct chained_plugin *p, const char *path)
{
	struct err err;

	p->n_versions = 0;
	p->mute[0] = '\0';
	p->is_known = true;
	if (!run(p, path, &err))
		return;
	snprintf(p->mute, sizeof(p->mute), "%.*s", (int)sizeof(p->mute) - 1, err.msg);
	p->retry = loop_now_ms() + RETRY_MS;
	add_common_versions(p);
}

/* The file is what it was when it was asked. */
static bool is_fresh(const struct chained_plugin *p, const struct stat *st)
{
	return p->is_known && p->asked.dev == st->st_dev && p->asked.ino == st->st_ino &&
	       p->asked.size == st->st_size &&
	       p->asked.mtime == st->st_mtim.tv_sec * 1000000000ULL + st->st_mtim.tv_nsec &&
	       (!p->mute[0] || loop_now_ms() < p->retry);
}

static void note_file(struct chained_plugin *p, const struct stat *st)
{
	p->asked.dev = st->st_dev;
	p->asked.ino = st->st_ino;
	p->asked.size = st->st_size;
	p->asked.mtime = st->st_mtim.tv_sec * 1000000000ULL + st->st_mtim.tv_nsec;
}

/* Its place in the memory; one that does not fit shares the last place with others. */
static struct chained_plugin *place(struct chained *c, const char *type)
{
	struct chained_plugin *p;

	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->plugins[i].type, type))
			return &c->plugins[i];
	p = &c->plugins[c->n < CHAINED_MAX ? c->n++ : CHAINED_MAX - 1];
	memset(p, 0, sizeof(*p));
	snprintf(p->type, sizeof(p->type), "%s", type);
	return p;
}

/* ctnat's own versions are those of this build, which is the one that is installed. */
static void know_ourselves(struct chained_plugin *p)
{
	p->is_there = true;
	p->n_versions = 0;
	for (const char *const *version = supported_versions; *version; version++)
		add_version(p, *version);
}

const struct chained_plugin *chained_ask(struct chained *c, const char *type, struct notes *notes)
{
	struct chained_plugin *p = place(c, type);
	char path[PATH_MAX];
	struct stat st;

	if (!strcmp(type, "ctnat")) {
		know_ourselves(p);
		return p;
	}
	/* a type is a name (conflist.c), so this is no path out of the directory */
	p->is_there = !program_find(type, c->bin_dir, path, sizeof(path)) && !stat(path, &st);
	if (!p->is_there) {
		p->is_known = false;
		add_common_versions(p);
		return p;
	}
	if (!is_fresh(p, &st)) {
		ask(p, path);
		note_file(p, &st);
	}
	if (p->mute[0])
		notes_add(notes,
			  "plugin '%s' does not say which CNI versions it speaks, taken for "
			  "1.0.0 at most: %s",
			  type, p->mute);
	return p;
}

/* ---- in common ------------------------------------------------------------------------------- */

static bool is_wanted(const char *const *wanted, size_t n, const char *version)
{
	for (size_t i = 0; i < n; i++)
		if (!version_compare(wanted[i], version))
			return true;
	return false;
}

/* *who: the first that does not. */
static bool all_speak(struct chained *c, const char *const *types, size_t n, const char *version,
		      const char **who)
{
	struct notes said_before = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (speaks(chained_ask(c, types[i], &said_before), version))
			continue;
		*who = types[i];
		return false;
	}
	return true;
}

int chained_common(struct chained *c, const char *const *types, size_t n_types,
		   const char *const *wanted, size_t n_wanted, struct chained_versions *out,
		   struct err *err)
{
	const char *who = "", *newest = NULL;

	out->n = 0;
	for (const char *const *v = supported_versions; *v; v++) {
		if (!is_wanted(wanted, n_wanted, *v))
			continue;
		newest = *v;
		if (all_speak(c, types, n_types, *v, &who))
			out->list[out->n++] = *v;
	}
	if (!newest)
		return err_cni(err, CNI_INCOMPATIBLE_VERSION,
			       "cniVersion, cniVersions: none that ctnat speaks");
	if (out->n)
		return 0;
	for (const char *const *v = supported_versions; version_compare(*v, newest) < 0; v++)
		if (all_speak(c, types, n_types, *v, &who))
			out->list[out->n++] = *v;
	return out->n ? 0
		      : err_cni(err, CNI_INCOMPATIBLE_VERSION,
				"plugin '%s' speaks no CNI version up to %s that the others speak",
				who, newest);
}
