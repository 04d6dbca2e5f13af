// SPDX-License-Identifier: Apache-2.0
/* What is put into the runtime's directories. Shell scripts stand for chained plugins, but for the
 * reference portmap, which knows no version beyond 1.0.0. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "agent/install.h"
#include "base/file.h"

#define REFERENCE "/usr/lib/cni/portmap"
#define SHELL "#!/bin/sh\n"
#define VERSIONS(list) SHELL "echo '{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[" list "]}'\n"
#define NEWEST VERSIONS("\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"")

/* The parts of which lists are put together. */
#define HEAD "{\"cniVersion\":\"1.0.0\",\"cniVersions\":[\"0.4.0\",\"1.0.0\",\"1.1.0\"],\"name\":\"pods\",\"plugins\":["
#define HEAD_LOW "{\"cniVersion\":\"1.0.0\",\"cniVersions\":[\"0.4.0\",\"1.0.0\"],\"name\":\"pods\",\"plugins\":["
#define TEMPLATE_OURS "{\"type\":\"ctnat\",\"mtu\":1400,\"ipam\":{\"type\":\"ctnat\",\"routes\":[{\"dst\":\"0.0.0.0/0\"}]}}"
#define OURS OURS_WITH("[{\"subnet\":\"10.244.1.0/24\"}],[{\"subnet\":\"fd00:10:244:1::/64\"}]")
#define OURS_WITH(sets) \
	"{\"type\":\"ctnat\",\"mtu\":1400,\"ipam\":{\"type\":\"ctnat\",\"routes\":[{\"dst\":\"0.0.0.0/0\"}],\"ranges\":[" sets "]}}"
#define PORTMAP ",{\"type\":\"portmap\",\"capabilities\":{\"portMappings\":true}}"
#define BANDWIDTH ",{\"type\":\"bandwidth\"}"
#define ISTIO ",{\"type\":\"istio-cni\",\"kubernetes\":{\"exclude\":[\"a\"]}}"
#define TAIL "]}"
#define TEMPLATE HEAD TEMPLATE_OURS PORTMAP TAIL

static char dir[] = "/tmp/test_install.XXXXXX", path[4][256];
static struct install install;
static struct cidr ranges[4];
static struct err err;

/* ---- files ----------------------------------------------------------------------------------- */

static const char *at(const char *name)
{
	static char paths[4][512];
	static int next;
	char *out = paths[next++ % 4];

	snprintf(out, sizeof(paths[0]), "%s/%s", dir, name);
	return out;
}

/* By rename: what runs, and what is read, stays whole. */
static void put(const char *name, const char *text, mode_t mode)
{
	char temp[520], to[512];
	int fd;

	snprintf(to, sizeof(to), "%s", at(name));
	snprintf(temp, sizeof(temp), "%s.put", to);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, text, strlen(text), NULL), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	assert_int_equal(rename(temp, to), 0);
}

static void plugin(const char *type, const char *script)
{
	char name[128];

	snprintf(name, sizeof(name), "bin/%s", type);
	put(name, script, 0755);
}

static void template(const char *text)
{
	put("template", text, 0644);
}

/* NULL: there is none. */
static char *text_of(const char *name)
{
	int fd = open(at(name), O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t len;

	if (fd < 0)
		return NULL;
	assert_int_equal(file_read_all(fd, 1 << 24, &text, &len, NULL), 0);
	close(fd);
	return text;
}

static bool exists(const char *name)
{
	struct stat st;

	return !lstat(at(name), &st);
}

#define LIST "conf/" INSTALL_CONFLIST

static void assert_is(const char *name, const char *json)
{
	char *text = text_of(name);
	cJSON *have = cJSON_Parse(text), *want = cJSON_Parse(json);

	assert_non_null(want);
	if (!have || !cJSON_Compare(have, want, true))
		fail_msg("%s is\n%s, not\n%s", name, text ?: "not there", json);
	cJSON_Delete(have);
	cJSON_Delete(want);
	free(text);
}

/* Entries of a directory. */
static int count(const char *name)
{
	char command[600], line[32] = "";
	FILE *f;

	snprintf(command, sizeof(command), "ls -A %s | wc -l", at(name));
	f = popen(command, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	pclose(f);
	return atoi(line);
}

static int set_up(void **state)
{
	static const char *const prefixes[] = { "10.244.1.0/24", "fd00:10:244:1::/64", "10.244.7.0/24" };
	char command[600];

	(void)state;
	snprintf(command, sizeof(command), "mkdir -p %s/bin %s/conf", dir, dir);
	assert_int_equal(system(command), 0);
	snprintf(path[0], sizeof(path[0]), "%s/ctnat", dir);
	snprintf(path[1], sizeof(path[1]), "%s/template", dir);
	snprintf(path[2], sizeof(path[2]), "%s/bin", dir);
	snprintf(path[3], sizeof(path[3]), "%s/conf", dir);
	install = (struct install){
		.plugin = path[0], .conflist = path[1], .bin_dir = path[2], .conf_dir = path[3],
	};
	memset(&err, 0, sizeof(err));
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(cidr_parse(prefixes[i], &ranges[i]), 0);
	template(TEMPLATE);
	plugin("portmap", NEWEST);
	return 0;
}

static int tear_down(void **state)
{
	char command[600];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s/bin %s/conf %s/ctnat %s/template", dir, dir, dir, dir);
	return system(command);
}

static int conflist(void)
{
	return install_conflist(&install, ranges, 2, true, &err);
}

static void assert_written(const char *json)
{
	if (conflist() != 1)
		fail_msg("not written: '%s'", err.msg);
	assert_is(LIST, json);
	assert_int_equal(conflist(), 0);
}

static void assert_refused(unsigned int code, const char *says)
{
	memset(&err, 0, sizeof(err));
	assert_true(conflist() < 0);
	if (err.code != code || !strstr(err.msg, says))
		fail_msg("%u '%s', not %u '%s'", err.code, err.msg, code, says);
}

static void assert_noted(const char *says)
{
	const char *news = install_news(&install);

	if (!news || !strstr(news, says))
		fail_msg("'%s' is not among the news: %s", says, news ?: "none");
}

/* ---- a fresh one ----------------------------------------------------------------------------- */

static void a_node_gets_its_ranges(void **state)
{
	struct stat st;

	(void)state;
	assert_written(HEAD OURS PORTMAP TAIL);
	assert_int_equal(stat(at(LIST), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_null(install_news(&install));
	assert_int_equal(count("conf"), 1);
}

static void nothing_is_written_before_the_node_is_ready(void **state)
{
	(void)state;
	assert_int_equal(install_conflist(&install, ranges, 2, false, &err), 0);
	assert_false(exists(LIST));
	assert_false(install_stands(&install));
	assert_written(HEAD OURS PORTMAP TAIL);
	template(HEAD "{\"type\":\"ctnat\",\"ipam\":{}}" TAIL);
	assert_int_equal(install_conflist(&install, NULL, 0, false, &err), 0);
	assert_is(LIST, HEAD OURS PORTMAP TAIL);
	assert_true(install_stands(&install));
}

static void ranges_of_one_family_are_one_set(void **state)
{
	(void)state;
	assert_int_equal(install_conflist(&install, ranges, 3, true, &err), 1);
	assert_is(LIST, HEAD OURS_WITH("[{\"subnet\":\"10.244.1.0/24\"},{\"subnet\":\"10.244.7.0/24\"}],"
				       "[{\"subnet\":\"fd00:10:244:1::/64\"}]") PORTMAP TAIL);
	assert_int_equal(install_conflist(&install, &ranges[1], 1, true, &err), 1);
	assert_is(LIST, HEAD OURS_WITH("[{\"subnet\":\"fd00:10:244:1::/64\"}]") PORTMAP TAIL);
}

static void without_a_pod_cidr_nothing_is_written(void **state)
{
	(void)state;
	assert_true(install_conflist(&install, NULL, 0, true, &err) < 0);
	assert_int_equal(err.code, CNI_NOT_AVAILABLE);
	assert_non_null(strstr(err.msg, "no podCIDR yet"));
	assert_false(exists(LIST));
}

static void a_template_that_says_its_ranges_keeps_them(void **state)
{
	static const char *const lists[] = {
		HEAD "{\"type\":\"ctnat\",\"ipam\":{\"type\":\"ctnat\",\"ranges\":[[{\"subnet\":\"10.1.0.0/24\"}]]}}" TAIL,
		HEAD "{\"type\":\"ctnat\",\"ipam\":{\"type\":\"ctnat\",\"ranges\":[]}}" TAIL,
		HEAD "{\"type\":\"ctnat\",\"ipam\":{\"type\":\"ctnat\",\"subnet\":\"10.1.0.0/24\"}}" TAIL,
		HEAD "{\"type\":\"ctnat\",\"ipam\":{\"type\":\"host-local\"}}" TAIL,
		HEAD "{\"type\":\"ctnat\",\"ipam\":{}}" TAIL,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		template(lists[i]);
		unlink(at(LIST));
		assert_int_equal(install_conflist(&install, NULL, 0, true, &err), 1);
		assert_is(LIST, lists[i]);
	}
	template(HEAD "{\"type\":\"ctnat\",\"ipam\":{\"type\":\"ctnat\",\"Ranges\":null}}" TAIL);
	unlink(at(LIST));
	assert_written(HEAD "{\"type\":\"ctnat\",\"ipam\":{\"type\":\"ctnat\",\"ranges\":[[{\"subnet\":\"10.244.1.0/24\"}],"
			    "[{\"subnet\":\"fd00:10:244:1::/64\"}]]}}" TAIL);
}

static void a_bad_template_changes_nothing(void **state)
{
	static const struct {
		const char *text, *says;
		unsigned int code;
	} cases[] = {
		{ "{", "template: JSON that ends too early", CNI_DECODE },
		{ "{}", "plugins: missing: there is no object of type ctnat", CNI_INVALID_CONFIG },
		{ HEAD "{\"type\":\"bridge\"}" TAIL, "no object of type ctnat", CNI_INVALID_CONFIG },
		{ HEAD TEMPLATE_OURS ",{}" TAIL, "plugins[1].type: missing", CNI_INVALID_CONFIG },
		{ HEAD TEMPLATE_OURS ",{\"type\":\"../x\"}" TAIL, "plugins[1].type: \"../x\": is no name", CNI_INVALID_CONFIG },
		{ "{\"name\":\"pods\",\"cniVersion\":\"9.0.0\",\"plugins\":[" TEMPLATE_OURS TAIL, "none that ctnat speaks",
		  CNI_INCOMPATIBLE_VERSION },
	};

	(void)state;
	assert_written(HEAD OURS PORTMAP TAIL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		template(cases[i].text);
		assert_refused(cases[i].code, cases[i].says);
		assert_is(LIST, HEAD OURS PORTMAP TAIL);
	}
	unlink(at("template"));
	assert_refused(CNI_KERNEL, "template of the network configuration: open '/tmp/test_install.");
	assert_is(LIST, HEAD OURS PORTMAP TAIL);
}

/* ---- what others have written ---------------------------------------------------------------- */

static void what_says_the_same_is_not_written(void **state)
{
	struct stat before, after;

	(void)state;
	assert_written(HEAD OURS PORTMAP TAIL);
	put(LIST, "{\"plugins\":[" OURS PORTMAP "],\n\t\"name\" : \"pods\",\"cniVersions\":[\"0.4.0\",\"1.0.0\",\"1.1.0\"],"
		  "\"cniVersion\":\"1.0.0\"}", 0600);
	assert_int_equal(stat(at(LIST), &before), 0);
	assert_int_equal(conflist(), 0);
	assert_int_equal(stat(at(LIST), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void a_foreign_plugin_survives_an_upgrade(void **state)
{
	struct stat st;

	(void)state;
	plugin("istio-cni", NEWEST);
	plugin("tuning", NEWEST);
	/* an older ctnat's, with a portmap that somebody has changed, and keys of somebody's */
	put(LIST, "{\"x-owner\":{\"a\":[1,null]},\"cniVersion\":\"1.0.0\",\"name\":\"pods\",\"plugins\":[{\"type\":\"tuning\"},"
		  "{\"type\":\"ctnat\",\"old\":true},{\"type\":\"portmap\",\"snat\":false}" ISTIO "],\"disableCheck\":true}", 0640);
	assert_written("{\"x-owner\":{\"a\":[1,null]},\"cniVersion\":\"1.0.0\",\"cniVersions\":[\"0.4.0\",\"1.0.0\",\"1.1.0\"],"
		       "\"name\":\"pods\",\"plugins\":[{\"type\":\"tuning\"}," OURS ",{\"type\":\"portmap\",\"snat\":false}" ISTIO
		       "],\"disableCheck\":true}");
	assert_int_equal(stat(at(LIST), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void the_top_is_the_templates_as_far_as_it_says(void **state)
{
	(void)state;
	put(LIST, "{\"name\":\"old\",\"disableCheck\":true,\"mine\":1,\"plugins\":[{\"type\":\"ctnat\"}]}", 0644);
	template("{\"cniVersion\":\"0.4.0\",\"name\":\"pods\",\"disableCheck\":false,\"plugins\":[" TEMPLATE_OURS TAIL);
	assert_written("{\"name\":\"pods\",\"disableCheck\":false,\"mine\":1,\"plugins\":[" OURS "],\"cniVersion\":\"0.4.0\"}");
}

static void a_second_object_of_ours_goes(void **state)
{
	(void)state;
	put(LIST, HEAD "{\"type\":\"ctnat\"},{\"type\":\"ctnat\"}" PORTMAP ",{\"type\":\"ctnat\"}" TAIL, 0644);
	assert_written(HEAD OURS PORTMAP TAIL);
}

static void what_is_no_list_of_ours_is_kept_aside(void **state)
{
	static const char *const odd[] = {
		"{\"plugins\":[", "", "[]", "\xff\xfe", HEAD "{\"type\":\"bridge\"}" TAIL, "{\"type\":\"ctnat\"}",
		HEAD OURS ",{\"type\":3}" TAIL,
	};
	char name[64], *text;

	(void)state;
	for (int i = 0; i < (int)(sizeof(odd) / sizeof(odd[0])); i++) {
		put(LIST, odd[i], 0644);
		assert_false(install_stands(&install));
		assert_int_equal(conflist(), 1);
		assert_noted("was in the way and is kept as '10-ctnat.conflist.kept-");
		assert_is(LIST, HEAD OURS PORTMAP TAIL);
		snprintf(name, sizeof(name), LIST ".kept-%d", i + 1);
		text = text_of(name);
		assert_non_null(text);
		assert_string_equal(text, odd[i]);
		free(text);
	}
	put(LIST, "", 0644);
	assert_int_equal(conflist(), 1);
	put(LIST, "", 0644);
	assert_int_equal(conflist(), 1);
	put(LIST, "precious", 0644);
	assert_refused(CNI_KERNEL, "keep '10-ctnat.conflist' as '10-ctnat.conflist.kept-9': File exists");
	text = text_of(LIST);
	assert_string_equal(text, "precious");
	free(text);
}

static void a_directory_of_that_name_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at(LIST), 0755), 0);
	assert_refused(CNI_KERNEL, "10-ctnat.conflist");
	assert_int_equal(count("conf"), 1);
}

/* What comes while a plugin is asked comes after the list was read. */
static void what_others_write_meanwhile_is_not_lost(void **state)
{
	char script[1024];

	(void)state;
	plugin("istio-cni", NEWEST);
	put("later", HEAD "{\"type\":\"ctnat\",\"old\":true}" PORTMAP ISTIO TAIL, 0644);
	put(LIST, HEAD "{\"type\":\"ctnat\",\"old\":true}" PORTMAP TAIL, 0644);
	snprintf(script, sizeof(script), SHELL "mv %s/later %s 2>/dev/null\n%s", dir, at(LIST),
		 strchr(NEWEST, '\n') + 1);
	plugin("portmap", script);
	assert_written(HEAD OURS PORTMAP ISTIO TAIL);
	assert_false(exists("later"));
}

static void earlier_networks_are_reported_once(void **state)
{
	(void)state;
	put("conf/00-multus.conf", "{}", 0644);
	put("conf/05-x.conflist", "{}", 0644);
	put("conf/05-y.bak", "{}", 0644);
	put("conf/87-podman.conflist", "{}", 0644);
	assert_written(HEAD OURS PORTMAP TAIL);
	assert_noted("conf/00-multus.conf' comes before '10-ctnat.conflist'");
	assert_non_null(strstr(install.told.text, "05-x.conflist"));
	assert_null(strstr(install.told.text, "05-y"));
	assert_null(strstr(install.told.text, "87-podman"));
	assert_int_equal(conflist(), 0);
	assert_null(install_news(&install));
	unlink(at("conf/00-multus.conf"));
	unlink(at("conf/05-x.conflist"));
	assert_int_equal(conflist(), 0);
	assert_string_equal(install_news(&install), "");
}

/* ---- chained plugins ------------------------------------------------------------------------- */

static void a_plugin_that_is_not_there_is_left_out_until_it_is(void **state)
{
	(void)state;
	template(HEAD TEMPLATE_OURS BANDWIDTH PORTMAP TAIL);
	unlink(at("bin/portmap"));
	assert_written(HEAD OURS TAIL);
	assert_noted("plugin 'portmap' is left out of the network, '");
	assert_non_null(strstr(install.told.text, "'bandwidth' is left out"));
	assert_int_equal(conflist(), 0);
	assert_null(install_news(&install));

	put(LIST, HEAD OURS ISTIO TAIL, 0644);
	plugin("istio-cni", NEWEST);
	plugin("portmap", NEWEST);
	assert_written(HEAD OURS PORTMAP ISTIO TAIL);
	plugin("bandwidth", NEWEST);
	assert_written(HEAD OURS BANDWIDTH PORTMAP ISTIO TAIL);
	assert_string_equal(install_news(&install), "");
}

static void a_plugin_that_was_installed_is_never_taken_out(void **state)
{
	(void)state;
	assert_written(HEAD OURS PORTMAP TAIL);
	unlink(at("bin/portmap"));
	assert_written(HEAD_LOW OURS PORTMAP TAIL);
	assert_noted("plugin 'portmap' is in the installed network, and");
	template(HEAD TEMPLATE_OURS TAIL);
	assert_int_equal(conflist(), 0);
	plugin("portmap", NEWEST);
	assert_written(HEAD OURS PORTMAP TAIL);
}

static void a_reference_plugin_lowers_the_versions(void **state)
{
	(void)state;
	if (access(REFERENCE, X_OK)) {
		print_message("there is no " REFERENCE ": Debian's containernetworking-plugins\n");
		skip();
	}
	unlink(at("bin/portmap"));
	assert_int_equal(symlink(REFERENCE, at("bin/portmap")), 0);
	assert_written(HEAD_LOW OURS PORTMAP TAIL);
	assert_null(install_news(&install));
	template("{\"cniVersion\":\"1.1.0\",\"name\":\"pods\",\"plugins\":[" TEMPLATE_OURS PORTMAP TAIL);
	assert_int_equal(conflist(), 1);
	assert_is(LIST, "{\"cniVersion\":\"1.0.0\",\"cniVersions\":[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\"],\"name\":\"pods\","
			"\"plugins\":[" OURS PORTMAP TAIL);
}

static void versions_follow_the_plugins(void **state)
{
	(void)state;
	plugin("portmap", VERSIONS("\"0.4.0\""));
	assert_written("{\"cniVersion\":\"0.4.0\",\"cniVersions\":[\"0.4.0\"],\"name\":\"pods\",\"plugins\":[" OURS PORTMAP TAIL);
	plugin("portmap", NEWEST);
	assert_written(HEAD OURS PORTMAP TAIL);
	plugin("portmap", VERSIONS("\"2.0.0\",\"0.2.0\""));
	assert_refused(CNI_INCOMPATIBLE_VERSION, "plugin 'portmap' speaks no CNI version up to 1.1.0 that the others speak");
	assert_is(LIST, HEAD OURS PORTMAP TAIL);
	unlink(at(LIST));
	template("{\"cniVersions\":[\"1.0.0\",\"1.1.0\"],\"name\":\"pods\",\"plugins\":[" TEMPLATE_OURS TAIL);
	assert_written("{\"cniVersion\":\"1.0.0\",\"cniVersions\":[\"1.0.0\",\"1.1.0\"],\"name\":\"pods\",\"plugins\":[" OURS TAIL);
	template("{\"cniVersion\":\"1.1.0\",\"name\":\"pods\",\"plugins\":[" TEMPLATE_OURS TAIL);
	assert_written("{\"cniVersion\":\"1.1.0\",\"name\":\"pods\",\"plugins\":[" OURS TAIL);
}

static void who_does_not_say_speaks_nothing_new(void **state)
{
	static const struct {
		const char *script, *says;
	} cases[] = {
		{ SHELL "exit 1\n", "ended with status 1" },
		{ SHELL "kill -9 $$\n", "killed by signal 9" },
		{ SHELL "echo no\n", "VERSION: not JSON" },
		{ SHELL "echo '{}'\n", "supportedVersions: missing" },
		{ SHELL "echo '{\"supportedVersions\":[1]}'\n", "supportedVersions[0]: 1: must be a string" },
		{ "#!/nowhere\n", "execute '" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unlink(at(LIST));
		plugin("portmap", cases[i].script);
		assert_written(HEAD_LOW OURS PORTMAP TAIL);
		assert_noted("plugin 'portmap' does not say which CNI versions it speaks");
		assert_non_null(strstr(install.told.text, cases[i].says));
	}
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void notes_are_whole_lines_each_once(void **state)
{
	struct notes a = { 0 }, b = { 0 };
	char line[1000];

	(void)state;
	notes_add(&a, "one %d", 1);
	notes_add(&a, "one");
	notes_add(&a, "one %d", 1);
	assert_string_equal(a.text, "one 1\none\n");
	assert_false(notes_equal(&a, &b));
	notes_add(&b, "one 1");
	notes_add(&b, "one");
	assert_true(notes_equal(&a, &b));
	memset(line, 'x', sizeof(line) - 1);
	for (int i = 0; i < 3; i++) {
		line[0] = 'a' + i;
		line[sizeof(line) - 1] = '\0';
		notes_add(&a, "%s", line);
	}
	assert_int_equal(a.used, strlen("one 1\none\n") + 2 * sizeof(line));
	assert_int_equal(strlen(a.text), a.used);
	notes_clear(&a);
	assert_string_equal(a.text, "");
}

static void who_hangs_is_asked_once(void **state)
{
	double start = seconds();

	(void)state;
	plugin("portmap", SHELL "exec sleep 600\n");
	assert_written(HEAD_LOW OURS PORTMAP TAIL);
	for (int i = 0; i < 20; i++)
		assert_int_equal(conflist(), 0);
	assert_true(seconds() - start < 10);
	assert_noted("wait 2000 ms for '");
}

static void an_answer_is_remembered_with_the_file(void **state)
{
	char script[1024], *calls;

	(void)state;
	snprintf(script, sizeof(script), SHELL "echo $CNI_COMMAND $CNI_IFNAME >>%s/calls\n%s", dir,
		 strchr(NEWEST, '\n') + 1);
	plugin("portmap", script);
	assert_written(HEAD OURS PORTMAP TAIL);
	for (int i = 0; i < 5; i++)
		assert_int_equal(conflist(), 0);
	calls = text_of("calls");
	assert_string_equal(calls, "VERSION dummy\n");
	free(calls);
	plugin("portmap", script);
	assert_int_equal(conflist(), 0);
	calls = text_of("calls");
	assert_string_equal(calls, "VERSION dummy\nVERSION dummy\n");
	free(calls);
	unlink(at("calls"));
}

/* ---- the plugin ------------------------------------------------------------------------------ */

static void the_plugin_is_installed_where_it_differs(void **state)
{
	struct stat before, after;
	char *text;

	(void)state;
	assert_int_equal(install_plugin(&install, &err), -ENOENT);
	put("ctnat", SHELL "exit 1\n", 0644);
	assert_int_equal(install_plugin(&install, &err), 1);
	assert_int_equal(stat(at("bin/ctnat"), &before), 0);
	assert_int_equal(before.st_mode & 07777, 0755);
	assert_int_equal(install_plugin(&install, &err), 0);
	assert_int_equal(stat(at("bin/ctnat"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	chmod(at("bin/ctnat"), 0644);
	assert_int_equal(install_plugin(&install, &err), 1);
	put("ctnat", SHELL "exit 2\n", 0644);
	assert_int_equal(install_plugin(&install, &err), 1);
	text = text_of("bin/ctnat");
	assert_string_equal(text, SHELL "exit 2\n");
	free(text);
	unlink(at("bin/ctnat"));
	assert_int_equal(symlink("/nowhere/at/all", at("bin/ctnat")), 0);
	assert_int_equal(install_plugin(&install, &err), 1);
	assert_int_equal(count("bin"), 2);
}

/* What somebody who died has left is used, or goes; what somebody who lives holds, stays. */
static void leftovers_of_the_dead_go(void **state)
{
	int status, ready[2];
	pid_t pid;
	char c;

	(void)state;
	put("ctnat", SHELL "exit 1\n", 0644);
	put("bin/.ctnat.new", "half of it, and more than that which comes", 0600);
	put("conf/.10-ctnat.conflist.new", "half", 0600);
	assert_int_equal(install_plugin(&install, &err), 1);
	assert_written(HEAD OURS PORTMAP TAIL);
	assert_int_equal(count("bin"), 2);
	assert_int_equal(count("conf"), 1);
	put("bin/.ctnat.new", "half", 0600);
	put("conf/.10-ctnat.conflist.new", "half", 0600);
	assert_int_equal(install_plugin(&install, &err), 0);
	assert_int_equal(conflist(), 0);
	assert_int_equal(count("bin"), 2);
	assert_int_equal(count("conf"), 1);

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		char command[600];

		snprintf(command, sizeof(command), "exec flock %s sh -c 'echo; exec sleep 60'", at("bin/.ctnat.new"));
		dup2(ready[1], STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(1);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	put("ctnat", SHELL "exit 2\n", 0644);
	assert_int_equal(install_plugin(&install, &err), -EAGAIN);
	assert_int_equal(err.code, CNI_TRY_AGAIN);
	assert_true(exists("bin/.ctnat.new"));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(ready[0]);
	close(ready[1]);
}

/* ---- at any moment --------------------------------------------------------------------------- */

/* Two plugins of very different length: each says which it is in its first line and its last. */
static void write_plugin(int which)
{
	size_t len = which ? 300000 : 1000;
	char *text = malloc(len + 64), line[32];

	snprintf(line, sizeof(line), "exit %d\n", 40 + which);
	strcpy(text, SHELL);
	memset(text + strlen(SHELL), '#', len);
	strcpy(text + strlen(SHELL) + len, "\n");
	strcat(text, line);
	put("ctnat", text, 0644);
	free(text);
}

static void write_template(int which)
{
	char text[20000];

	snprintf(text, sizeof(text), "%s{\"type\":\"ctnat\",\"pad\":\"%0*d\",\"ipam\":{}}" PORTMAP TAIL, HEAD,
		 which ? 15000 : 1, which);
	template(text);
}

/* For ever: now this, now that. */
static void alternate(void)
{
	for (int which = 0;; which = !which) {
		write_plugin(which);
		write_template(which);
		if (install_plugin(&install, &err) < 0 || conflist() < 0) {
			fprintf(stderr, "%s\n", err.msg);
			_exit(1);
		}
	}
}

/* What a runtime would do. */
static void use_both(void)
{
	char command[600], *text = text_of(LIST);
	cJSON *list = cJSON_Parse(text);
	int status;

	if (!list || !cJSON_IsArray(cJSON_GetObjectItem(list, "plugins")))
		fail_msg("half a list: '%.100s'", text ?: "none");
	cJSON_Delete(list);
	free(text);
	snprintf(command, sizeof(command), "exec %s", at("bin/ctnat"));
	status = system(command);
	if (!WIFEXITED(status) || (WEXITSTATUS(status) != 40 && WEXITSTATUS(status) != 41))
		fail_msg("half a plugin: status %x", status);
}

static void nobody_ever_sees_half_of_it(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	write_plugin(0);
	write_template(0);
	assert_int_equal(install_plugin(&install, &err), 1);
	assert_int_equal(conflist(), 1);
	pid = fork();
	if (!pid)
		alternate();
	for (double end = seconds() + 1.5; seconds() < end;)
		use_both();
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static void who_is_killed_leaves_all_or_nothing(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	write_plugin(0);
	write_template(0);
	assert_int_equal(install_plugin(&install, &err), 1);
	assert_int_equal(conflist(), 1);
	for (int i = 0; i < 60; i++) {
		pid = fork();
		if (!pid)
			alternate();
		usleep(1000 + i * 211);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
		use_both();
		assert_true(install_plugin(&install, &err) >= 0);
		assert_true(conflist() >= 0);
		assert_int_equal(count("bin"), 2);
		assert_int_equal(count("conf"), 1);
	}
	unlink(at("ctnat.put"));
	unlink(at("template.put"));
}

/* ---- the end --------------------------------------------------------------------------------- */

static void uninstalling_leaves_nothing(void **state)
{
	(void)state;
	put("ctnat", SHELL, 0644);
	assert_int_equal(install_plugin(&install, &err), 1);
	assert_written(HEAD OURS PORTMAP TAIL);
	put("conf/.10-ctnat.conflist.new", "half", 0600);
	assert_int_equal(install_withdraw_conflist(&install, &err), 0);
	assert_int_equal(count("conf"), 0);
	assert_true(exists("bin/ctnat"));
	assert_int_equal(install_withdraw_plugin(&install, &err), 0);
	assert_false(exists("bin/ctnat"));
	assert_int_equal(install_withdraw_conflist(&install, &err), 0);
	assert_int_equal(install_withdraw_plugin(&install, &err), 0);
}

static void uninstalling_keeps_what_is_not_ours(void **state)
{
	(void)state;
	plugin("istio-cni", NEWEST);
	put(LIST, HEAD OURS PORTMAP ISTIO TAIL, 0644);
	assert_int_equal(install_withdraw_conflist(&install, &err), 0);
	assert_noted("has others' plugins in it and is kept as '10-ctnat.conflist.kept-1'");
	assert_false(exists(LIST));
	assert_is(LIST ".kept-1", HEAD OURS PORTMAP ISTIO TAIL);
	put(LIST, HEAD "{\"type\":\"bridge\"}" TAIL, 0644);
	assert_int_equal(install_withdraw_conflist(&install, &err), 0);
	assert_noted("is left where it is: it is no list with a plugin ctnat in it");
	assert_is(LIST, HEAD "{\"type\":\"bridge\"}" TAIL);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(a_node_gets_its_ranges),
		TEST(nothing_is_written_before_the_node_is_ready),
		TEST(ranges_of_one_family_are_one_set),
		TEST(without_a_pod_cidr_nothing_is_written),
		TEST(a_template_that_says_its_ranges_keeps_them),
		TEST(a_bad_template_changes_nothing),
		TEST(what_says_the_same_is_not_written),
		TEST(a_foreign_plugin_survives_an_upgrade),
		TEST(the_top_is_the_templates_as_far_as_it_says),
		TEST(a_second_object_of_ours_goes),
		TEST(what_is_no_list_of_ours_is_kept_aside),
		TEST(a_directory_of_that_name_is_an_error),
		TEST(what_others_write_meanwhile_is_not_lost),
		TEST(earlier_networks_are_reported_once),
		TEST(a_plugin_that_is_not_there_is_left_out_until_it_is),
		TEST(a_plugin_that_was_installed_is_never_taken_out),
		TEST(a_reference_plugin_lowers_the_versions),
		TEST(versions_follow_the_plugins),
		TEST(who_does_not_say_speaks_nothing_new),
		TEST(notes_are_whole_lines_each_once),
		TEST(who_hangs_is_asked_once),
		TEST(an_answer_is_remembered_with_the_file),
		TEST(the_plugin_is_installed_where_it_differs),
		TEST(leftovers_of_the_dead_go),
		TEST(nobody_ever_sees_half_of_it),
		TEST(who_is_killed_leaves_all_or_nothing),
		TEST(uninstalling_leaves_nothing),
		TEST(uninstalling_keeps_what_is_not_ours),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("install", tests, make_dir, remove_dir);
}
