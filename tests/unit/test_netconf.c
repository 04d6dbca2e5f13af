// SPDX-License-Identifier: Apache-2.0
/*
 * The network configuration: what good ones come to, and how little of it DEL and GC want. What bad
 * ones are told is tests/e2e/bad_input.table, which the whole plugin goes through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cni/netconf.h"
#include "core/settings.h"

#define HEAD  "{\"cniVersion\":\"1.1.0\",\"name\":\"pods\",\"type\":\"ctnat\""
#define SETS  "\"ranges\":[[{\"subnet\":\"10.244.1.0/24\"}],[{\"subnet\":\"fd00:10:244:1::/64\"}]]"
#define IPAM  ",\"ipam\":{\"type\":\"ctnat\"," SETS "}"

static struct network net;	/* of the last parse() */

static void parse_with(const char *text, const struct cni_args *args)
{
	struct err err = { 0 };

	if (netconf_parse(text, strlen(text), VERB_ADD, args, &net, &err))
		fail_msg("%s: %s", text, err.msg);
}

static void parse(const char *text)
{
	parse_with(text, &(struct cni_args){ 0 });
}

/* The verb's error code for the text, 0 if it takes it. */
static unsigned int code_of(const char *text, enum verb verb)
{
	struct err err = { 0 };
	int ret = netconf_parse(text, strlen(text), verb, &(struct cni_args){ 0 }, &net, &err);

	assert_int_equal(ret != 0, err.code != 0);
	return err.code;
}

static void assert_addr(const struct addr *addr, const char *text)
{
	char buf[ADDR_STRLEN];

	assert_string_equal(addr_format(addr, buf), text);
}

static void assert_cidr(const struct cidr *cidr, const char *text)
{
	char buf[ADDR_STRLEN];

	assert_string_equal(cidr_format(cidr, buf), text);
}

static void assert_range(const struct ip_range *range, const char *first, const char *last)
{
	assert_addr(&range->first, first);
	assert_addr(&range->last, last);
}

static void the_least_configuration_has_defaults(void **state)
{
	(void)state;
	parse(HEAD IPAM "}");
	assert_string_equal(net.cni_version, "1.1.0");
	assert_string_equal(net.name, "pods");
	assert_string_equal(net.ipam_type, "ctnat");
	assert_false(net.node.non_masquerade.set || net.node.services.set || net.node.masquerade.set);
	assert_int_equal(net.node.n_uplinks, 0);
	assert_int_equal(net.node.mtu, 0);
	assert_int_equal(net.node.port_min, 1024);
	assert_int_equal(net.node.port_max, 65535);
	assert_int_equal(net.node.insert_limit, 2000);
	assert_true(net.node.spoof_check);
	assert_int_equal(net.node.datapath, LEVEL_NONE);
	assert_int_equal(net.node.short_way, SHORT_CACHED);
	assert_int_equal(net.node.stack_mark, 0);
	assert_false(net.status_when_full_ok);
	assert_int_equal(net.n_sets, 2);
	assert_int_equal(net.n_ips, 0);
	assert_false(net.has_mac || net.shaped);
}

static void every_node_key_is_heard(void **state)
{
	(void)state;
	parse(HEAD IPAM ",\"nonMasqueradeCIDRs\":[\"10.0.0.0/8\",\"fd00::/8\"],\"serviceCIDRs\":[],"
	      "\"masqueradeCIDRs\":[\"10.9.0.0/16\"],\"uplinks\":[\"eth0\",\"eth1.7\"],\"mtu\":1400,"
	      "\"portRange\":\"2000-2999\",\"insertLimit\":0,\"spoofCheck\":false,\"datapath\":\"assisted\","
	      "\"shortWay\":\"off\",\"stackMark\":128,\"statusWhenFull\":\"ok\",\"capabilities\":{\"dns\":true},\"unknown\":[{}]}");
	assert_int_equal(net.node.non_masquerade.n, 2);
	assert_cidr(&net.node.non_masquerade.cidrs[1], "fd00::/8");
	assert_true(net.node.services.set);
	assert_int_equal(net.node.services.n, 0);
	assert_cidr(&net.node.masquerade.cidrs[0], "10.9.0.0/16");
	assert_int_equal(net.node.n_uplinks, 2);
	assert_string_equal(net.node.uplinks[1], "eth1.7");
	assert_int_equal(net.node.mtu, 1400);
	assert_int_equal(net.node.port_min, 2000);
	assert_int_equal(net.node.port_max, 2999);
	assert_int_equal(net.node.insert_limit, 0);
	assert_false(net.node.spoof_check);
	assert_int_equal(net.node.datapath, LEVEL_ASSISTED);
	assert_int_equal(net.node.short_way, SHORT_OFF);
	assert_int_equal(net.node.stack_mark, 128);
	assert_true(net.status_when_full_ok);
}

static void levels_have_names(void **state)
{
	static const struct {
		const char *name;
		enum datapath_level level;
	} cases[] = {
		{ "auto", LEVEL_NONE },
		{ "full", LEVEL_FULL },
		{ "assisted", LEVEL_ASSISTED },
		{ "nftables", LEVEL_NFTABLES },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), HEAD IPAM ",\"datapath\":\"%s\"}", cases[i].name);
		parse(text);
		assert_int_equal(net.node.datapath, cases[i].level);
	}
}

static void short_ways_have_names(void **state)
{
	static const char *const names[] = {
		[SHORT_CACHED] = "cached", [SHORT_UNCACHED] = "uncached", [SHORT_OFF] = "off",
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(text, sizeof(text), HEAD IPAM ",\"shortWay\":\"%s\"}", names[i]);
		parse(text);
		assert_int_equal(net.node.short_way, i);
	}
}

static void a_mark_is_a_number_or_text(void **state)
{
	static const struct {
		const char *value;
		__u32 mark;
	} cases[] = {
		{ "0", 0 }, { "4294967295", 0xffffffff }, { "\"0x80\"", 0x80 }, { "\"128\"", 0x80 }, { "null", 0 },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), HEAD IPAM ",\"stackMark\":%s}", cases[i].value);
		parse(text);
		assert_int_equal(net.node.stack_mark, cases[i].mark);
	}
}

static __u64 hash(void)
{
	__u64 hash = 0;

	assert_int_equal(settings_hash(&net, &hash, NULL), 0);
	return hash;
}

/* Networks that differ in any of them contradict each other. */
static void every_node_key_counts(void **state)
{
	static const char *const keys[] = {
		"\"nonMasqueradeCIDRs\":[\"10.0.0.0/8\"]", "\"serviceCIDRs\":[]", "\"masqueradeCIDRs\":[\"10.9.0.0/16\"]",
		"\"uplinks\":[\"eth0\"]", "\"mtu\":1400", "\"portRange\":\"1024-2000\"", "\"portRange\":\"2000-65535\"",
		"\"insertLimit\":0", "\"spoofCheck\":false", "\"datapath\":\"full\"", "\"shortWay\":\"uncached\"",
		"\"stackMark\":\"0x1\"",
	};
	__u64 plain;
	char text[512];

	(void)state;
	parse(HEAD IPAM "}");
	plain = hash();
	parse(HEAD IPAM ",\"statusWhenFull\":\"ok\",\"shortWay\":\"cached\",\"stackMark\":\"0x0\"}");
	assert_true(hash() == plain);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(text, sizeof(text), HEAD IPAM ",%s}", keys[i]);
		parse(text);
		if (hash() == plain)
			fail_msg("%s counts for nothing", keys[i]);
	}
}

/* What is hashed to see whether two networks agree must not depend on what lay there before. */
static void equal_settings_are_equal_bytes(void **state)
{
	static struct node_settings first;

	(void)state;
	memset(&net, 0xff, sizeof(net));
	parse(HEAD IPAM ",\"uplinks\":[\"eth0\"]}");
	first = net.node;
	memset(&net, 0, sizeof(net));
	parse("{\"uplinks\":[\"eth0\"],\"mtu\":0,\"spoofCheck\":true,\"name\":\"other\",\"type\":\"ctnat\",\"ipam\":{},"
	      "\"cniVersion\":\"0.3.0\"}");
	assert_memory_equal(&first, &net.node, sizeof(first));
}

/* ---- ranges ------------------------------------------------------------------------------------ */

static void ranges_leave_out_network_and_broadcast(void **state)
{
	static const struct {
		const char *range, *first, *last;
	} cases[] = {
		{ "\"subnet\":\"10.244.1.0/24\"", "10.244.1.1", "10.244.1.254" },
		{ "\"subnet\":\"10.244.1.0/30\"", "10.244.1.1", "10.244.1.2" },
		{ "\"subnet\":\"10.244.1.0/31\"", "10.244.1.0", "10.244.1.1" },
		{ "\"subnet\":\"10.244.1.7/32\"", "10.244.1.7", "10.244.1.7" },
		{ "\"subnet\":\"fd00:10:244:1::/64\"", "fd00:10:244:1::1", "fd00:10:244:1:ffff:ffff:ffff:ffff" },
		{ "\"subnet\":\"fd00::/127\"", "fd00::", "fd00::1" },
		{ "\"subnet\":\"10.244.1.0/24\",\"rangeStart\":\"10.244.1.10\"", "10.244.1.10", "10.244.1.254" },
		{ "\"subnet\":\"10.244.1.0/24\",\"rangeEnd\":\"10.244.1.10\"", "10.244.1.1", "10.244.1.10" },
		{ "\"subnet\":\"10.244.1.0/24\",\"rangeStart\":\"10.244.1.0\",\"rangeEnd\":\"10.244.1.255\"",
		  "10.244.1.1", "10.244.1.254" },
		{ "\"subnet\":\"10.244.1.0/24\",\"rangeStart\":\"10.244.1.9\",\"rangeEnd\":\"10.244.1.9\"",
		  "10.244.1.9", "10.244.1.9" },
		{ "\"Subnet\":\"10.244.1.0/24\",\"RangeStart\":\"\",\"RangeEnd\":\"\",\"Gateway\":\"\"",
		  "10.244.1.1", "10.244.1.254" },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), HEAD ",\"ipam\":{\"type\":\"ctnat\",\"ranges\":[[{%s}]]}}",
			 cases[i].range);
		parse(text);
		assert_range(&net.sets[0].ranges[0], cases[i].first, cases[i].last);
		assert_true(addr_is_zero(&net.sets[0].ranges[0].gateway));
	}
}

static void a_set_has_many_ranges_even_of_one_subnet(void **state)
{
	(void)state;
	parse(HEAD ",\"ipam\":{\"type\":\"ctnat\",\"ranges\":[["
	      "{\"subnet\":\"10.244.1.0/24\",\"rangeEnd\":\"10.244.1.9\",\"gateway\":\"10.244.1.1\"},"
	      "{\"subnet\":\"10.244.1.0/24\",\"rangeStart\":\"10.244.1.10\"},{\"subnet\":\"10.244.2.0/24\"}]]}}");
	assert_int_equal(net.n_sets, 1);
	assert_int_equal(net.sets[0].n, 3);
	assert_range(&net.sets[0].ranges[0], "10.244.1.1", "10.244.1.9");
	assert_addr(&net.sets[0].ranges[0].gateway, "10.244.1.1");
	assert_range(&net.sets[0].ranges[1], "10.244.1.10", "10.244.1.254");
	assert_cidr(&net.sets[0].ranges[2].subnet, "10.244.2.0/24");
}

static void sets_come_from_three_places(void **state)
{
	(void)state;
	parse(HEAD ",\"ipam\":{\"type\":\"ctnat\",\"subnet\":\"10.244.1.0/24\",\"rangeStart\":\"10.244.1.10\","
	      "\"ranges\":[[{\"subnet\":\"fd00::/64\"}]]},"
	      "\"runtimeConfig\":{\"IPRanges\":[[{\"Subnet\":\"10.244.2.0/24\"}]]}}");
	assert_int_equal(net.n_sets, 3);
	assert_range(&net.sets[0].ranges[0], "10.244.1.10", "10.244.1.254");
	assert_cidr(&net.sets[1].ranges[0].subnet, "10.244.2.0/24");
	assert_cidr(&net.sets[2].ranges[0].subnet, "fd00::/64");
}

static void no_addresses_must_be_said(void **state)
{
	(void)state;
	parse(HEAD ",\"ipam\":{}}");
	assert_string_equal(net.ipam_type, "");
	parse(HEAD ",\"ipam\":{\"type\":\"ctnat\",\"ranges\":[]}}");
	assert_int_equal(net.n_sets, 0);
	assert_int_equal(code_of(HEAD "}", VERB_ADD), CNI_INVALID_CONFIG);
	assert_int_equal(code_of(HEAD ",\"ipam\":{\"type\":\"ctnat\"}}", VERB_ADD), CNI_INVALID_CONFIG);
	/* ranges may be what the runtime will pass with each ADD */
	assert_int_equal(code_of(HEAD ",\"ipam\":{\"type\":\"ctnat\"}}", VERB_STATUS), 0);
}

static void another_plugins_section_is_its_own(void **state)
{
	(void)state;
	parse(HEAD ",\"ipam\":{\"type\":\"host-local\",\"ranges\":7,\"routes\":\"x\"}}");
	assert_string_equal(net.ipam_type, "host-local");
	assert_int_equal(net.n_sets, 0);
	assert_int_equal(net.n_routes, 0);
}

static void routes_are_default_given_or_none(void **state)
{
	(void)state;
	parse(HEAD IPAM "}");
	assert_int_equal(net.n_routes, 2);
	assert_cidr(&net.routes[0].dst, "0.0.0.0/0");
	assert_cidr(&net.routes[1].dst, "::/0");
	parse(HEAD ",\"ipam\":{\"type\":\"ctnat\",\"subnet\":\"10.244.1.0/24\"}}");
	assert_int_equal(net.n_routes, 1);
	parse(HEAD ",\"ipam\":{\"type\":\"ctnat\",\"subnet\":\"10.244.2.0/24\"," SETS "}}");
	assert_int_equal(net.n_routes, 2);
	parse(HEAD ",\"ipam\":{\"type\":\"ctnat\"," SETS ",\"routes\":[]}}");
	assert_int_equal(net.n_routes, 0);
	parse(HEAD ",\"ipam\":{\"type\":\"ctnat\"," SETS
	      ",\"routes\":[{\"dst\":\"10.0.0.0/8\",\"gw\":\"10.244.1.1\",\"mtu\":1300}]}}");
	assert_int_equal(net.n_routes, 1);
	assert_cidr(&net.routes[0].dst, "10.0.0.0/8");
	assert_int_equal(net.routes[0].mtu, 1300);
}

/* ---- one attachment ---------------------------------------------------------------------------- */

static void the_runtime_asks_whatever_its_case(void **state)
{
	static const __u8 mac[MAC_LEN] = { 0xc2, 0x11, 0x22, 0x33, 0x44, 0x55 };

	(void)state;
	parse(HEAD IPAM ",\"runtimeConfig\":{\"IPs\":[\"10.244.1.5/24\",\"fd00:10:244:1::5\"],\"Mac\":\"c2:11:22:33:44:55\","
	      "\"bandwidth\":{\"IngressRate\":1000,\"IngressBurst\":0,\"EgressRate\":0},"
	      "\"dns\":{\"Servers\":[\"10.96.0.10\"],\"Searches\":[\"a.local\",\"b\"],\"Options\":null},"
	      "\"io.kubernetes.cri.pod-annotations\":null,\"PortMappings\":[]}}");
	assert_int_equal(net.n_ips, 2);
	assert_addr(&net.ips[0], "10.244.1.5");
	assert_addr(&net.ips[1], "fd00:10:244:1::5");
	assert_true(net.has_mac);
	assert_memory_equal(net.mac, mac, MAC_LEN);
	assert_true(net.shaped);
	assert_int_equal(net.dns.n_nameservers, 1);
	assert_string_equal(net.dns.nameservers[0], "10.96.0.10");
	assert_int_equal(net.dns.n_search, 2);
	assert_string_equal(net.dns.search[1], "b");
	assert_int_equal(net.dns.n_options, 0);
}

static void no_limit_is_no_shaping(void **state)
{
	(void)state;
	parse(HEAD IPAM ",\"runtimeConfig\":{\"bandwidth\":{\"ingressRate\":0,\"egressRate\":0}}}");
	assert_false(net.shaped);
}

static void the_configuration_is_heard_before_the_environment(void **state)
{
	struct cni_args args = { .has_ip = true, .has_mac = true, .mac = { 2, 0, 0, 0, 0, 1 } };

	(void)state;
	assert_int_equal(addr_parse("10.244.1.7", &args.ip), 0);
	parse_with(HEAD IPAM "}", &args);
	assert_int_equal(net.n_ips, 1);
	assert_addr(&net.ips[0], "10.244.1.7");
	assert_int_equal(net.mac[5], 1);
	parse_with(HEAD IPAM ",\"args\":{\"cni\":{\"ips\":[\"10.244.1.8\"]},\"labels\":[]}}", &args);
	assert_int_equal(net.n_ips, 1);
	assert_addr(&net.ips[0], "10.244.1.8");
	parse_with(HEAD IPAM ",\"args\":{\"cni\":{\"ips\":[\"10.244.1.8\"]}},"
		   "\"runtimeConfig\":{\"ips\":[\"10.244.1.9\"],\"mac\":\"02:00:00:00:00:02\"}}", &args);
	assert_int_equal(net.n_ips, 1);
	assert_addr(&net.ips[0], "10.244.1.9");
	assert_int_equal(net.mac[5], 2);
}

static void addresses_that_cannot_be_had_are_refused(void **state)
{
	static const char *const asked[] = {
		"\"10.244.2.5\"", "\"10.244.1.0\"", "\"10.244.1.255\"", "\"10.244.1.5\",\"10.244.1.6\"",
		"\"10.244.1.5\",\"10.244.1.5\"", "\"10.244.1.1\"", "\"fd00::5\"",
	};
	struct cni_args args = { .has_ip = true };
	struct err err = { 0 };
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		snprintf(text, sizeof(text), HEAD ",\"ipam\":{\"type\":\"ctnat\",\"subnet\":\"10.244.1.0/24\","
			 "\"gateway\":\"10.244.1.1\"},\"runtimeConfig\":{\"ips\":[%s]}}", asked[i]);
		assert_int_equal(code_of(text, VERB_ADD), CNI_INVALID_CONFIG);
	}
	assert_int_equal(code_of(HEAD ",\"ipam\":{},\"runtimeConfig\":{\"ips\":[\"10.244.1.5\"]}}", VERB_ADD),
			 CNI_INVALID_CONFIG);
	assert_int_equal(code_of(HEAD ",\"ipam\":{\"type\":\"host-local\"},\"runtimeConfig\":{\"ips\":[\"10.9.9.9\"]}}",
				 VERB_ADD), 0);
	assert_int_equal(addr_parse("10.9.9.9", &args.ip), 0);
	assert_int_not_equal(netconf_parse(HEAD IPAM "}", strlen(HEAD IPAM "}"), VERB_ADD, &args, &net, &err), 0);
	assert_int_equal(err.code, CNI_INVALID_ENV);
	assert_string_equal(err.msg, "CNI_ARGS: IP: '10.9.9.9': is in none of the ranges");
}

/* ---- verbs ------------------------------------------------------------------------------------- */

static void verbs_need_their_version(void **state)
{
	static const struct {
		const char *version;
		enum verb verb;
		unsigned int code;
	} cases[] = {
		{ "0.3.0", VERB_ADD, 0 },
		{ "0.3.0", VERB_DEL, 0 },
		{ "0.3.1", VERB_CHECK, CNI_INCOMPATIBLE_VERSION },
		{ "0.4.0", VERB_CHECK, 0 },
		{ "1.0.0", VERB_GC, CNI_INCOMPATIBLE_VERSION },
		{ "1.0.0", VERB_STATUS, CNI_INCOMPATIBLE_VERSION },
		{ "1.1.0", VERB_GC, 0 },
		{ "1.1.0", VERB_STATUS, 0 },
		{ "0.2.0", VERB_ADD, CNI_INCOMPATIBLE_VERSION },
		{ "1.2.0", VERB_DEL, CNI_INCOMPATIBLE_VERSION },
		{ "", VERB_ADD, CNI_INCOMPATIBLE_VERSION },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "{\"cniVersion\":\"%s\",\"name\":\"pods\",\"type\":\"ctnat\"" IPAM "}",
			 cases[i].version);
		if (code_of(text, cases[i].verb) != cases[i].code)
			fail_msg("%s at version '%s'", verb_name(cases[i].verb), cases[i].version);
	}
	assert_int_equal(code_of("{\"name\":\"pods\",\"type\":\"ctnat\"" IPAM "}", VERB_ADD), CNI_INCOMPATIBLE_VERSION);
}

static void nothing_but_identity_keeps_del_and_gc(void **state)
{
	static const char *const broken[] = {
		HEAD "}",
		HEAD ",\"ipam\":{}}",
		HEAD IPAM ",\"mtu\":\"x\",\"uplinks\":7,\"mtu\":3}",
		HEAD IPAM ",\"runtimeConfig\":[],\"args\":1,\"prevResult\":\"x\"}",
		HEAD ",\"ipam\":{\"type\":\"ctnat\",\"ranges\":[[{\"subnet\":\"10.244.1.0/33\"}]]}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		assert_int_equal(code_of(broken[i], VERB_DEL), 0);
		assert_string_equal(net.name, "pods");
		assert_int_equal(code_of(broken[i], VERB_GC), 0);
	}
	assert_int_equal(code_of("{\"cniVersion\":\"1.1.0\",\"type\":\"ctnat\"}", VERB_DEL), CNI_INVALID_CONFIG);
	assert_int_equal(code_of("{\"cniVersion\":\"1.1.0\",\"name\":\"a/b\",\"type\":\"ctnat\"}", VERB_DEL),
			 CNI_INVALID_CONFIG);
	assert_int_equal(code_of(HEAD ",\"ipam\":{\"type\":\"../host-local\"}}", VERB_DEL), CNI_INVALID_CONFIG);
}

static void a_version_is_found_in_anything(void **state)
{
	static const struct {
		const char *text, *version;
	} cases[] = {
		{ "{\"cniVersion\":\"0.4.0\"}", "0.4.0" },
		{ "{\"cniVersion\":\"0.1.0\"}", "0.1.0" },
		{ "{\"cniVersion\":\"\"}", "1.1.0" },
		{ "{\"cniVersion\":\"one\"}", "1.1.0" },
		{ "{\"cniVersion\":\"1.1111111111111111111111\"}", "1.1.0" },
		{ "{\"cniVersion\":1}", "1.1.0" },
		{ "{}", "1.1.0" },
		{ "{", "1.1.0" },
		{ "", "1.1.0" },
	};
	char version[CNI_VERSION_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		netconf_version(cases[i].text, strlen(cases[i].text), version);
		assert_string_equal(version, cases[i].version);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_configuration_has_defaults),
		cmocka_unit_test(every_node_key_is_heard),
		cmocka_unit_test(levels_have_names),
		cmocka_unit_test(short_ways_have_names),
		cmocka_unit_test(a_mark_is_a_number_or_text),
		cmocka_unit_test(every_node_key_counts),
		cmocka_unit_test(equal_settings_are_equal_bytes),
		cmocka_unit_test(ranges_leave_out_network_and_broadcast),
		cmocka_unit_test(a_set_has_many_ranges_even_of_one_subnet),
		cmocka_unit_test(sets_come_from_three_places),
		cmocka_unit_test(no_addresses_must_be_said),
		cmocka_unit_test(another_plugins_section_is_its_own),
		cmocka_unit_test(routes_are_default_given_or_none),
		cmocka_unit_test(the_runtime_asks_whatever_its_case),
		cmocka_unit_test(no_limit_is_no_shaping),
		cmocka_unit_test(the_configuration_is_heard_before_the_environment),
		cmocka_unit_test(addresses_that_cannot_be_had_are_refused),
		cmocka_unit_test(verbs_need_their_version),
		cmocka_unit_test(nothing_but_identity_keeps_del_and_gc),
		cmocka_unit_test(a_version_is_found_in_anything),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("netconf", tests, NULL, NULL);
}
