// SPDX-License-Identifier: Apache-2.0
/* What is written to stdout, by version, and how prevResult is read and continued. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "cni/prevresult.h"
#include "cni/result.h"

static struct network net;
static struct attachment_result result;
static int real_stdout, out;	/* cmocka's TAP goes to the one, what is tested to the other */

static void capture(void)
{
	fflush(stdout);
	real_stdout = dup(STDOUT_FILENO);
	out = memfd_create("stdout", 0);
	dup2(out, STDOUT_FILENO);
}

/* What was written since, parsed: all of it, one document. */
static cJSON *captured(void)
{
	char text[65536];
	ssize_t n = pread(out, text, sizeof(text) - 1, 0);
	cJSON *document;

	dup2(real_stdout, STDOUT_FILENO);
	close(real_stdout);
	close(out);
	assert_true(n > 0);
	text[n] = '\0';
	document = cJSON_ParseWithOpts(text, NULL, true);
	if (!document)
		fail_msg("not JSON: %s", text);
	return document;
}

static void assert_json(cJSON *document, const char *expected)
{
	cJSON *wanted = cJSON_Parse(expected);

	assert_non_null(wanted);
	if (!cJSON_Compare(document, wanted, true))
		fail_msg("%s", cJSON_PrintUnformatted(document));
	cJSON_Delete(wanted);
	cJSON_Delete(document);
}

static void assert_added(const char *version, const char *config, const char *expected)
{
	struct request req = { .verb = VERB_ADD, .config = config };
	struct err err = { 0 };
	int ret;

	strcpy(net.cni_version, version);
	if (prevresult_read(&req, &err))
		fail_msg("%s", err.msg);
	capture();
	ret = result_add(&req, &net, &result, &err);
	assert_json(captured(), expected);
	assert_int_equal(ret, 0);
}

static int set_up(void **state)
{
	(void)state;
	memset(&result, 0, sizeof(result));
	result.host = (struct pod_interface){ .name = "ctn0", .mac = { 2, 0, 0, 0, 0, 1 }, .mtu = 1500 };
	result.pod = (struct pod_interface){
		.name = "eth0", .mac = { 2, 0, 0, 0, 0, 0xfe }, .mtu = 1500, .sandbox = "/run/netns/a",
	};
	result.n_addrs = 2;
	cidr_parse("10.244.1.5/32", &result.addrs[0]);
	cidr_parse("fd00::5/128", &result.addrs[1]);
	result.n_routes = 2;
	cidr_parse("0.0.0.0/0", &result.routes[0].dst);
	cidr_parse("fd00::/8", &result.routes[1].dst);
	result.routes[1].mtu = 1400;
	return 0;
}

static void the_newest_shape_has_mtus(void **state)
{
	(void)state;
	assert_added("1.1.0", "{}",
		"{\"cniVersion\":\"1.1.0\",\"interfaces\":["
		"{\"name\":\"ctn0\",\"mac\":\"02:00:00:00:00:01\",\"mtu\":1500},"
		"{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:fe\",\"mtu\":1500,\"sandbox\":\"/run/netns/a\"}],"
		"\"ips\":[{\"interface\":1,\"address\":\"10.244.1.5/32\",\"gateway\":\"169.254.1.1\"},"
		"{\"interface\":1,\"address\":\"fd00::5/128\",\"gateway\":\"fe80::1\"}],"
		"\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"169.254.1.1\"},"
		"{\"dst\":\"fd00::/8\",\"gw\":\"fe80::1\",\"mtu\":1400}],\"dns\":{}}");
}

static void older_shapes_name_the_family_or_nothing(void **state)
{
	static const char *const versions[] = { "0.3.0", "0.3.1", "0.4.0", "1.0.0" };
	char expected[2048];

	(void)state;
	result.n_routes = 0;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		bool family = versions[i][0] == '0';

		snprintf(expected, sizeof(expected), "{\"cniVersion\":\"%s\",\"interfaces\":["
			 "{\"name\":\"ctn0\",\"mac\":\"02:00:00:00:00:01\"},"
			 "{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:fe\",\"sandbox\":\"/run/netns/a\"}],"
			 "\"ips\":[{%s\"interface\":1,\"address\":\"10.244.1.5/32\",\"gateway\":\"169.254.1.1\"},"
			 "{%s\"interface\":1,\"address\":\"fd00::5/128\",\"gateway\":\"fe80::1\"}],"
			 "\"routes\":[],\"dns\":{}}", versions[i], family ? "\"version\":\"4\"," : "",
			 family ? "\"version\":\"6\"," : "");
		assert_added(versions[i], "{\"prevResult\":null}", expected);
	}
}

static void what_came_before_stays_and_indexes_follow_it(void **state)
{
	(void)state;
	result.n_addrs = result.n_routes = 1;
	assert_added("1.0.0",
		"{\"prevResult\":{\"cniVersion\":\"0.4.0\",\"interfaces\":[{\"name\":\"x\"},{\"name\":\"y\",\"sandbox\":\"s\"}],"
		"\"ips\":[{\"interface\":1,\"address\":\"192.0.2.7/24\"}],\"routes\":[{\"dst\":\"192.0.2.0/24\",\"mtu\":9}],"
		"\"dns\":{\"domain\":\"d\"},\"own\":[1]}}",
		"{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"x\"},{\"name\":\"y\",\"sandbox\":\"s\"},"
		"{\"name\":\"ctn0\",\"mac\":\"02:00:00:00:00:01\"},"
		"{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:fe\",\"sandbox\":\"/run/netns/a\"}],"
		"\"ips\":[{\"interface\":1,\"address\":\"192.0.2.7/24\"},"
		"{\"interface\":3,\"address\":\"10.244.1.5/32\",\"gateway\":\"169.254.1.1\"}],"
		"\"routes\":[{\"dst\":\"192.0.2.0/24\",\"mtu\":9},{\"dst\":\"0.0.0.0/0\",\"gw\":\"169.254.1.1\"}],"
		"\"dns\":{\"domain\":\"d\"},\"own\":[1]}");
}

static void missing_and_empty_parts_are_filled(void **state)
{
	(void)state;
	result.n_addrs = result.n_routes = 0;
	result.dns.n_nameservers = result.dns.n_search = 2;
	strcpy(result.dns.nameservers[0], "10.96.0.10");
	strcpy(result.dns.nameservers[1], "10.96.0.11");
	strcpy(result.dns.search[0], "a");
	strcpy(result.dns.search[1], "b");
	strcpy(result.dns.domain, "c");
	assert_added("1.0.0", "{\"prevResult\":{\"interfaces\":null,\"dns\":{}}}",
		"{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"ctn0\",\"mac\":\"02:00:00:00:00:01\"},"
		"{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:fe\",\"sandbox\":\"/run/netns/a\"}],\"ips\":[],\"routes\":[],"
		"\"dns\":{\"nameservers\":[\"10.96.0.10\",\"10.96.0.11\"],\"search\":[\"a\",\"b\"],\"domain\":\"c\"}}");
}

static void a_result_that_nobody_reads_is_an_error(void **state)
{
	struct request req = { .config = "{}" };
	struct err err = { 0 };
	int ret;

	(void)state;
	strcpy(net.cni_version, "1.0.0");
	fflush(stdout);
	real_stdout = dup(STDOUT_FILENO);
	close(STDOUT_FILENO);
	ret = result_add(&req, &net, &result, &err);
	dup2(real_stdout, STDOUT_FILENO);
	close(real_stdout);
	assert_int_not_equal(ret, 0);
	assert_int_equal(err.code, CNI_IO);
}

static void versions_are_listed(void **state)
{
	int ret;

	(void)state;
	capture();
	ret = result_version("0.4.0", NULL);
	assert_json(captured(), "{\"cniVersion\":\"0.4.0\",\"supportedVersions\":"
				"[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}");
	assert_int_equal(ret, 0);
}

static void errors_are_printable(void **state)
{
	struct err err = { .code = 7, .msg = "name: \"a\xff\xc3\xa4\n\\\": bad" };

	(void)state;
	capture();
	result_error("1.0.0", &err);
	assert_json(captured(), "{\"cniVersion\":\"1.0.0\",\"code\":7,\"msg\":\"name: \\\"a????\\\\\\\": bad\"}");
}

/* ---- prevResult -------------------------------------------------------------------------------- */

static struct request req;

static unsigned int read_prev(enum verb verb, const char *config)
{
	struct err err = { 0 };
	int ret;

	memset(&req, 0, sizeof(req));
	req.verb = verb;
	req.config = config;
	strcpy(req.key.ifname, "eth0");
	strcpy(req.netns, "/run/netns/a");
	ret = prevresult_read(&req, &err);
	assert_int_equal(ret != 0, err.code != 0);
	return err.code;
}

static void check_finds_its_interface_and_addresses(void **state)
{
	char buf[ADDR_STRLEN];

	(void)state;
	assert_int_equal(read_prev(VERB_CHECK, "{\"prevResult\":{\"interfaces\":[{\"name\":\"eth0\"},"
		"{\"name\":\"eth0\",\"sandbox\":\"/run/netns/b\"},{\"name\":\"eth0\",\"sandbox\":\"/run/netns/a\"}],"
		"\"ips\":[{\"interface\":1,\"address\":\"10.244.1.9/32\"},{\"address\":\"10.244.1.8/32\"},"
		"{\"interface\":2,\"address\":\"10.244.1.5/32\"},{\"interface\":2,\"address\":\"fd00::5/128\"}]}}"), 0);
	assert_int_equal(req.n_expected, 2);
	assert_string_equal(addr_format(&req.expected[0], buf), "10.244.1.5");
	assert_string_equal(addr_format(&req.expected[1], buf), "fd00::5");
}

static void check_needs_the_result_of_the_add(void **state)
{
	static const char *const useless[] = {
		"{}",
		"{\"prevResult\":null}",
		"{\"prevResult\":{}}",
		"{\"prevResult\":{\"interfaces\":[{\"name\":\"eth0\"}]}}",
		"{\"prevResult\":{\"interfaces\":[{\"name\":\"eth1\",\"sandbox\":\"/run/netns/a\"}]}}",
		"{\"prevResult\":{\"interfaces\":[{\"name\":\"eth0\",\"sandbox\":\"/run/netns/b\"}]}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(useless) / sizeof(useless[0]); i++)
		if (read_prev(VERB_CHECK, useless[i]) != CNI_INVALID_CONFIG)
			fail_msg("%s", useless[i]);
	assert_int_equal(read_prev(VERB_ADD, "{}"), 0);
	assert_int_equal(read_prev(VERB_ADD, "{\"prevResult\":{}}"), 0);
}

static void what_cannot_be_continued_is_refused_before_anything_is_made(void **state)
{
	static const char *const malformed[] = {
		"{\"prevResult\":[]}",
		"{\"prevResult\":{\"interfaces\":{}}}",
		"{\"prevResult\":{\"ips\":\"x\"}}",
		"{\"prevResult\":{\"routes\":[7]}}",
		"{\"prevResult\":{\"ips\":[],\"IPs\":[]}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		if (read_prev(VERB_ADD, malformed[i]) != CNI_INVALID_CONFIG)
			fail_msg("%s", malformed[i]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_newest_shape_has_mtus, set_up),
		cmocka_unit_test_setup(older_shapes_name_the_family_or_nothing, set_up),
		cmocka_unit_test_setup(what_came_before_stays_and_indexes_follow_it, set_up),
		cmocka_unit_test_setup(missing_and_empty_parts_are_filled, set_up),
		cmocka_unit_test_setup(a_result_that_nobody_reads_is_an_error, set_up),
		cmocka_unit_test(versions_are_listed),
		cmocka_unit_test(errors_are_printable),
		cmocka_unit_test(check_finds_its_interface_and_addresses),
		cmocka_unit_test(check_needs_the_result_of_the_add),
		cmocka_unit_test(what_cannot_be_continued_is_refused_before_anything_is_made),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
