// SPDX-License-Identifier: Apache-2.0
/* The environment by which a runtime speaks. (A pod's namespace that is one takes privileges:
 * tests/e2e.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cni/env.h"

static struct request req;
static struct cni_args args;
static struct err err;

static int read_env(enum verb verb)
{
	memset(&req, 0, sizeof(req));
	memset(&args, 0, sizeof(args));
	memset(&err, 0, sizeof(err));
	req.verb = verb;
	return env_read(&req, &args, &err);
}

/* A complete environment, but for a namespace: everything is judged before it. */
static int set_all(void **state)
{
	(void)state;
	setenv("CNI_CONTAINERID", "ctr-a", 1);
	setenv("CNI_IFNAME", "eth0", 1);
	setenv("CNI_NETNS", "/proc/self/ns/net", 1);
	setenv("CNI_PATH", "/opt/cni/bin", 1);
	unsetenv("CNI_ARGS");
	return 0;
}

static void assert_refused(enum verb verb, const char *says)
{
	assert_int_not_equal(read_env(verb), 0);
	assert_int_equal(err.code, CNI_INVALID_ENV);
	if (!strstr(err.msg, says))
		fail_msg("'%s', not '%s'", err.msg, says);
}

static void ids_are_needed_by_those_that_concern_a_pod(void **state)
{
	(void)state;
	unsetenv("CNI_CONTAINERID");
	assert_refused(VERB_ADD, "CNI_CONTAINERID: not set, and ADD needs it");
	assert_refused(VERB_CHECK, "CNI_CONTAINERID: not set");
	assert_refused(VERB_DEL, "CNI_CONTAINERID: not set");
	assert_int_equal(read_env(VERB_GC), 0);
	assert_int_equal(read_env(VERB_STATUS), 0);
	assert_int_equal(read_env(VERB_VERSION), 0);
	setenv("CNI_CONTAINERID", "", 1);
	assert_refused(VERB_DEL, "CNI_CONTAINERID: not set");
	setenv("CNI_CONTAINERID", "ctr-a", 1);
	unsetenv("CNI_IFNAME");
	assert_refused(VERB_ADD, "CNI_IFNAME: not set");
	assert_refused(VERB_DEL, "CNI_IFNAME: not set");
}

static void ids_are_judged_even_by_del(void **state)
{
	char longest[CONTAINER_ID_MAX + 1];

	(void)state;
	setenv("CNI_CONTAINERID", "../../etc/passwd", 1);
	assert_refused(VERB_ADD, "CNI_CONTAINERID: '../../etc/passwd'");
	assert_refused(VERB_DEL, "CNI_CONTAINERID: '../../etc/passwd'");
	memset(longest, 'a', sizeof(longest));
	longest[CONTAINER_ID_MAX] = '\0';
	setenv("CNI_CONTAINERID", longest, 1);
	assert_refused(VERB_DEL, "is too long");
	longest[CONTAINER_ID_MAX - 1] = '\0';
	setenv("CNI_CONTAINERID", longest, 1);
	assert_int_equal(read_env(VERB_DEL), 0);
	assert_string_equal(req.key.container_id, longest);
	setenv("CNI_IFNAME", "sixteen-letters!", 1);
	assert_refused(VERB_DEL, "CNI_IFNAME: 'sixteen-letters!'");
	setenv("CNI_IFNAME", "a/b", 1);
	assert_refused(VERB_ADD, "CNI_IFNAME: 'a/b'");
}

static void a_namespace_is_one_and_not_the_nodes(void **state)
{
	char path[400];

	(void)state;
	assert_refused(VERB_ADD, "CNI_NETNS: '/proc/self/ns/net': is the node's own");
	assert_refused(VERB_CHECK, "CNI_NETNS: '/proc/self/ns/net': is the node's own");
	setenv("CNI_NETNS", "/proc/self/comm", 1);
	assert_refused(VERB_ADD, "CNI_NETNS: '/proc/self/comm'");
	setenv("CNI_NETNS", "/proc/self/ns/mnt", 1);
	assert_refused(VERB_ADD, "CNI_NETNS: '/proc/self/ns/mnt'");
	setenv("CNI_NETNS", "/proc/self", 1);
	assert_refused(VERB_ADD, "CNI_NETNS: '/proc/self'");
	setenv("CNI_NETNS", "/nowhere", 1);
	assert_refused(VERB_ADD, "CNI_NETNS: '/nowhere'");
	unsetenv("CNI_NETNS");
	assert_refused(VERB_ADD, "CNI_NETNS: not set, and ADD needs it");
	memset(path, '/', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	setenv("CNI_NETNS", path, 1);
	assert_refused(VERB_ADD, "is too long");
}

/* What broke since the ADD must not keep a pod from being deleted. */
static void del_makes_do_without_the_rest(void **state)
{
	static const char *const useless[] = { "", "/nowhere", "/proc/self/comm", "/proc/self/ns/net" };

	(void)state;
	setenv("CNI_ARGS", "nonsense;IP=x", 1);
	unsetenv("CNI_PATH");
	for (size_t i = 0; i < sizeof(useless) / sizeof(useless[0]); i++) {
		setenv("CNI_NETNS", useless[i], 1);
		assert_int_equal(read_env(VERB_DEL), 0);
		assert_int_equal(err.code, 0);
		assert_string_equal(req.netns, "");
		assert_string_equal(req.key.container_id, "ctr-a");
	}
	assert_null(req.cni_path);
	assert_false(args.has_ip);
}

/* CNI_NETNS is read last: whoever gets so far has had his CNI_ARGS taken. */
static void args_are_taken(const char *text)
{
	setenv("CNI_ARGS", text, 1);
	assert_refused(VERB_ADD, "CNI_NETNS");
}

static void args_ask_for_address_and_mac(void **state)
{
	char buf[ADDR_STRLEN];

	(void)state;
	args_are_taken("IgnoreUnknown=1;K8S_POD_NAMESPACE=web;K8S_POD_NAME=shop-0;K8S_POD_UID=;IP=10.244.1.5/24;"
		       "MAC=02:00:00:00:00:07;SOMETHING=else;");
	assert_string_equal(req.pod_name, "web/shop-0");
	assert_true(args.has_ip);
	assert_string_equal(addr_format(&args.ip, buf), "10.244.1.5");
	assert_true(args.has_mac);
	assert_int_equal(args.mac[5], 7);
	assert_string_equal(req.cni_path, "/opt/cni/bin");
	args_are_taken("IP=fd00::5");
	args_are_taken(";;");
	args_are_taken("K8S_NEW=1");
	args_are_taken("A=b;IgnoreUnknown=true");
	args_are_taken("A=b=c;IgnoreUnknown=True");
}

static void args_that_say_nothing_are_refused(void **state)
{
	static const struct {
		const char *args, *says;
	} cases[] = {
		{ "IP=10.244.1", "CNI_ARGS: IP: '10.244.1'" },
		{ "IP=", "CNI_ARGS: IP: ''" },
		{ "MAC=02:00:00:00:00", "CNI_ARGS: MAC: '02:00:00:00:00'" },
		{ "MAC=ff:ff:ff:ff:ff:ff", "CNI_ARGS: MAC: 'ff:ff:ff:ff:ff:ff'" },
		{ "IP", "CNI_ARGS: 'IP': must be KEY=VALUE" },
		{ "=1", "CNI_ARGS: '=1': must be KEY=VALUE" },
		{ "FOO=1", "CNI_ARGS: FOO: '1': unknown key" },
		{ "FOO=1;IgnoreUnknown=0", "CNI_ARGS: FOO: '1': unknown key" },
		{ "ip=10.244.1.5", "CNI_ARGS: ip: '10.244.1.5': unknown key" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("CNI_ARGS", cases[i].args, 1);
		assert_refused(VERB_ADD, cases[i].says);
		assert_refused(VERB_CHECK, cases[i].says);
		assert_int_equal(read_env(VERB_GC), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ids_are_needed_by_those_that_concern_a_pod, set_all),
		cmocka_unit_test_setup(ids_are_judged_even_by_del, set_all),
		cmocka_unit_test_setup(a_namespace_is_one_and_not_the_nodes, set_all),
		cmocka_unit_test_setup(del_makes_do_without_the_rest, set_all),
		cmocka_unit_test_setup(args_ask_for_address_and_mac, set_all),
		cmocka_unit_test_setup(args_that_say_nothing_are_refused, set_all),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
