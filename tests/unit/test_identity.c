// SPDX-License-Identifier: Apache-2.0
/* Names, MACs and aliases: what DEL finds a pod by when every record is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/identity.h"

static struct attachment_key key(const char *container, const char *ifname)
{
	struct attachment_key k = { { 0 }, { 0 } };

	snprintf(k.container_id, sizeof(k.container_id), "%s", container);
	snprintf(k.ifname, sizeof(k.ifname), "%s", ifname);
	return k;
}

static void names_fit_and_differ(void **state)
{
	struct attachment_key a = key("c1", "eth0"), b = key("c1", "eth1"), c = key("c1e", "th0");
	char name_a[IFNAME_MAX], name_b[IFNAME_MAX], name_c[IFNAME_MAX], again[IFNAME_MAX];

	(void)state;
	identity_host_ifname(&a, name_a);
	identity_host_ifname(&b, name_b);
	identity_host_ifname(&c, name_c);
	identity_host_ifname(&a, again);
	assert_int_equal(strlen(name_a), IFNAME_MAX - 1);
	assert_string_equal(name_a, again);
	assert_string_not_equal(name_a, name_b);
	assert_string_not_equal(name_a, name_c);
}

static void macs_are_local_and_differ(void **state)
{
	struct attachment_key a = key("c1", "eth0");
	__u8 host[MAC_LEN], pod[MAC_LEN];

	(void)state;
	identity_mac(&a, 0, host);
	identity_mac(&a, 1, pod);
	assert_int_equal(host[0] & 3, 2);
	assert_int_equal(pod[0] & 3, 2);
	assert_memory_not_equal(host, pod, MAC_LEN);
}

static void aliases_come_back(void **state)
{
	char longest[CONTAINER_ID_MAX], network_in[NETWORK_NAME_MAX], network[NETWORK_NAME_MAX], alias[ALIAS_MAX];
	struct attachment_key in, out;

	(void)state;
	memset(longest, 'c', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memset(network_in, 'n', sizeof(network_in) - 1);
	network_in[sizeof(network_in) - 1] = '\0';
	in = key(longest, "abcdefghijklmno");
	identity_alias(&in, network_in, alias);
	assert_int_equal(identity_parse_alias(alias, &out, network), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_string_equal(network, network_in);
}

static void foreign_aliases_are_refused(void **state)
{
	static const char *const aliases[] = {
		"", "ctnat", "ctnat/", "ctnat/n", "ctnat/n/c", "ctnat/n/c/", "ctnat//c/eth0", "ctnat/n//eth0",
		"uplink to the world", "ctnat/n/c/abcdefghijklmnop",
	};
	char network[NETWORK_NAME_MAX];
	struct attachment_key out;

	(void)state;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (!identity_parse_alias(aliases[i], &out, network))
			fail_msg("alias '%s' was taken for ours", aliases[i]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_fit_and_differ),
		cmocka_unit_test(macs_are_local_and_differ),
		cmocka_unit_test(aliases_come_back),
		cmocka_unit_test(foreign_aliases_are_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
