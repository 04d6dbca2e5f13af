// SPDX-License-Identifier: Apache-2.0
/*
 * What pinned maps hold, as a number each: two that are the same hold the same. (bpftool needs a
 * minute for 34 MB.)
 *
 *	mapsum FILE...
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/identity.h"
#include "kern/maps.h"

struct sum {
	size_t key, value;
	__u64 all;
};

/* In whatever order they come. */
static int add(const void *key, const void *value, void *data)
{
	struct sum *sum = data;

	sum->all += hash_bytes(hash_bytes(HASH_SEED, key, sum->key), value, sum->value);
	return 0;
}

/* An array's values at once. */
static int add_array(int fd, const struct bpf_map_info *info, struct sum *sum)
{
	_cleanup_free_ char *values = calloc(info->max_entries, (sum->value + 7) / 8 * 8);
	_cleanup_free_ __u32 *keys = calloc(info->max_entries, sizeof(*keys));
	__u32 n = info->max_entries, next;

	if (!values || !keys || bpf_map_lookup_batch(fd, NULL, &next, keys, values, &n, NULL) < 0)
		return -1;
	sum->all = hash_bytes(HASH_SEED, values, (size_t)n * sum->value);
	return 0;
}

static int print_sum(const char *path)
{
	_cleanup_close_ int fd = bpf_obj_get(path);
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	struct sum sum = { .all = 0 };

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -1;
	sum.key = info.key_size;
	sum.value = info.value_size;
	if (info.type == BPF_MAP_TYPE_PERCPU_ARRAY)
		sum.value = (info.value_size + 7) / 8 * 8 * libbpf_num_possible_cpus();
	if (info.type == BPF_MAP_TYPE_ARRAY ? add_array(fd, &info, &sum) :
					      map_each(fd, sum.key, sum.value, add, &sum) < 0)
		return -1;
	printf("%s %016llx\n", path, (unsigned long long)sum.all);
	return 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (print_sum(argv[i]) < 0) {
			perror(argv[i]);
			return 1;
		}
	}
	return 0;
}
