// SPDX-License-Identifier: Apache-2.0
/* Addresses and prefixes as text and as numbers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/addr.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct addr address(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a))
		fail_msg("'%s' does not parse", text);
	return a;
}

static struct cidr prefix(const char *text)
{
	struct cidr c;

	if (cidr_parse(text, &c))
		fail_msg("'%s' does not parse", text);
	return c;
}

static void assert_addr(const struct addr *a, const char *text)
{
	char buf[ADDR_STRLEN];

	assert_string_equal(addr_format(a, buf), text);
}

static void addresses_are_read_and_written(void **state)
{
	static const struct {
		const char *in, *out;
		int family;
		size_t len;
	} cases[] = {
		{ "10.244.1.5", "10.244.1.5", AF_INET, 4 },
		{ "0.0.0.0", "0.0.0.0", AF_INET, 4 },
		{ "255.255.255.255", "255.255.255.255", AF_INET, 4 },
		{ "::ffff:192.0.2.1", "192.0.2.1", AF_INET, 4 },
		{ "::", "::", AF_INET6, 16 },
		{ "fd00:10:244::5", "fd00:10:244::5", AF_INET6, 16 },
		{ "FD00:0010:0244:0:0:0:0:5", "fd00:10:244::5", AF_INET6, 16 },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", AF_INET6, 16 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AF_INET6, 16 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct addr a = address(cases[i].in), again;
		const void *bytes;
		size_t len;

		assert_addr(&a, cases[i].out);
		assert_int_equal(addr_family(&a), cases[i].family);
		assert_int_equal(addr_is_v4(&a), cases[i].family == AF_INET);
		bytes = addr_bytes(&a, &len);
		assert_int_equal(len, cases[i].len);
		again = addr_from_bytes(cases[i].family, bytes);
		assert_true(addr_equal(&a, &again));
	}
}

static void bytes_are_in_network_order(void **state)
{
	static const struct addr v4 = { { [10] = 0xff, 0xff, 192, 0, 2, 7 } };
	static const struct addr v6 = { { 0x20, 0x01, 0x0d, 0xb8, [15] = 9 } };
	struct addr a = address("192.0.2.7"), b = address("2001:db8::9");

	(void)state;
	assert_memory_equal(&a, &v4, sizeof(v4));
	assert_memory_equal(&b, &v6, sizeof(v6));
	assert_memory_equal(addr_bytes(&a, NULL), "\xc0\x00\x02\x07", 4);
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const cases[] = {
		"", " ", "10.244.1", "10.244.1.256", "10.244.1.5 ", " 10.244.1.5", "10.244.01.5",
		"10.244.1.5.6", "10.244.1.5/24", "10.244.1.5:80", "0x0a.1.1.1", "localhost", ":",
		":::", "1::2::3", "fe80::1%eth0", "[::1]", "fd00::12345", "1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9", "::ffff:1.2.3", "::1/128",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct addr before = address("192.0.2.1"), a = before;

		if (addr_parse(cases[i], &a) != -EINVAL)
			fail_msg("'%s' was taken", cases[i]);
		assert_true(addr_equal(&a, &before));
	}
}

static void prefixes_are_read_and_written(void **state)
{
	static const struct {
		const char *in, *out;
		unsigned int len, family_len;
		const char *first, *last;
	} cases[] = {
		{ "10.244.1.0/24", "10.244.1.0/24", 120, 24, "10.244.1.0", "10.244.1.255" },
		{ "10.244.1.77/24", "10.244.1.77/24", 120, 24, "10.244.1.0", "10.244.1.255" },
		{ "0.0.0.0/0", "0.0.0.0/0", 96, 0, "0.0.0.0", "255.255.255.255" },
		{ "192.0.2.1/32", "192.0.2.1/32", 128, 32, "192.0.2.1", "192.0.2.1" },
		{ "192.0.2.1/31", "192.0.2.1/31", 127, 31, "192.0.2.0", "192.0.2.1" },
		{ "::ffff:10.0.0.0/104", "10.0.0.0/8", 104, 8, "10.0.0.0", "10.255.255.255" },
		{ "::/0", "::/0", 0, 0, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "2001:db8::1/64", "2001:db8::1/64", 64, 64, "2001:db8::",
		  "2001:db8::ffff:ffff:ffff:ffff" },
		{ "2001:db8:0:f::/63", "2001:db8:0:f::/63", 63, 63, "2001:db8:0:e::",
		  "2001:db8:0:f:ffff:ffff:ffff:ffff" },
		{ "2001:db8::8000:0:0:1/65", "2001:db8::8000:0:0:1/65", 65, 65,
		  "2001:db8:0:0:8000::",
		  "2001:db8::ffff:ffff:ffff:ffff" },
		{ "2001:db8::/1", "2001:db8::/1", 1, 1, "::",
		  "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "fd00::1/128", "fd00::1/128", 128, 128, "fd00::1", "fd00::1" },
		{ "fd00::1/127", "fd00::1/127", 127, 127, "fd00::", "fd00::1" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cidr c = prefix(cases[i].in), masked = cidr_mask(&c);
		struct cidr same = cidr_from_family_len(&c.addr, cases[i].family_len);
		struct addr first = cidr_first(&c), last = cidr_last(&c);
		char buf[ADDR_STRLEN];

		assert_string_equal(cidr_format(&c, buf), cases[i].out);
		assert_int_equal(c.len, cases[i].len);
		assert_int_equal(cidr_family_len(&c), cases[i].family_len);
		assert_memory_equal(&same, &c, sizeof(c));
		assert_addr(&first, cases[i].first);
		assert_addr(&last, cases[i].last);
		assert_addr(&masked.addr, cases[i].first);
		assert_int_equal(masked.len, c.len);
	}
}

static void what_is_no_prefix_is_refused(void **state)
{
	static const char *const cases[] = {
		"", "/", "/8", "10.244.1.0", "10.244.1.0/", "10.244.1.0/33", "10.244.1.0/-1",
		"10.244.1.0/+8", "10.244.1.0/ 8", "10.244.1.0/8 ", "10.244.1.0/08",
		"10.244.1.0/8/8", "10.244.1.0/255.0.0.0", "10.244.1.0/4294967304", "fd00::/129",
		"fd00::/1000", "fd00::%1/64", "::ffff:10.0.0.0/8", "::ffff:10.0.0.0/95",
		("1111111111111111111111111111111111111111"
		 "1111111111111111111111111111111111111111/8"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cidr before = prefix("192.0.2.0/24"), c = before;

		if (cidr_parse(cases[i], &c) != -EINVAL)
			fail_msg("'%s' was taken", cases[i]);
		assert_memory_equal(&c, &before, sizeof(c));
	}
}

static void the_longest_texts_fit(void **state)
{
	char text[] = "1111:1111:1111:1111:1111:1111:1111:1111/128", buf[ADDR_STRLEN];
	struct cidr c = prefix(text);

	(void)state;
	assert_string_equal(cidr_format(&c, buf), text);
}

static void a_prefix_knows_what_it_holds(void **state)
{
	static const struct {
		const char *cidr, *addr;
		bool holds;
	} cases[] = {
		{ "10.244.0.0/16", "10.244.255.255", true },
		{ "10.244.0.0/16", "10.245.0.0", false },
		{ "10.244.3.4/16", "10.244.0.1", true }, /* host bits of the prefix do not count */
		{ "192.0.2.1/32", "192.0.2.1", true },
		{ "192.0.2.1/32", "192.0.2.0", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "0.0.0.0/0", "::", false },
		{ "2001:db8::/32", "2001:db8:ffff::1", true },
		{ "2001:db8::/32", "10.244.0.1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "203.0.113.9", true }, /* covers both */
		{ "::/1", "203.0.113.9", true },
		{ "fd00::/64", "fd00::ffff:ffff:ffff:ffff", true },
		{ "fd00::/64", "fd00:0:0:1::", false },
		{ "fd00::/65", "fd00::7fff:ffff:ffff:ffff", true },
		{ "fd00::/65", "fd00::8000:0:0:0", false },
		{ "fd00::/63", "fd00:0:0:1::", true },
		{ "fd00::/63", "fd00:0:0:2::", false },
		{ "fd00::1/128", "fd00::1", true },
		{ "fd00::1/128", "fd00::2", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cidr c = prefix(cases[i].cidr);
		struct addr a = address(cases[i].addr);

		if (cidr_contains(&c, &a) != cases[i].holds)
			fail_msg("%s holds %s: expected %d", cases[i].cidr, cases[i].addr,
				 cases[i].holds);
	}
}

static void prefixes_know_whether_they_overlap(void **state)
{
	static const struct {
		const char *a, *b;
		bool overlap;
	} cases[] = {
		{ "10.0.0.0/8", "10.9.0.0/16", true },
		{ "10.9.0.0/16", "10.9.0.0/16", true },
		{ "10.9.77.1/16", "10.9.0.0/24", true },
		{ "10.9.0.0/16", "10.8.0.0/16", false },
		{ "0.0.0.0/0", "203.0.113.0/24", true },
		{ "0.0.0.0/0", "2001:db8::/32", false },
		{ "::/0", "2001:db8::/32", true },
		{ "::/0", "10.0.0.0/8", true },
		{ "fd00::/8", "10.0.0.0/8", false },
		{ "fd00:10:244:1::/64", "fd00:10:244::/48", true },
		{ "fd00:10:244:1::/64", "fd00:10:244:2::/64", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cidr a = prefix(cases[i].a), b = prefix(cases[i].b);

		if (cidr_overlaps(&a, &b) != cases[i].overlap ||
		    cidr_overlaps(&b, &a) != cases[i].overlap)
			fail_msg("%s and %s: expected %d", cases[i].a, cases[i].b,
				 cases[i].overlap);
	}
}

static void a_host_is_a_prefix_of_one(void **state)
{
	struct addr v4 = address("10.244.1.5"), v6 = address("fd00::5");
	struct cidr c4 = cidr_host(&v4), c6 = cidr_host(&v6);
	char buf[ADDR_STRLEN];

	(void)state;
	assert_string_equal(cidr_format(&c4, buf), "10.244.1.5/32");
	assert_string_equal(cidr_format(&c6, buf), "fd00::5/128");
}

static void addition_and_distance_are_inverse(void **state)
{
	static const struct {
		const char *first, *last;
		unsigned long long n;
	} cases[] = {
		{ "10.244.1.5", "10.244.1.5", 0 },
		{ "10.244.1.255", "10.244.2.0", 1 },
		{ "0.0.0.0", "255.255.255.255", 0xffffffff },
		{ "fd00::ffff:ffff:ffff:ffff", "fd00:0:0:1::", 1 },
		{ "fd00::1", "fd00:0:0:1::", UINT64_MAX },
		{ "fd00:0:0:1:ffff::", "fd00:0:0:2:fffe::", 0xffffULL << 48 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct addr first = address(cases[i].first), last = address(cases[i].last), sum;

		sum = addr_add(&first, cases[i].n);
		assert_addr(&sum, cases[i].last);
		assert_true(addr_distance(&first, &last) == cases[i].n);
	}
}

static void distance_saturates_and_addition_wraps(void **state)
{
	struct addr zero = address("::"), far = address("::1:0:0:0:0");
	struct addr farther = address("::1:0:0:0:1"), top = cidr_last(&(struct cidr){ .len = 0 });
	struct addr sum = addr_add(&top, 3);

	(void)state;
	assert_true(addr_distance(&zero, &far) == UINT64_MAX);
	assert_true(addr_distance(&zero, &farther) == UINT64_MAX);
	assert_true(addr_distance(&zero, &top) == UINT64_MAX);
	assert_addr(&sum, "::2");
}

static void addresses_have_numeric_order(void **state)
{
	static const char *const ascending[] = {
		"::", "::1", "0.0.0.0", "10.244.1.5", "10.244.1.255", "10.244.2.0",
		"255.255.255.255", "64:ff9b::1", "2001:db8::1", "fd00::ffff:ffff:ffff:ffff",
		"fd00:0:0:1::",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(ascending); i++) {
		struct addr a = address(ascending[i]);

		for (size_t j = 0; j < COUNT(ascending); j++) {
			struct addr b = address(ascending[j]);
			int order = addr_compare(&a, &b);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
			assert_int_equal(addr_equal(&a, &b), i == j);
		}
		assert_int_equal(addr_is_zero(&a), i == 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_and_written),
		cmocka_unit_test(bytes_are_in_network_order),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(prefixes_are_read_and_written),
		cmocka_unit_test(what_is_no_prefix_is_refused),
		cmocka_unit_test(the_longest_texts_fit),
		cmocka_unit_test(a_prefix_knows_what_it_holds),
		cmocka_unit_test(prefixes_know_whether_they_overlap),
		cmocka_unit_test(a_host_is_a_prefix_of_one),
		cmocka_unit_test(addition_and_distance_are_inverse),
		cmocka_unit_test(distance_saturates_and_addition_wraps),
		cmocka_unit_test(addresses_have_numeric_order),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
