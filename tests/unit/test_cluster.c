// SPDX-License-Identifier: Apache-2.0
/* The model of the cluster: lists sweep, generations tell, answers are sorted. And back-off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/backoff.h"
#include "agent/cluster.h"

static struct cluster c;

static int setup(void **state)
{
	(void)state;
	return cluster_init(&c, "b", NULL);
}

static int teardown(void **state)
{
	(void)state;
	cluster_free(&c);
	return 0;
}

static void put(enum kind kind, const char *text)
{
	static struct object object;
	struct err err;

	if (object_parse(text, strlen(text), kind, &object, &err) || cluster_put(&c, &object, &err))
		fail_msg("%s: %s", text, err.msg);
}

static void put_node(const char *name, const char *pods)
{
	char text[512];

	snprintf(text, sizeof(text), "{\"metadata\":{\"name\":\"%s\",\"resourceVersion\":\"%d\"},\"spec\":{\"podCIDR\":\"%s\"}}",
		 name, rand(), pods);
	put(KIND_NODE, text);
}

static void put_service(const char *name, const char *cluster_ips, const char *externals)
{
	char text[512];

	snprintf(text, sizeof(text), "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"n\"},"
		 "\"spec\":{\"clusterIPs\":[%s],\"externalIPs\":[%s]}}", name, cluster_ips, externals);
	put(KIND_SERVICE, text);
}

static void has_nodes(const char *names)
{
	const struct peer *peers;
	char text[512] = "";
	size_t n;

	assert_int_equal(cluster_peers(&c, &peers, &n, NULL), 0);
	assert_int_equal(n, cluster_count(&c, KIND_NODE));
	for (size_t i = 0; i < n; i++)
		strcat(strcat(text, i ? " " : ""), peers[i].name);
	assert_string_equal(text, names);
}

static void has_cidrs(int (*list)(const struct cluster *c, struct cidr **out, size_t *n, struct err *err),
		      const char *wanted)
{
	char text[1024] = "", buf[ADDR_STRLEN];
	struct cidr *cidrs;
	size_t n;

	assert_int_equal(list(&c, &cidrs, &n, NULL), 0);
	for (size_t i = 0; i < n; i++)
		strcat(strcat(text, i ? " " : ""), cidr_format(&cidrs[i], buf));
	free(cidrs);
	assert_string_equal(text, wanted);
}

static void nodes_are_sorted_whatever_their_order(void **state)
{
	static const char *const names[] = { "m", "a", "z", "b", "y", "c", "a1", "a-1", "b" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		put_node(names[i], "10.244.1.0/24");
	has_nodes("a a-1 a1 b c m y z");
	assert_string_equal(cluster_self(&c)->name, "b");
	cluster_delete(&c, KIND_NODE, "b");
	cluster_delete(&c, KIND_NODE, "z");
	cluster_delete(&c, KIND_NODE, "nobody");
	has_nodes("a a-1 a1 c m y");
	assert_null(cluster_self(&c));
}

static void only_what_we_use_counts(void **state)
{
	__u64 before;

	(void)state;
	put_node("a", "10.244.1.0/24");
	before = c.generation[KIND_NODE];
	assert_true(before > 0);
	put_node("a", "10.244.1.0/24"); /* a heartbeat */
	cluster_keep(&c, KIND_NODE, "a");
	cluster_delete(&c, KIND_NODE, "b");
	assert_int_equal(c.generation[KIND_NODE], before);
	put_node("a", "10.244.2.0/24");
	assert_int_equal(c.generation[KIND_NODE], before + 1);
	cluster_delete(&c, KIND_NODE, "a");
	assert_int_equal(c.generation[KIND_NODE], before + 2);
	assert_int_equal(c.generation[KIND_SERVICE], 0);
}

static void a_list_sweeps(void **state)
{
	__u64 before;

	(void)state;
	assert_false(cluster_knows(&c, KIND_NODE));
	cluster_begin(&c, KIND_NODE);
	put_node("a", "10.244.1.0/24");
	put_node("b", "10.244.2.0/24");
	assert_false(cluster_knows(&c, KIND_NODE));
	cluster_end(&c, KIND_NODE);
	assert_true(cluster_knows(&c, KIND_NODE));
	assert_false(cluster_knows(&c, KIND_SERVICE));
	put_node("c", "10.244.3.0/24"); /* by the watch */
	put_node("d", "10.244.4.0/24");

	before = c.generation[KIND_NODE];
	cluster_begin(&c, KIND_NODE); /* ends early: nothing is lost */
	put_node("a", "10.244.1.0/24");
	cluster_begin(&c, KIND_NODE);
	put_node("c", "10.244.3.0/24");
	put_node("b", "10.244.2.0/24");
	cluster_keep(&c, KIND_NODE, "d");
	cluster_keep(&c, KIND_NODE, "e");
	assert_int_equal(c.generation[KIND_NODE], before);
	has_nodes("a b c d");
	cluster_end(&c, KIND_NODE);
	assert_int_equal(c.generation[KIND_NODE], before + 1);
	has_nodes("b c d");

	cluster_begin(&c, KIND_NODE); /* all as it was */
	put_node("b", "10.244.2.0/24");
	put_node("c", "10.244.3.0/24");
	put_node("d", "10.244.4.0/24");
	cluster_end(&c, KIND_NODE);
	assert_int_equal(c.generation[KIND_NODE], before + 1);
}

static void an_empty_list_is_news_once(void **state)
{
	(void)state;
	cluster_begin(&c, KIND_SERVICE_CIDR);
	cluster_end(&c, KIND_SERVICE_CIDR);
	assert_int_equal(c.generation[KIND_SERVICE_CIDR], 1);
	cluster_begin(&c, KIND_SERVICE_CIDR);
	cluster_end(&c, KIND_SERVICE_CIDR);
	assert_int_equal(c.generation[KIND_SERVICE_CIDR], 1);
}

static void peers_are_of_the_last_generation(void **state)
{
	const struct peer *peers;
	char buf[ADDR_STRLEN];
	size_t n;

	(void)state;
	has_nodes("");
	put_node("a", "10.244.1.0/24");
	has_nodes("a");
	put_node("a", "10.244.2.0/24");
	assert_int_equal(cluster_peers(&c, &peers, &n, NULL), 0);
	assert_string_equal(cidr_format(&peers[0].pod_cidrs[0], buf), "10.244.2.0/24");
}

static void services(void **state)
{
	(void)state;
	has_cidrs(cluster_service_cidrs, "");
	has_cidrs(cluster_externals, "");
	put_service("a", "\"10.96.0.9\",\"fd00::9\"", "\"203.0.113.2\"");
	put_service("b", "\"10.96.0.1\"", "\"203.0.113.1\",\"203.0.113.2\"");
	put_service("headless", "\"None\"", "");
	has_cidrs(cluster_service_cidrs, "10.96.0.1/32 10.96.0.9/32 fd00::9/128");
	has_cidrs(cluster_externals, "203.0.113.1/32 203.0.113.2/32");

	put(KIND_SERVICE_CIDR, "{\"metadata\":{\"name\":\"kubernetes\"},\"spec\":{\"cidrs\":[\"10.96.0.0/29\",\"fd00::/108\"]}}");
	has_cidrs(cluster_service_cidrs, "10.96.0.0/29 10.96.0.9/32 fd00::/108");
	put(KIND_SERVICE_CIDR, "{\"metadata\":{\"name\":\"more\"},\"spec\":{\"cidrs\":[\"10.96.0.0/28\",\"fd00::/108\"]}}");
	has_cidrs(cluster_service_cidrs, "10.96.0.0/28 10.96.0.0/29 fd00::/108");
	cluster_delete(&c, KIND_SERVICE, "n/b");
	has_cidrs(cluster_externals, "203.0.113.2/32");
}

static void a_name_is_needed(void **state)
{
	struct cluster other;

	(void)state;
	assert_true(cluster_init(&other, "", NULL) < 0);
}

static void back_off_grows_to_its_limit(void **state)
{
	static const unsigned int most[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000 };

	(void)state;
	for (int round = 0; round < 1000; round++) {
		struct backoff backoff = { 0 };

		for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
			unsigned int ms = backoff_next(&backoff, 1000);

			assert_in_range(ms, most[i] / 2, most[i]);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nodes_are_sorted_whatever_their_order, setup, teardown),
		cmocka_unit_test_setup_teardown(only_what_we_use_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(a_list_sweeps, setup, teardown),
		cmocka_unit_test_setup_teardown(an_empty_list_is_news_once, setup, teardown),
		cmocka_unit_test_setup_teardown(peers_are_of_the_last_generation, setup, teardown),
		cmocka_unit_test_setup_teardown(services, setup, teardown),
		cmocka_unit_test(a_name_is_needed),
		cmocka_unit_test(back_off_grows_to_its_limit),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
