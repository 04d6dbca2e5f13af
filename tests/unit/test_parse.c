// SPDX-License-Identifier: Apache-2.0
/* Names, MAC addresses, marks and port ranges from text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/parse.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void names_are_those_of_the_specification(void **state)
{
	static const char *const good[] = { "a", "0", "A-b_c.d", "9f86d081884c7d65", "a..", "a-" };
	static const char *const bad[] = {
		"", ".", "..", "-a", "_a", "a b", "a/b", "../a", "a:b", "a\nb", "a\xc3\xa4", "a%d", " a",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (!parse_is_name(good[i]))
			fail_msg("'%s' is a name", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (parse_is_name(bad[i]))
			fail_msg("'%s' is no name", bad[i]);
}

static void interface_names_are_those_the_kernel_takes_as_they_are(void **state)
{
	static const char *const good[] = { "e", "eth0", "eth0.100", "fifteen-letters", "...", "a@b" };
	static const char *const bad[] = {
		"", ".", "..", "sixteen-letters!", "a/b", "a:1", "a b", "a\tb", "a\n", "eth%d", "a\x01", "\xa0",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (!parse_is_ifname(good[i]))
			fail_msg("'%s' is a name of an interface", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (parse_is_ifname(bad[i]))
			fail_msg("'%s' is no name of an interface", bad[i]);
}

static void mac_addresses_are_read(void **state)
{
	static const __u8 expected[MAC_LEN] = { 0xc2, 0x11, 0x22, 0x3a, 0x4B, 0xff };
	static const char *const bad[] = {
		"", "c2", "c2:11:22:3a:4b", "c2:11:22:3a:4b:ff:00", "c2:11:22:3a:4b:f", "c2:11:22:3a:4b:fg",
		"c2:11:22:3a:4b:ff ", "c211.223a.4bff", "c2:11:22:3a:4b:", ":c2:11:22:3a:4b:ff", "c2::11:22:3a:4b",
	};
	__u8 mac[MAC_LEN];

	(void)state;
	assert_int_equal(parse_mac("c2:11:22:3a:4b:ff", mac), 0);
	assert_memory_equal(mac, expected, MAC_LEN);
	memset(mac, 0, MAC_LEN);
	assert_int_equal(parse_mac("C2-11-22-3A-4B-FF", mac), 0);
	assert_memory_equal(mac, expected, MAC_LEN);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (parse_mac(bad[i], mac) != -EINVAL)
			fail_msg("'%s' is no MAC address", bad[i]);
	assert_memory_equal(mac, expected, MAC_LEN);
}

static void multicast_and_zero_are_nobodys_mac(void **state)
{
	static const struct {
		__u8 mac[MAC_LEN];
		bool unicast;
	} cases[] = {
		{ { 0x02, 0, 0, 0, 0, 1 }, true },
		{ { 0, 0, 0, 0, 0, 1 }, true },
		{ { 0 }, false },
		{ { 0x01, 0, 0x5e, 0, 0, 1 }, false },
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(mac_is_unicast(cases[i].mac), cases[i].unicast);
}

static void masks_are_read(void **state)
{
	static const struct {
		const char *text;
		__u32 mask;
	} good[] = {
		{ "0", 0 }, { "128", 128 }, { "010", 10 }, { "0x80", 0x80 }, { "0X0000fFfF", 0xffff },
		{ "4294967295", 0xffffffff }, { "0xffffffff", 0xffffffff },
	};
	static const char *const bad[] = {
		"", "0x", "x80", "-1", "+1", " 1", "1 ", "8f", "0x8g", "0x80/0x80", "4294967296", "0x100000000",
		"99999999999999999999999999999999", "1.5",
	};
	__u32 mask;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(parse_mask(good[i].text, &mask), 0);
		assert_int_equal(mask, good[i].mask);
	}
	mask = 7;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (parse_mask(bad[i], &mask) != -EINVAL)
			fail_msg("'%s' is no mask", bad[i]);
	assert_int_equal(mask, 7);
}

static void port_ranges_are_read(void **state)
{
	static const char *const bad[] = {
		"", "1024", "1024-", "-1024", "0-10", "10-0", "10-9", "1-65536", "1-99999999999", "1 - 2", "1-2 ",
		"1-2-3", "a-b", "0x10-0x20", "+1-2",
	};
	__u16 min, max;

	(void)state;
	assert_int_equal(parse_port_range("1024-65535", &min, &max), 0);
	assert_int_equal(min, 1024);
	assert_int_equal(max, 65535);
	assert_int_equal(parse_port_range("7-7", &min, &max), 0);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (parse_port_range(bad[i], &min, &max) != -EINVAL)
			fail_msg("'%s' is no range of ports", bad[i]);
	assert_int_equal(min, 7);
	assert_int_equal(max, 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_of_the_specification),
		cmocka_unit_test(interface_names_are_those_the_kernel_takes_as_they_are),
		cmocka_unit_test(mac_addresses_are_read),
		cmocka_unit_test(multicast_and_zero_are_nobodys_mac),
		cmocka_unit_test(masks_are_read),
		cmocka_unit_test(port_ranges_are_read),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
