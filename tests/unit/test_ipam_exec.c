// SPDX-License-Identifier: Apache-2.0
/* Delegated IPAM: shell scripts stand for the plugins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cni/ipam_exec.h"

#define CONFIG "{\"cniVersion\":\"1.1.0\",\"name\":\"pods\",\"ipam\":{\"type\":\"fake\"}}"
#define RESULT "{\"ips\":[{\"version\":\"4\",\"address\":\"10.244.1.2/24\",\"gateway\":\"10.244.1.1\"}]}"

static char dir[] = "/tmp/test_ipam_exec.XXXXXX", path[256], cni_path[256];
static struct request req;
static struct network net;
static struct delegate_result result;
static struct err err;

/* The plugin: a script with the directory as $DIR. */
static void plugin(const char *script)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\nDIR=%s\n%s\n", dir, script);
	fclose(f);
	assert_int_equal(chmod(path, 0755), 0);
}

/* What the script wrote into $DIR/<name>. */
static const char *written(const char *name)
{
	static char text[4096];
	char file[300];
	size_t n = 0;
	FILE *f;

	snprintf(file, sizeof(file), "%s/%s", dir, name);
	f = fopen(file, "r");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
		unlink(file);
	}
	text[n] = '\0';
	return text;
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

static int set_up(void **state)
{
	(void)state;
	memset(&req, 0, sizeof(req));
	memset(&net, 0, sizeof(net));
	memset(&err, 0, sizeof(err));
	snprintf(path, sizeof(path), "%s/fake", dir);
	snprintf(cni_path, sizeof(cni_path), "/nowhere:%s", dir);
	strcpy(req.key.container_id, "ctr-a");
	strcpy(req.key.ifname, "eth0");
	strcpy(req.netns, "/run/netns/a");
	req.config = CONFIG;
	req.cni_path = cni_path;
	strcpy(net.ipam_type, "fake");
	strcpy(net.cni_version, "1.1.0");
	/* as they are when GC deletes somebody's attachment */
	setenv("CNI_COMMAND", "GC", 1);
	setenv("CNI_CONTAINERID", "somebody", 1);
	setenv("CNI_IF", "kept", 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static void assert_fails(enum verb verb, unsigned int code, const char *says)
{
	memset(&err, 0, sizeof(err));
	assert_int_not_equal(ipam_exec(verb, &req, &net, &result, &err), 0);
	if (err.code != code || !strstr(err.msg, says))
		fail_msg("%u '%s', not %u '%s'", err.code, err.msg, code, says);
}

static void a_result_becomes_addresses_routes_and_dns(void **state)
{
	char buf[ADDR_STRLEN];

	(void)state;
	plugin("echo '{\"cniVersion\":\"0.3.1\",\"ips\":[{\"version\":\"4\",\"address\":\"10.244.1.2/24\"},"
	       "{\"address\":\"fd00::2/64\"}],\"routes\":[{\"dst\":\"10.1.2.3/8\",\"gw\":\"10.244.1.1\"},"
	       "{\"dst\":\"::/0\",\"mtu\":1300}],\"dns\":{\"nameservers\":[\"10.96.0.10\"],\"domain\":\"d\"}}'");
	assert_int_equal(ipam_exec(VERB_ADD, &req, &net, &result, &err), 0);
	assert_int_equal(result.n_addrs, 2);
	assert_string_equal(cidr_format(&result.addrs[0], buf), "10.244.1.2/24");
	assert_string_equal(cidr_format(&result.addrs[1], buf), "fd00::2/64");
	assert_int_equal(result.n_routes, 2);
	assert_string_equal(cidr_format(&result.routes[0].dst, buf), "10.0.0.0/8");
	assert_int_equal(result.routes[1].mtu, 1300);
	assert_string_equal(result.dns.nameservers[0], "10.96.0.10");
	assert_string_equal(result.dns.domain, "d");
}

static void the_plugin_is_told_of_the_requests_pod(void **state)
{
	(void)state;
	plugin("cat >$DIR/stdin; env | grep ^CNI_ | LC_ALL=C sort >$DIR/env; echo '" RESULT "'");
	assert_int_equal(ipam_exec(VERB_ADD, &req, &net, &result, &err), 0);
	assert_string_equal(written("stdin"), CONFIG);
	assert_string_equal(written("env"), "CNI_COMMAND=ADD\nCNI_CONTAINERID=ctr-a\nCNI_IF=kept\n"
					    "CNI_IFNAME=eth0\nCNI_NETNS=/run/netns/a\n");
	assert_int_equal(ipam_exec(VERB_DEL, &req, &net, NULL, &err), 0);
	assert_non_null(strstr(written("env"), "CNI_COMMAND=DEL\n"));
	written("stdin");
}

static void its_errors_are_passed_on(void **state)
{
	(void)state;
	plugin("echo '{\"code\":101,\"msg\":\"no address\",\"details\":\"range is full\"}'; exit 1");
	assert_fails(VERB_ADD, 101, "IPAM plugin 'fake': no address; range is full");
	assert_fails(VERB_DEL, 101, "no address");
	plugin("echo '{\"code\":11,\"msg\":\"later\"}'; exit 1");
	assert_fails(VERB_ADD, CNI_TRY_AGAIN, "IPAM plugin 'fake': later");
	plugin("echo oops; exit 3");
	assert_fails(VERB_ADD, CNI_DELEGATE, "IPAM plugin 'fake' failed without saying why");
	plugin("kill -9 $$");
	assert_fails(VERB_ADD, CNI_DELEGATE, "was killed by signal 9");
}

static void results_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		const char *output, *says;
	} cases[] = {
		{ "", "result of IPAM plugin 'fake': result: empty" },
		{ "{}", "ips: missing" },
		{ "{\"ips\":[]}", "ips: missing" },
		{ "{\"ips\":[{}]}", "ips[0].address: missing" },
		{ "{\"ips\":[{\"address\":\"10.244.1.2\"}]}", "ips[0].address: \"10.244.1.2\"" },
		{ "{\"ips\":[{\"address\":\"10.244.1.2/24\"}],\"routes\":[{}]}", "routes[0].dst: missing" },
		{ "{\"ip4\":{\"ip\":\"10.244.1.2/24\"}}", "ips: missing" },
	};
	char script[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(script, sizeof(script), "printf %%s '%s'", cases[i].output);
		plugin(script);
		assert_fails(VERB_ADD, CNI_DELEGATE, cases[i].says);
	}
	plugin("head -c 2000000 /dev/zero");
	assert_fails(VERB_ADD, CNI_KERNEL, "more than 1048576 bytes");
}

static void it_is_looked_for_in_cni_path(void **state)
{
	(void)state;
	assert_fails(VERB_ADD, CNI_DELEGATE, "has no IPAM plugin 'fake'");
	plugin("echo '" RESULT "'");
	assert_int_equal(chmod(path, 0644), 0);
	if (access(path, X_OK))
		assert_fails(VERB_ADD, CNI_DELEGATE, "has no IPAM plugin 'fake'");
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(ipam_exec(VERB_ADD, &req, &net, &result, &err), 0);
	req.cni_path = NULL;
	assert_fails(VERB_ADD, CNI_INVALID_ENV, "CNI_PATH: not set");
	req.cni_path = "";
	assert_fails(VERB_ADD, CNI_DELEGATE, "has no IPAM plugin");
	unlink(path);
	assert_int_equal(mkdir(path, 0755), 0);
	req.cni_path = cni_path;
	assert_fails(VERB_ADD, CNI_DELEGATE, "has no IPAM plugin");
	rmdir(path);
}

/* VERSION answers with these; any other verb leaves a trace. */
static void plugin_of_versions(const char *versions)
{
	char script[512];

	snprintf(script, sizeof(script),
		 "if [ $CNI_COMMAND = VERSION ]; then echo '{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[%s]}'\n"
		 "else echo $CNI_COMMAND >>$DIR/called; fi", versions);
	plugin(script);
}

static void verbs_go_to_those_that_know_them(void **state)
{
	static const struct {
		const char *versions, *called;
	} cases[] = {
		{ "\"0.3.0\",\"0.3.1\"", "" },
		{ "\"0.3.1\",\"0.4.0\",\"1.0.0\"", "CHECK\n" },
		{ "\"1.1.0\",\"1.0.0\"", "CHECK\nGC\nSTATUS\n" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		plugin_of_versions(cases[i].versions);
		assert_int_equal(ipam_exec(VERB_CHECK, &req, &net, NULL, &err), 0);
		assert_int_equal(ipam_exec(VERB_GC, &req, &net, NULL, &err), 0);
		assert_int_equal(ipam_exec(VERB_STATUS, &req, &net, NULL, &err), 0);
		assert_string_equal(written("called"), cases[i].called);
	}
}

static void an_older_plugin_is_asked_in_its_version(void **state)
{
	(void)state;
	plugin("cat >$DIR/stdin\n"
	       "if [ $CNI_COMMAND = VERSION ]; then echo '{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"0.4.0\",\"1.0.0\"]}'\n"
	       "elif grep -q '\"cniVersion\":\"1.0.0\"' $DIR/stdin; then echo '" RESULT "'\n"
	       "else echo '{\"code\":1,\"msg\":\"incompatible CNI versions\"}'; exit 1; fi");
	assert_int_equal(ipam_exec(VERB_ADD, &req, &net, &result, &err), 0);
	assert_int_equal(result.n_addrs, 1);
	assert_int_equal(ipam_exec(VERB_DEL, &req, &net, NULL, &err), 0);
	assert_string_equal(written("stdin"), "{\"name\":\"pods\",\"ipam\":{\"type\":\"fake\"},\"cniVersion\":\"1.0.0\"}");
}

static void a_plugin_that_speaks_no_version_of_ours_says_so(void **state)
{
	(void)state;
	plugin("if [ $CNI_COMMAND = VERSION ]; then echo '{\"cniVersion\":\"2.0.0\",\"supportedVersions\":[\"2.0.0\"]}'\n"
	       "else echo '{\"code\":1,\"msg\":\"incompatible CNI versions\"}'; exit 1; fi");
	assert_fails(VERB_ADD, CNI_INCOMPATIBLE_VERSION, "incompatible CNI versions");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_result_becomes_addresses_routes_and_dns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_plugin_is_told_of_the_requests_pod, set_up, tear_down),
		cmocka_unit_test_setup_teardown(its_errors_are_passed_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(results_that_make_no_sense_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_is_looked_for_in_cni_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(verbs_go_to_those_that_know_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_older_plugin_is_asked_in_its_version, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_plugin_that_speaks_no_version_of_ours_says_so, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("ipam_exec", tests, make_dir, remove_dir);
}
