// SPDX-License-Identifier: Apache-2.0
/* The base table, beside what nft makes and says of it. Each test has a network namespace of its
 * own. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kern/nft.h"
#include "kern/nft_count.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OUTPUT_MAX 65536

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct addr_range range(const char *text)
{
	struct cidr c;

	assert_int_equal(cidr_parse(text, &c), 0);
	return (struct addr_range){ cidr_first(&c), cidr_last(&c) };
}

/* The node that the comment in nft_table.c tells of. */
struct example {
	struct addr_range pods[2], leave[4], services[1];
	struct nft_uplink uplink;
	struct nft_spec spec;
};

static void example(struct example *e)
{
	*e = (struct example){
		.pods = { range("10.244.1.0/24"), range("fd00:10:244:1::/64") },
		.leave = { range("10.244.0.0/16"), range("224.0.0.0/4"), range("fd00:10:244::/48"),
			   range("ff00::/8") },
		.services = { range("10.96.0.0/12") },
		.uplink = { "eth0", address("192.0.2.10"), address("2001:db8::10") },
	};
	e->spec = (struct nft_spec){
		.pods = e->pods, .n_pods = COUNT(e->pods),
		.leave = e->leave, .n_leave = COUNT(e->leave),
		.services = e->services, .n_services = COUNT(e->services),
		.uplinks = &e->uplink, .n_uplinks = 1,
		.port_min = 1024, .port_max = 65535, .guard = true,
	};
}

static int setup(void **state)
{
	static struct nl nl;

	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	*state = &nl;
	return nl_open(&nl, NETLINK_NETFILTER, NULL);
}

static int teardown(void **state)
{
	nl_close(*state);
	return 0;
}

static void apply(struct nl *nl, const struct nft_spec *spec)
{
	struct err err = { 0 };

	if (nft_apply(nl, spec, &err))
		fail_msg("apply: %s", err.msg);
}

static void assert_whole(struct nl *nl, const struct nft_spec *spec)
{
	struct err err = { 0 };

	if (nft_verify(nl, spec, &err))
		fail_msg("verify: %s", err.msg);
}

static void shell(const char *command)
{
	if (system(command))
		fail_msg("'%s' failed", command);
}

static void output_of(const char *command, char out[OUTPUT_MAX])
{
	FILE *f = popen(command, "r");

	assert_non_null(f);
	out[fread(out, 1, OUTPUT_MAX - 1, f)] = '\0';
	assert_int_equal(pclose(f), 0);
}

/* ---- what it says ---------------------------------------------------------------------------- */

/* From the line that begins the table to the one that ends it, without the comment's stars. */
#define LOAD_THE_COMMENT \
	"sed -n '/^ \\*   table inet ctnat {$/,/^ \\*   }$/s/^ \\*//p' plugin/kern/nft_table.c |" \
	"nft -f -"

static void the_comment_in_the_source_is_the_table(void **state)
{
	static char from_comment[OUTPUT_MAX], from_code[OUTPUT_MAX];
	struct example e;

	example(&e);
	shell(LOAD_THE_COMMENT);
	output_of("nft list ruleset", from_comment);
	assert_whole(*state, &e.spec);
	shell("nft delete table inet ctnat");

	apply(*state, &e.spec);
	output_of("nft list ruleset", from_code);
	assert_non_null(strstr(from_code, "chain guard"));
	assert_string_equal(from_code, from_comment);
}

static void a_saved_listing_can_be_loaded_again(void **state)
{
	struct example e;

	example(&e);
	apply(*state, &e.spec);
	shell("listing=$(nft list table inet ctnat) &&"
	      "nft delete table inet ctnat && echo \"$listing\" | nft -f -");
	assert_whole(*state, &e.spec);
}

static void without_an_address_the_device_decides(void **state)
{
	static char listing[OUTPUT_MAX];
	struct example e;

	example(&e);
	e.uplink.v6 = (struct addr){ 0 };
	e.spec.guard = false;
	apply(*state, &e.spec);
	output_of("nft list table inet ctnat", listing);
	assert_non_null(strstr(listing, "snat ip to 192.0.2.10"));
	assert_null(strstr(listing, "snat ip6"));
	assert_null(strstr(listing, "chain guard"));
}

/* ---- verify ---------------------------------------------------------------------------------- */

static void differences_are_named(void **state)
{
	static const struct {
		const char *nft;
		int errnum;
		const char *message;
	} differences[] = {
		{ "delete table inet ctnat", -ENOENT, "table 'ctnat' is missing" },
		{ "add table inet ctnat { flags dormant; }", -ESTALE,
		  "table 'ctnat' is switched off" },
		{ "add chain inet ctnat extra", -ESTALE, "1 sets or chains too many" },
		{ "flush chain inet ctnat guard; delete chain inet ctnat guard", -ENOENT,
		  "chain 'guard' is missing" },
		{ "add chain inet ctnat guard { policy drop; }", -ESTALE,
		  "chain 'guard' has another type" },
		{ "flush chain inet ctnat translate4", -ENOENT,
		  "chain 'translate4': rule 1, \"tcp by eth0\", is missing" },
		{ "delete rule inet ctnat guard handle $(nft -a list chain inet ctnat guard | "
		  "sed -n 's/.*ip6.*handle //p')", -ENOENT,
		  "chain 'guard': rule 2, \"leak\", is missing" },
		{ "delete rule inet ctnat guard handle $(nft -a list chain inet ctnat guard | "
		  "sed -n 's/.* ip .*handle //p')", -ENOENT,
		  "chain 'guard': rule 1, \"leak\", is missing" },
		{ "insert rule inet ctnat unrouted accept", -ESTALE,
		  "chain 'unrouted': rule 1, \"service_unrouted\", comes after somebody else's" },
		{ "add rule inet ctnat unrouted accept", -ESTALE,
		  "chain 'unrouted' has rules too many" },
		{ "replace rule inet ctnat translate6 "
		  "handle $(nft -a list chain inet ctnat translate6 | "
		  "sed -n 's/.*others by eth0.*handle //p') oifname eth0 snat ip6 to 2001:db8::11 "
		  "comment \\\"others by eth0\\\"", -ESTALE,
		  "chain 'translate6': rule 3, \"others by eth0\", was altered" },
		{ "delete element inet ctnat leave4 { 224.0.0.0/4 }", -ESTALE,
		  "set 'leave4' lacks addresses" },
		{ "add element inet ctnat leave6 { 2001:db8::/32 }", -ESTALE,
		  "set 'leave6' has addresses too many" },
		{ "flush set inet ctnat pods6", -ESTALE, "set 'pods6' lacks addresses" },
		{ "add element inet ctnat service6 { ::/0 }", -ESTALE,
		  "set 'service6' has addresses too many" },
	};
	struct example e;

	example(&e);
	for (size_t i = 0; i < COUNT(differences); i++) {
		char command[1024];
		struct err err = { 0 };

		apply(*state, &e.spec);
		assert_whole(*state, &e.spec);
		snprintf(command, sizeof(command), "nft \"%s\"", differences[i].nft);
		shell(command);
		assert_int_equal(nft_verify(*state, &e.spec, &err), differences[i].errnum);
		assert_int_equal(err.errnum, differences[i].errnum);
		assert_int_equal(err.code, CNI_CHECK_FAILED);
		if (!strstr(err.msg, differences[i].message))
			fail_msg("after '%s': %s", differences[i].nft, err.msg);
	}
}

static void another_specification_differs(void **state)
{
	struct example e, other;

	example(&e);
	apply(*state, &e.spec);

	example(&other);
	other.spec.port_min = 2000;
	assert_int_equal(nft_verify(*state, &other.spec, NULL), -ESTALE);
	example(&other);
	other.uplink.v4 = address("192.0.2.11");
	assert_int_equal(nft_verify(*state, &other.spec, NULL), -ESTALE);
	example(&other);
	other.spec.guard = false;
	assert_int_equal(nft_verify(*state, &other.spec, NULL), -ESTALE);
	example(&other);
	other.spec.n_uplinks = 0;
	assert_int_equal(nft_verify(*state, &other.spec, NULL), -ESTALE);
}

static void counters_do_not_count(void **state)
{
	struct example e;

	example(&e);
	apply(*state, &e.spec);
	shell("listing=$(nft list table inet ctnat | sed 's/packets 0 bytes 0/packets 7 bytes 7/')"
	      "&& nft delete table inet ctnat && echo \"$listing\" | nft -f -");
	assert_whole(*state, &e.spec);
}

/* Each counted rule is there for two families. */
static void counters_are_read(void **state)
{
	struct nft_counts counts = { 1, 1, 1 };
	struct example e;

	assert_int_equal(nft_count(*state, &counts, NULL), 0);
	assert_true(!counts.masqueraded && !counts.unrouted && !counts.leaks);
	example(&e);
	e.spec.guard = false;
	apply(*state, &e.spec);
	assert_int_equal(nft_count(*state, &counts, NULL), 0);
	assert_true(!counts.masqueraded && !counts.unrouted && !counts.leaks);
	e.spec.guard = true;
	apply(*state, &e.spec);
	shell("listing=$(nft list table inet ctnat | sed '/from pods/s/packets 0/packets 5000000000/;"
	      "/service_unrouted/s/packets 0/packets 7/;/leak/s/packets 0/packets 11/')"
	      "&& nft delete table inet ctnat && echo \"$listing\" | nft -f -");
	assert_int_equal(nft_count(*state, &counts, NULL), 0);
	assert_int_equal(counts.masqueraded, 10000000000);
	assert_int_equal(counts.unrouted, 14);
	assert_int_equal(counts.leaks, 22);
}

/* ---- apply and remove ------------------------------------------------------------------------ */

static void applying_twice_makes_it_anew(void **state)
{
	static char listing[OUTPUT_MAX];
	struct example e;

	example(&e);
	apply(*state, &e.spec);
	shell("nft add rule inet ctnat guard accept");
	apply(*state, &e.spec);
	assert_whole(*state, &e.spec);
	shell("nft add table inet other");
	assert_int_equal(nft_remove(*state, NULL), 0);
	assert_int_equal(nft_remove(*state, NULL), 0);
	output_of("nft list ruleset", listing);
	assert_string_equal(listing, "table inet other {\n}\n");
}

/* The elements of 30,000 ranges fill many attributes, and more than a socket sends by default. */
static void thousands_of_ranges_fit(void **state)
{
	static struct addr_range leave[30000];
	static char line[OUTPUT_MAX];
	struct example e;
	struct addr v4 = address("10.0.0.0"), v6 = address("2001:db8::");

	for (size_t i = 0; i < COUNT(leave); i++) {
		struct addr *next = i < COUNT(leave) / 2 ? &v4 : &v6;

		leave[i].first = *next;
		leave[i].last = addr_add(next, 1);
		*next = addr_add(next, 4);
	}
	example(&e);
	e.spec.leave = leave;
	e.spec.n_leave = COUNT(leave);
	apply(*state, &e.spec);
	assert_whole(*state, &e.spec);

	output_of("nft list set inet ctnat leave4 | tail -n 3 | tr -d '\\n\\t'", line);
	assert_non_null(strstr(line, "10.0.234.92/31 }"));
	shell("nft delete element inet ctnat leave6 { 2001:db8::ea5c-2001:db8::ea5d }");
	assert_int_equal(nft_verify(*state, &e.spec, NULL), -ESTALE);
}

static void everything_may_be_left(void **state)
{
	const struct addr_range all[] = { range("0.0.0.0/0"), range("::/0") };
	struct example e;

	example(&e);
	e.spec.leave = all;
	e.spec.n_leave = COUNT(all);
	apply(*state, &e.spec);
	assert_whole(*state, &e.spec);
	shell("nft get element inet ctnat leave4 {255.255.255.255} >/dev/null");
	shell("nft get element inet ctnat leave6 {ffff::} >/dev/null");
	shell("nft delete element inet ctnat leave4 {0.0.0.0/0}");
	assert_int_equal(nft_verify(*state, &e.spec, NULL), -ESTALE);
}

static void refusals_come_back_as_the_kernel_says(void **state)
{
	struct example e;
	struct err err = { 0 };
	struct addr_range overlapping[] = { range("10.0.0.0/8"), range("10.9.0.0/16") };

	example(&e);
	apply(*state, &e.spec);
	e.spec.leave = overlapping;
	e.spec.n_leave = COUNT(overlapping);
	assert_true(nft_apply(*state, &e.spec, &err) < 0);
	assert_true(err.errnum < 0);
	assert_non_null(strstr(err.msg, "elements of set 'leave4': "));

	/* The old table stands. */
	example(&e);
	assert_whole(*state, &e.spec);
}

/* ---- single addresses ------------------------------------------------------------------------ */

static const char *const singles[] = {
	"10.250.0.7", "10.250.0.8", "10.244.2.0", "10.244.0.255", "0.0.0.0", "255.255.255.255",
	"fd00:10:250::7", "fd00:10:244:2::", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
};

static bool in_set(const char *text)
{
	char command[256];

	snprintf(command, sizeof(command), "nft get element inet ctnat pods%c {%s} >/dev/null 2>&1",
		 strchr(text, ':') ? '6' : '4', text);
	return system(command) == 0;
}

static void single_addresses_come_and_go(void **state)
{
	struct example e;

	example(&e);
	apply(*state, &e.spec);
	for (int twice = 0; twice < 2; twice++) {
		for (size_t i = 0; i < COUNT(singles); i++) {
			struct addr a = address(singles[i]);

			assert_int_equal(nft_pod_add(*state, &a, NULL), 0);
			assert_true(in_set(singles[i]));
		}
	}
	assert_whole(*state, &e.spec);
	for (int twice = 0; twice < 2; twice++) {
		for (size_t i = 0; i < COUNT(singles); i++) {
			struct addr a = address(singles[i]);

			assert_int_equal(nft_pod_del(*state, &a, NULL), 0);
			assert_false(in_set(singles[i]));
		}
	}
	assert_whole(*state, &e.spec);
}

static void a_single_address_never_cuts_a_range(void **state)
{
	static const char *const within[] = {
		"10.244.1.0", "10.244.1.7", "10.244.1.255",
		"fd00:10:244:1::", "fd00:10:244:1:ffff:ffff:ffff:ffff",
	};
	struct example e;

	example(&e);
	apply(*state, &e.spec);
	for (size_t i = 0; i < COUNT(within); i++) {
		struct addr a = address(within[i]);

		assert_int_equal(nft_pod_add(*state, &a, NULL), 0);
		assert_int_equal(nft_pod_del(*state, &a, NULL), 0);
		assert_true(in_set(within[i]));
	}
	assert_whole(*state, &e.spec);
}

static void without_a_table_adding_fails_and_deleting_does_not(void **state)
{
	struct addr a = address("10.250.0.7");

	assert_int_equal(nft_pod_add(*state, &a, NULL), -ENOENT);
	assert_int_equal(nft_pod_del(*state, &a, NULL), 0);
}

/* ---- generation ------------------------------------------------------------------------------ */

static void the_generation_moves_with_every_change(void **state)
{
	struct example e;
	__u32 before, after;

	example(&e);
	apply(*state, &e.spec);
	assert_int_equal(nft_generation(*state, &before, NULL), 0);
	assert_whole(*state, &e.spec);
	assert_int_equal(nft_generation(*state, &after, NULL), 0);
	assert_int_equal(before, after);
	shell("nft add table ip somebody");
	assert_int_equal(nft_generation(*state, &after, NULL), 0);
	assert_int_not_equal(before, after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_comment_in_the_source_is_the_table),
		TEST(a_saved_listing_can_be_loaded_again),
		TEST(without_an_address_the_device_decides),
		TEST(differences_are_named),
		TEST(another_specification_differs),
		TEST(counters_do_not_count),
		TEST(counters_are_read),
		TEST(applying_twice_makes_it_anew),
		TEST(thousands_of_ranges_fit),
		TEST(everything_may_be_left),
		TEST(refusals_come_back_as_the_kernel_says),
		TEST(single_addresses_come_and_go),
		TEST(a_single_address_never_cuts_a_range),
		TEST(without_a_table_adding_fails_and_deleting_does_not),
		TEST(the_generation_moves_with_every_change),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nft", tests, NULL, NULL);
}
