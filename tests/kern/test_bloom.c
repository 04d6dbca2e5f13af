// SPDX-License-Identifier: Apache-2.0
/* The filters in front of `pods` and `masq_cidrs`: a bit too many costs a look-up, one too few a leak. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "kern/maps.h"

static int new_map(size_t size)
{
	LIBBPF_OPTS(bpf_map_create_opts, shared, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "bloom", 4, size, 1, &shared);

	assert_true(fd >= 0);
	return fd;
}

static unsigned int count(const __u64 *bits, unsigned int first, unsigned int last)
{
	unsigned int n = 0;

	for (unsigned int i = first; i <= last; i++)
		n += bits[i / 64] >> i % 64 & 1;
	return n;
}

/* Of that prefix just these bits are set. */
static void assert_bits(const char *prefix, unsigned int v4_first, unsigned int n_v4, unsigned int v6_first,
			unsigned int n_v6)
{
	int fd = new_map(sizeof(struct cidr_bloom));
	static struct cidr_bloom bloom;
	struct cidr cidr;

	assert_int_equal(cidr_parse(prefix, &cidr), 0);
	assert_int_equal(cidr_bloom_add(fd, &cidr), 0);
	assert_int_equal(map_get(fd, &(__u32){ 0 }, &bloom), 0);
	assert_int_equal(count(bloom.v4, 0, 0xffff), n_v4);
	assert_int_equal(count(bloom.v6, 0, 0xffff), n_v6);
	if (n_v4)
		assert_int_equal(count(bloom.v4, v4_first, v4_first + n_v4 - 1), n_v4);
	if (n_v6)
		assert_int_equal(count(bloom.v6, v6_first, v6_first + n_v6 - 1), n_v6);
	close(fd);
}

static void prefixes_have_the_bits_of_their_addresses(void **state)
{
	(void)state;
	assert_bits("10.0.0.0/8", 0x0a00, 256, 0, 0);
	assert_bits("172.16.0.0/12", 0xac10, 16, 0, 0);
	assert_bits("198.51.100.0/24", 0xc633, 1, 0, 0);
	assert_bits("255.255.255.255/32", 0xffff, 1, 0, 0);
	assert_bits("0.0.0.0/0", 0, 0x10000, 0, 0);
	assert_bits("fe80::/10", 0, 0, 0xfe80, 64);
	assert_bits("fd00:10:96::/112", 0, 0, 0xfd00, 1);
	assert_bits("8000::/1", 0, 0, 0x8000, 0x8000);
}

static void a_prefix_that_holds_ipv4_has_its_bits(void **state)
{
	(void)state;
	assert_bits("::/0", 0, 0x10000, 0, 0x10000);
	assert_bits("::/64", 0, 0x10000, 0, 1);
}

static void an_address_has_the_bit_of_its_end(void **state)
{
	static const char *const texts[] = { "10.244.1.5", "fd00:10:244:1::ffff" };
	static const __u8 ends[][2] = { { 0x01, 0x05 }, { 0xff, 0xff } };
	int fd = new_map(sizeof(struct pod_bloom));
	static struct pod_bloom bloom;
	struct addr addr;
	__u16 end;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		memcpy(&end, ends[i], sizeof(end));
		assert_int_equal(addr_parse(texts[i], &addr), 0);
		assert_int_equal(pod_bloom_add(fd, &addr), 0);
		assert_int_equal(map_get(fd, &(__u32){ 0 }, &bloom), 0);
		assert_int_equal(count(bloom.bits, end, end), 1);
		assert_int_equal(count(bloom.bits, 0, 0xffff), i + 1);
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_have_the_bits_of_their_addresses),
		cmocka_unit_test(a_prefix_that_holds_ipv4_has_its_bits),
		cmocka_unit_test(an_address_has_the_bit_of_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
