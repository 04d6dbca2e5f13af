// SPDX-License-Identifier: Apache-2.0
/* Which destination has which class: by settings, and by what a cluster says. And what is saved of both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/classes.h"
#include "core/saved.h"
#include "core/settings.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct network net;
static struct cluster_cidrs cluster;
static struct classed_cidr *classes;
static size_t n_classes;

static struct cidr cidr(const char *text)
{
	struct cidr cidr;

	assert_int_equal(cidr_parse(text, &cidr), 0);
	return cidr;
}

static int begin(void **state)
{
	(void)state;
	memset(&net, 0, sizeof(net));
	memset(&cluster, 0, sizeof(cluster));
	net.node.port_min = 1024;
	net.node.port_max = 65535;
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(classes);
	classes = NULL;
	return 0;
}

static void list(struct cidr_list *to, const char *text)
{
	to->set = true;
	to->cidrs[to->n++] = cidr(text);
}

static void look(void)
{
	free(classes);
	assert_int_equal(classes_wanted(&net, &classes, &n_classes, NULL), 0);
	for (size_t i = 0; i + 1 < n_classes; i++)
		assert_true(cidr_compare(&classes[i].cidr, &classes[i + 1].cidr) < 0);
}

/* The class of an address, by the longest prefix. */
static enum masq_class class_of(const char *text)
{
	const struct classed_cidr *best = NULL;
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	for (size_t i = 0; i < n_classes; i++)
		if (cidr_contains(&classes[i].cidr, &addr) && (!best || classes[i].cidr.len > best->cidr.len))
			best = &classes[i];
	assert_non_null(best);
	return best->class;
}

static bool is_listed(const char *text)
{
	struct cidr wanted = cidr(text);

	return classes_find(classes, n_classes, &wanted);
}

static void nobody_knows_the_services(void **state)
{
	(void)state;
	look();
	assert_int_equal(class_of("8.8.8.8"), CLASS_BPF);
	assert_int_equal(class_of("10.96.0.1"), CLASS_KERNEL);
	assert_int_equal(class_of("169.254.169.254"), CLASS_KERNEL);
	assert_int_equal(class_of("224.0.0.1"), CLASS_LEAVE);
	assert_int_equal(class_of("2001:db8::1"), CLASS_BPF);
	assert_int_equal(class_of("fd00::1"), CLASS_KERNEL);
}

static void the_same_prefix_twice(void **state)
{
	(void)state;
	list(&net.node.services, "10.96.0.0/12");
	list(&net.node.non_masquerade, "10.0.0.0/8");
	list(&net.node.masquerade, "224.0.0.0/4");
	look();
	assert_int_equal(class_of("10.96.0.1"), CLASS_SERVICE);
	assert_int_equal(class_of("10.1.0.1"), CLASS_LEAVE);
	assert_int_equal(class_of("224.0.0.1"), CLASS_BPF);
	assert_int_equal(class_of("192.168.0.1"), CLASS_BPF);
}

/* External addresses may be anywhere: until ctnatd has seen all services, BPF inserts nothing. */
static void a_cluster_not_yet_known(void **state)
{
	(void)state;
	net.cluster = &cluster;
	look();
	assert_int_equal(class_of("8.8.8.8"), CLASS_KERNEL);
	assert_int_equal(class_of("10.96.0.1"), CLASS_KERNEL);
	assert_int_equal(class_of("2001:db8::1"), CLASS_KERNEL);
	assert_int_equal(class_of("224.0.0.1"), CLASS_LEAVE);
}

static void what_a_cluster_says(void **state)
{
	const struct cidr pods[] = { cidr("10.244.2.0/24"), cidr("10.244.3.0/24") };
	const struct cidr services[] = { cidr("10.96.0.0/16"), cidr("10.96.7.7/32"), cidr("172.20.0.1/32") };
	const struct cidr externals[] = { cidr("198.51.100.7/32") };

	(void)state;
	cluster = (struct cluster_cidrs){ true, pods, 2, services, 3, externals, 1 };
	net.cluster = &cluster;
	list(&net.node.non_masquerade, "10.244.3.0/24");
	look();
	assert_int_equal(class_of("8.8.8.8"), CLASS_BPF);
	assert_int_equal(class_of("10.1.0.1"), CLASS_BPF);
	assert_int_equal(class_of("10.244.2.9"), CLASS_LEAVE);
	assert_int_equal(class_of("10.96.7.7"), CLASS_SERVICE);
	assert_int_equal(class_of("172.20.0.1"), CLASS_SERVICE);
	assert_int_equal(class_of("198.51.100.7"), CLASS_KERNEL);
	assert_false(is_listed("10.96.7.7/32"));	/* says nothing new */
	assert_true(is_listed("172.20.0.1/32"));
}

/* What lies between two equal classes must not go with the outer one's help, and an operator's word stays. */
static void only_what_says_nothing_new_goes(void **state)
{
	const struct cidr pods[] = { cidr("10.0.0.0/8"), cidr("10.9.0.0/16"), cidr("10.9.9.0/24"), cidr("10.8.0.0/16") };

	(void)state;
	cluster = (struct cluster_cidrs){ .services_known = true, .pods = pods, .n_pods = 4 };
	net.cluster = &cluster;
	list(&net.node.masquerade, "10.9.0.0/16");
	list(&net.node.non_masquerade, "10.7.0.0/16");
	look();
	assert_int_equal(class_of("10.9.1.1"), CLASS_BPF);
	assert_int_equal(class_of("10.9.9.1"), CLASS_LEAVE);
	assert_false(is_listed("10.8.0.0/16"));
	assert_true(is_listed("10.7.0.0/16"));
}

static __u64 hash(void)
{
	__u64 hash = 0;

	assert_int_equal(settings_hash(&net, &hash, NULL), 0);
	return hash;
}

static void a_change_that_changes_nothing(void **state)
{
	const struct cidr services[] = { cidr("10.96.0.0/16"), cidr("10.96.7.7/32"), cidr("172.20.0.1/32") };
	__u64 conflists = hash(), before;

	(void)state;
	cluster = (struct cluster_cidrs){ .services_known = true, .services = services, .n_services = 1 };
	net.cluster = &cluster;
	before = hash();
	assert_true(before != conflists);
	cluster.n_services = 2;
	assert_true(hash() == before);
	cluster.n_services = 3;
	assert_true(hash() != before);
	cluster.n_services = 2;
	net.node.overhead = 50;
	assert_true(hash() != before);
}

static void what_is_saved_is_read_again(void **state)
{
	const struct cidr pods[] = { cidr("10.244.2.0/24"), cidr("fd00:10:244:2::/64") };
	const struct cidr services[] = { cidr("10.96.0.0/16") }, externals[] = { cidr("198.51.100.7/32") };
	struct network *again = calloc(1, sizeof(*again));
	struct err err = { 0 };
	char *text = NULL;
	__u64 before;
	size_t len;

	(void)state;
	cluster = (struct cluster_cidrs){ true, pods, 2, services, 1, externals, 1 };
	net.cluster = &cluster;
	net.node.mtu = 1400;
	net.node.stack_mark = 0x80;
	net.node.short_way = SHORT_OFF;
	net.node.services.set = true;	/* empty, and meant so */
	list(&net.node.masquerade, "10.9.0.0/16");
	snprintf(net.node.uplinks[net.node.n_uplinks++], IFNAME_MAX, "eth0");
	before = hash();
	assert_int_equal(saved_format(&net, &text, &len, NULL), 0);
	if (saved_parse(text, again, &err))
		fail_msg("%s", err.msg);
	assert_memory_equal(&again->node, &net.node, sizeof(net.node));
	assert_true(again->cluster->services_known);
	assert_int_equal(again->cluster->n_pods, 2);
	assert_int_equal(again->cluster->n_externals, 1);
	net.cluster = again->cluster;
	assert_true(hash() == before);
	saved_free(&again);
	free(text);
}

static void what_is_not_whole_is_not_read(void **state)
{
	static const char *const bad[] = {
		"", "something else\nend\n", "ctnat settings 1\nmtu 1400\n", "ctnat settings 1\nmtu x\nend\n",
		"ctnat settings 1\nleave 10.0.0.0/8\nleave 10.0.0.0/99\nend\n",
		"ctnat settings 1\ncluster-pod 10.0.0.0/8\nuplink a/b\nend\n",
	};
	static const char good[] = "ctnat settings 1\nof-a-later-version 7\nend\n";
	struct network *again = calloc(1, sizeof(*again));
	struct err err;
	char text[200];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(text, sizeof(text), "%s", bad[i]);
		assert_true(saved_parse(text, again, &err) < 0);
		assert_null(again->cluster);
	}
	snprintf(text, sizeof(text), "%s", good);
	assert_int_equal(saved_parse(text, again, &err), 0);
	assert_false(again->cluster->services_known);
	saved_free(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nobody_knows_the_services, begin, end),
		cmocka_unit_test_setup_teardown(the_same_prefix_twice, begin, end),
		cmocka_unit_test_setup_teardown(a_cluster_not_yet_known, begin, end),
		cmocka_unit_test_setup_teardown(what_a_cluster_says, begin, end),
		cmocka_unit_test_setup_teardown(only_what_says_nothing_new_goes, begin, end),
		cmocka_unit_test_setup_teardown(a_change_that_changes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(what_is_saved_is_read_again, begin, end),
		cmocka_unit_test_setup_teardown(what_is_not_whole_is_not_read, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
