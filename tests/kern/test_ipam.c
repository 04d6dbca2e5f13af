// SPDX-License-Identifier: Apache-2.0
/* Addresses out of ranges, on real maps of the test's own that are pinned nowhere. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "core/ipam.h"

static struct maps maps = MAPS_CLOSED;

static int new_maps(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, lazy, .map_flags = BPF_F_NO_PREALLOC);
	LIBBPF_OPTS(bpf_map_create_opts, shared, .map_flags = BPF_F_MMAPABLE);

	(void)state;
	maps_close(&maps);
	maps.fd[MAP_PODS] = bpf_map_create(BPF_MAP_TYPE_HASH, "pods", sizeof(struct addr), sizeof(struct pod), PODS_MAX,
					   &lazy);
	maps.fd[MAP_VERBS] = bpf_map_create(BPF_MAP_TYPE_ARRAY, "verbs", 4, sizeof(struct verbs), 1, &shared);
	maps.fd[MAP_POD_BLOOM] = bpf_map_create(BPF_MAP_TYPE_ARRAY, "pod_bloom", 4, sizeof(struct pod_bloom), 1,
						&shared);
	return maps.fd[MAP_PODS] < 0 || maps.fd[MAP_POD_BLOOM] < 0 || maps.fd[MAP_VERBS] < 0;
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct attachment_key key(unsigned int n)
{
	struct attachment_key k = { { 0 }, "eth0" };

	snprintf(k.container_id, sizeof(k.container_id), "container%u", n);
	return k;
}

static void add_range(struct network *net, size_t set, const char *first, const char *last, const char *gateway)
{
	struct ip_range *range = &net->sets[set].ranges[net->sets[set].n++];

	range->first = address(first);
	range->last = address(last);
	if (gateway)
		range->gateway = address(gateway);
	if (set >= net->n_sets)
		net->n_sets = set + 1;
}

static void assert_next(struct network *net, unsigned int owner, const char *wanted)
{
	struct attachment_key k = key(owner);
	struct addr out[POD_ADDRS_MAX];
	char text[ADDR_STRLEN];
	struct err err;
	size_t n;

	if (ipam_allocate(&maps, &k, net, out, &n, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(n, net->n_sets);
	assert_string_equal(addr_format(&out[0], text), wanted);
}

static void goes_round_and_skips_the_gateway(void **state)
{
	static struct network net;
	struct attachment_key first = key(1);
	struct addr freed = address("10.244.1.1");

	(void)state;
	memset(&net, 0, sizeof(net));
	add_range(&net, 0, "10.244.1.1", "10.244.1.4", "10.244.1.3");
	assert_next(&net, 1, "10.244.1.1");
	assert_int_equal(ipam_free(&maps, &first, &freed, NULL), 0);
	assert_next(&net, 2, "10.244.1.2");	/* not the one that was freed just now */
	assert_next(&net, 3, "10.244.1.4");
	assert_next(&net, 4, "10.244.1.1");
	assert_int_equal(ipam_free_in_set(&maps, &net.sets[0]), 0);
}

static void both_families_or_neither(void **state)
{
	static struct network net;
	struct attachment_key second = key(2);
	struct addr out[POD_ADDRS_MAX];
	struct err err;
	size_t n;

	(void)state;
	memset(&net, 0, sizeof(net));
	add_range(&net, 0, "10.244.1.1", "10.244.1.9", NULL);
	add_range(&net, 1, "fd00:10:244:1::1", "fd00:10:244:1::1", NULL);
	assert_next(&net, 1, "10.244.1.1");
	assert_int_equal(ipam_allocate(&maps, &second, &net, out, &n, NULL, &err), -ENOSPC);
	assert_int_equal(err.code, CNI_EXHAUSTED);
	assert_non_null(strstr(err.msg, "fd00:10:244:1::1"));
	assert_int_equal(map_count(maps.fd[MAP_PODS], sizeof(struct addr)), 2);
}

static void ranges_of_a_set_follow_each_other(void **state)
{
	static struct network net;

	(void)state;
	memset(&net, 0, sizeof(net));
	add_range(&net, 0, "10.244.1.7", "10.244.1.7", NULL);
	add_range(&net, 0, "10.244.2.7", "10.244.2.7", NULL);
	assert_next(&net, 1, "10.244.1.7");
	assert_next(&net, 2, "10.244.2.7");
}

static void asked_for_addresses(void **state)
{
	static struct network net;
	struct attachment_key second = key(2), holder;
	struct addr out[POD_ADDRS_MAX];
	struct err err;
	size_t n;

	(void)state;
	memset(&net, 0, sizeof(net));
	add_range(&net, 0, "10.244.1.1", "10.244.1.9", NULL);
	net.ips[net.n_ips++] = address("10.244.1.5");
	assert_next(&net, 1, "10.244.1.5");
	assert_int_equal(ipam_allocate(&maps, &second, &net, out, &n, &holder, &err), -EADDRINUSE);
	assert_string_equal(holder.container_id, "container1");
	assert_int_equal(err.code, CNI_EXHAUSTED);
}

static void only_the_owner_frees(void **state)
{
	static struct network net;
	struct attachment_key first = key(1), other = key(2);
	struct addr addr = address("10.244.1.1"), owned[POD_ADDRS_MAX];
	size_t n;

	(void)state;
	memset(&net, 0, sizeof(net));
	add_range(&net, 0, "10.244.1.1", "10.244.1.1", NULL);
	assert_next(&net, 1, "10.244.1.1");
	assert_int_equal(ipam_free(&maps, &other, &addr, NULL), 0);
	assert_int_equal(ipam_owned(&maps, &first, owned, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ipam_free(&maps, &first, &addr, NULL), 0);
	assert_int_equal(ipam_owned(&maps, &first, owned, &n, NULL), 0);
	assert_int_equal(n, 0);
}

/* 8 processes take 25 each at once: 200 distinct ones, for a key is created once. */
static void at_once(void **state)
{
	static struct network net;
	int failed = 0, status;

	(void)state;
	memset(&net, 0, sizeof(net));
	add_range(&net, 0, "10.244.1.1", "10.244.1.200", NULL);
	for (unsigned int p = 0; p < 8; p++) {
		if (fork())
			continue;
		for (unsigned int i = 0; i < 25; i++) {
			struct attachment_key k = key(p * 25 + i);
			struct addr out[POD_ADDRS_MAX];
			size_t n;

			if (ipam_allocate(&maps, &k, &net, out, &n, NULL, NULL) < 0)
				_exit(1);
		}
		_exit(0);
	}
	while (wait(&status) > 0)
		failed += status != 0;
	assert_int_equal(failed, 0);
	assert_int_equal(map_count(maps.fd[MAP_PODS], sizeof(struct addr)), 200);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(goes_round_and_skips_the_gateway, new_maps),
		cmocka_unit_test_setup(both_families_or_neither, new_maps),
		cmocka_unit_test_setup(ranges_of_a_set_follow_each_other, new_maps),
		cmocka_unit_test_setup(asked_for_addresses, new_maps),
		cmocka_unit_test_setup(only_the_owner_frees, new_maps),
		cmocka_unit_test_setup(at_once, new_maps),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("ipam", tests, NULL, NULL);
}
