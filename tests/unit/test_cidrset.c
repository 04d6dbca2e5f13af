// SPDX-License-Identifier: Apache-2.0
/* Flattened prefixes, compared with the longest prefix match that they replace. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/cidrset.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PREFIXES_MAX 32
#define ROUNDS 3000

struct given {
	const char *prefix;
	__u32 class;
};

static size_t parse(const struct given *given, struct classed_cidr *out)
{
	size_t n = 0;

	for (; given[n].prefix; n++) {
		assert_int_equal(cidr_parse(given[n].prefix, &out[n].cidr), 0);
		out[n].class = given[n].class;
	}
	return n;
}

static const char *text_of(const struct addr_range *ranges, int n, char *buf)
{
	char *end = buf;

	*end = '\0';
	for (int i = 0; i < n; i++) {
		char first[ADDR_STRLEN], last[ADDR_STRLEN];

		addr_format(&ranges[i].first, first);
		addr_format(&ranges[i].last, last);
		end += sprintf(end, "%s%s-%s", i ? " " : "", first, last);
	}
	return buf;
}

static void assert_flat(const struct given *given, int family, __u32 class, const char *expected)
{
	struct classed_cidr in[PREFIXES_MAX];
	struct addr_range out[2 * PREFIXES_MAX + 1];
	char text[COUNT(out) * 2 * ADDR_STRLEN];
	size_t n = parse(given, in);
	int found = cidrset_flatten(in, n, family, class, out, 2 * n + 1);

	assert_true(found >= 0);
	assert_string_equal(text_of(out, found, text), expected);
}

static void nothing_gives_nothing(void **state)
{
	const struct given none[] = { { NULL, 0 } }, other[] = { { "10.0.0.0/8", 2 }, { NULL, 0 } };

	(void)state;
	assert_flat(none, AF_INET, 1, "");
	assert_flat(other, AF_INET, 1, "");
	assert_flat(other, AF_INET6, 2, "");
}

static void a_longer_prefix_cuts_a_hole(void **state)
{
	const struct given nested[] = {
		{ "10.9.0.0/16", 1 }, { "10.0.0.0/8", 4 }, { "10.9.3.0/24", 4 }, { NULL, 0 },
	};

	(void)state;
	assert_flat(nested, AF_INET, 4,
		    "10.0.0.0-10.8.255.255 10.9.3.0-10.9.3.255 10.10.0.0-10.255.255.255");
	assert_flat(nested, AF_INET, 1, "10.9.0.0-10.9.2.255 10.9.4.0-10.9.255.255");
}

static void holes_at_both_ends_leave_the_middle(void **state)
{
	const struct given ends[] = {
		{ "10.0.0.0/8", 4 }, { "10.0.0.0/24", 1 }, { "10.255.255.255/32", 1 }, { NULL, 0 },
	};

	(void)state;
	assert_flat(ends, AF_INET, 4, "10.0.1.0-10.255.255.254");
}

static void neighbours_of_one_class_join(void **state)
{
	const struct given halves[] = {
		{ "10.1.0.0/16", 4 }, { "10.0.0.0/16", 4 }, { "10.1.7.0/24", 4 },
		{ "10.3.0.0/16", 4 }, { NULL, 0 },
	};

	(void)state;
	assert_flat(halves, AF_INET, 4, "10.0.0.0-10.1.255.255 10.3.0.0-10.3.255.255");
}

static void of_the_same_prefix_the_later_counts(void **state)
{
	const struct given twice[] = {
		{ "10.0.0.0/8", 4 }, { "10.0.0.0/8", 1 }, { NULL, 0 },
	};

	(void)state;
	assert_flat(twice, AF_INET, 4, "");
	assert_flat(twice, AF_INET, 1, "10.0.0.0-10.255.255.255");
}

static void a_prefix_may_come_any_number_of_times(void **state)
{
	struct classed_cidr in[1000];
	struct addr_range out[1];

	(void)state;
	for (size_t i = 0; i < COUNT(in); i++) {
		assert_int_equal(cidr_parse("10.0.0.0/8", &in[i].cidr), 0);
		in[i].class = i + 1 == COUNT(in);
	}
	assert_int_equal(cidrset_flatten(in, COUNT(in), AF_INET, 1, out, COUNT(out)), 1);
}

static void the_last_address_ends_it(void **state)
{
	const struct given last[] = {
		{ "0.0.0.0/0", 4 }, { "255.255.255.255/32", 1 }, { "ffff::/16", 4 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", 4 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", 1 }, { NULL, 0 },
	};

	(void)state;
	assert_flat(last, AF_INET, 4, "0.0.0.0-255.255.255.254");
	assert_flat(last, AF_INET, 1, "255.255.255.255-255.255.255.255");
	assert_flat(last, AF_INET6, 4,
		    "ffff::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffd "
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
		    "-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

/* As in the programs' trie: ::/0 is shorter than 0.0.0.0/0, and speaks for what that leaves. */
static void the_whole_of_ipv6_holds_ipv4(void **state)
{
	const struct given both[] = {
		{ "::/0", 4 }, { "10.0.0.0/8", 1 }, { NULL, 0 },
	};

	(void)state;
	assert_flat(both, AF_INET, 4, "0.0.0.0-9.255.255.255 11.0.0.0-255.255.255.255");
	assert_flat(both, AF_INET6, 4,
		    "::-::fffe:ffff:ffff ::1:0:0:0-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void too_little_room_is_said(void **state)
{
	const struct given apart[] = {
		{ "10.0.0.0/24", 4 }, { "10.0.2.0/24", 4 }, { NULL, 0 },
	};
	struct classed_cidr in[2];
	struct addr_range out[2];
	size_t n = parse(apart, in);

	(void)state;
	assert_int_equal(cidrset_flatten(in, n, AF_INET, 4, out, 1), -ENOSPC);
	assert_int_equal(cidrset_flatten(in, n, AF_INET, 4, out, 2), 2);
}

/* ---- random prefixes, and the obvious way to look an address up ------------------------------ */

static unsigned int seed = 1;	/* the same numbers in every run */

/* Few different bytes, so that prefixes nest, touch and repeat. */
static struct addr random_addr(void)
{
	static const __u8 bytes[] = { 0, 1, 0x7f, 0x80, 0xfe, 0xff };
	struct addr a = { { [10] = 0xff, [11] = 0xff } };
	size_t i = rand_r(&seed) % 2 ? 12 : 0;

	for (; i < sizeof(a.byte); i++)
		a.byte[i] = bytes[rand_r(&seed) % sizeof(bytes)];
	return a;
}

static struct addr predecessor(struct addr a)
{
	for (size_t i = sizeof(a.byte); i-- && !a.byte[i]--;)
		;
	return a;
}

static size_t random_prefixes(struct classed_cidr *in)
{
	size_t n = rand_r(&seed) % (PREFIXES_MAX + 1);

	for (size_t i = 0; i < n; i++) {
		struct cidr c = { .addr = random_addr() };

		/* A new one, or one inside of another. */
		if (i && rand_r(&seed) % 2)
			memcpy(&c.addr, &in[rand_r(&seed) % i].cidr.addr, 8 + rand_r(&seed) % 8);
		c.len = addr_is_v4(&c.addr) ? 96 + rand_r(&seed) % 33 : rand_r(&seed) % 129;
		in[i].cidr = cidr_mask(&c);
		in[i].class = 1 + rand_r(&seed) % 4;
	}
	return n;
}

static __u32 longest_match(const struct classed_cidr *in, size_t n, const struct addr *a)
{
	const struct classed_cidr *best = NULL;

	for (size_t i = 0; i < n; i++)
		if (cidr_contains(&in[i].cidr, a) && (!best || in[i].cidr.len >= best->cidr.len))
			best = &in[i];
	return best ? best->class : 0;
}

static void assert_agree(const struct classed_cidr *in, size_t n, const struct addr_range *out,
			 int found, int family, __u32 class, const struct addr *a)
{
	char text[ADDR_STRLEN];
	bool inside = false;

	if (addr_family(a) != family)
		return;
	for (int i = 0; i < found; i++)
		inside |= addr_compare(&out[i].first, a) <= 0 && addr_compare(a, &out[i].last) <= 0;
	if (inside != (longest_match(in, n, a) == class))
		fail_msg("%s: intervals say %d", addr_format(a, text), inside);
}

static void assert_disjoint_and_ascending(const struct addr_range *out, int found, int family)
{
	for (int i = 0; i < found; i++) {
		assert_int_equal(addr_family(&out[i].first), family);
		assert_int_equal(addr_family(&out[i].last), family);
		assert_true(addr_compare(&out[i].first, &out[i].last) <= 0);
		if (i) {
			struct addr next = addr_add(&out[i - 1].last, 1);

			assert_true(addr_compare(&next, &out[i].first) < 0);
		}
	}
}

/* Answers change only at the ends of prefixes: those, their neighbours, and some at random. */
static void answers_as_the_longest_prefix_does(void **state)
{
	const struct addr all_ones = cidr_last(&(struct cidr){ .len = 0 });

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct classed_cidr in[PREFIXES_MAX];
		struct addr_range out[2 * PREFIXES_MAX + 1];
		size_t n = random_prefixes(in);
		int family = round % 2 ? AF_INET : AF_INET6;
		__u32 class = 1 + round / 2 % 4;
		int found = cidrset_flatten(in, n, family, class, out, 2 * n + 1);

		assert_true(found >= 0);
		assert_disjoint_and_ascending(out, found, family);
		for (size_t i = 0; i < n; i++) {
			struct addr first = cidr_first(&in[i].cidr), last = cidr_last(&in[i].cidr);
			struct addr probes[] = {
				predecessor(first), first, last, addr_add(&last, 1), random_addr(),
			};

			for (size_t p = 0; p < COUNT(probes); p++)
				assert_agree(in, n, out, found, family, class, &probes[p]);
		}
		assert_agree(in, n, out, found, family, class, &all_ones);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_gives_nothing),
		cmocka_unit_test(a_longer_prefix_cuts_a_hole),
		cmocka_unit_test(holes_at_both_ends_leave_the_middle),
		cmocka_unit_test(neighbours_of_one_class_join),
		cmocka_unit_test(of_the_same_prefix_the_later_counts),
		cmocka_unit_test(a_prefix_may_come_any_number_of_times),
		cmocka_unit_test(the_last_address_ends_it),
		cmocka_unit_test(the_whole_of_ipv6_holds_ipv4),
		cmocka_unit_test(too_little_room_is_said),
		cmocka_unit_test(answers_as_the_longest_prefix_does),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("cidrset", tests, NULL, NULL);
}
