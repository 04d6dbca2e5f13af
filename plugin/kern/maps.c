// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "kern/bpffs.h"
#include "kern/maps.h"

static const struct {
	const char *name, *path;
} table[MAP_MAX] = {
	[MAP_PODS] = { "pods", PIN_RECORDS "/pods" },
	[MAP_ATTACHMENTS] = { "attachments", PIN_RECORDS "/attachments" },
	[MAP_MASQ_CIDRS] = { "masq_cidrs", PIN_DATAPATH "/masq_cidrs" },
	[MAP_CIDR_BLOOM] = { "cidr_bloom", PIN_DATAPATH "/cidr_bloom" },
	[MAP_UPLINKS] = { "uplinks", PIN_DATAPATH "/uplinks" },
	[MAP_CONFIG] = { "config", PIN_DATAPATH "/config" },
	[MAP_POD_BLOOM] = { "pod_bloom", PIN_DATAPATH "/pod_bloom" },
	[MAP_BUDGETS] = { "budgets", PIN_DATAPATH "/budgets" },
	[MAP_FLOWS] = { "flows", PIN_DATAPATH "/flows" },
	[MAP_GUARDS] = { "guards", PIN_DATAPATH "/guards" },
	[MAP_FLOW_INDEX] = { "flow_index", PIN_DATAPATH "/flow_index" },
	[MAP_STATS] = { "stats", PIN_DATAPATH "/stats" },
	[MAP_VERBS] = { "verbs", PIN_DATAPATH "/verbs" },
	[MAP_JOURNAL] = { "journal", PIN_DATAPATH "/journal" },
	[MAP_SYSCTLS] = { "sysctls", PIN_DATAPATH "/sysctls" },
};

const char *map_name(enum map_id id)
{
	return table[id].name;
}

const char *map_path(enum map_id id)
{
	return table[id].path;
}

void maps_close(struct maps *maps)
{
	for (int i = 0; i < MAP_MAX; i++) {
		if (maps->fd[i] >= 0)
			close(maps->fd[i]);
		maps->fd[i] = -1;
	}
}

static int open_some(struct maps *maps, size_t n, struct err *err)
{
	struct maps opened = MAPS_CLOSED;

	for (size_t i = 0; i < n; i++) {
		opened.fd[i] = bpf_obj_get(table[i].path);
		if (opened.fd[i] < 0) {
			int ret = err_set(err, -errno, "open pinned map '%s'", table[i].path);

			maps_close(&opened);
			return ret;
		}
	}
	*maps = opened;
	return 0;
}

int maps_open(struct maps *maps, struct err *err)
{
	return open_some(maps, MAP_MAX, err);
}

int maps_open_records(struct maps *maps, struct err *err)
{
	return open_some(maps, MAP_RECORDS, err);
}

int map_open(const char *path, __u32 key_size, __u32 value_size)
{
	_cleanup_close_ int fd = bpf_obj_get(path);
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	if (info.key_size != key_size || info.value_size != value_size)
		return -EINVAL;
	return TAKE_FD(fd);
}

int map_get(int fd, const void *key, void *value)
{
	return bpf_map_lookup_elem(fd, key, value) < 0 ? -errno : 0;
}

int map_set(int fd, const void *key, const void *value)
{
	return bpf_map_update_elem(fd, key, value, BPF_ANY) < 0 ? -errno : 0;
}

int map_create(int fd, const void *key, const void *value)
{
	return bpf_map_update_elem(fd, key, value, BPF_NOEXIST) < 0 ? -errno : 0;
}

int map_delete(int fd, const void *key)
{
	return bpf_map_delete_elem(fd, key) < 0 ? -errno : 0;
}

int map_each(int fd, size_t key_size, size_t value_size,
	     int (*fn)(const void *key, const void *value, void *data), void *data)
{
	_cleanup_free_ char *buf = calloc(1, 2 * key_size + value_size);
	char *key, *next, *value;
	bool more;
	int ret;

	if (!buf)
		return -ENOMEM;
	key = buf;
	next = buf + key_size;
	value = buf + 2 * key_size;

	/* The next key is asked for before fn may delete this one: asked for after, the walk would
	 * begin again. */
	more = !bpf_map_get_next_key(fd, NULL, next);
	while (more) {
		memcpy(key, next, key_size);
		more = !bpf_map_get_next_key(fd, key, next);
		if (bpf_map_lookup_elem(fd, key, value) < 0)
			continue;
		ret = fn(key, value, data);
		if (ret)
			return ret;
	}
	return 0;
}

#define SCAN_ENTRIES 512	/* at once; a bucket of a map has far fewer */

int map_scan(int fd, size_t key_size, size_t value_size,
	     int (*fn)(const void *key, const void *value, void *data), void *data)
{
	_cleanup_free_ char *keys = malloc(SCAN_ENTRIES * key_size);
	_cleanup_free_ char *values = malloc(SCAN_ENTRIES * value_size);
	__u32 from, next, *at = NULL;
	int error = 0, ret = 0;

	if (!keys || !values)
		return -ENOMEM;
	while (!error && !ret) {
		__u32 n = SCAN_ENTRIES;

		error = bpf_map_lookup_batch(fd, at, &next, keys, values, &n, NULL);
		if (error && error != -ENOENT)
			return error;
		for (__u32 i = 0; i < n && !ret; i++)
			ret = fn(keys + i * key_size, values + i * value_size, data);
		from = next;
		at = &from;
	}
	return ret;
}

int map_count(int fd, size_t key_size)
{
	_cleanup_free_ char *key = calloc(1, key_size);
	int n = 0;

	if (!key)
		return -ENOMEM;
	for (void *at = NULL; !bpf_map_get_next_key(fd, at, key); at = key)
		n++;
	return n;
}

int stats_read(int fd, enum reason reason, struct counter *out)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct counter *each = NULL;
	__u32 key = reason;

	if (cpus < 0)
		return cpus;
	each = calloc(cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	if (bpf_map_lookup_elem(fd, &key, each) < 0)
		return -errno;
	memset(out, 0, sizeof(*out));
	for (int i = 0; i < cpus; i++) {
		out->packets += each[i].packets;
		out->bytes += each[i].bytes;
	}
	return 0;
}

int stats_read_all(int fd, struct counter out[REASON_MAX])
{
	int cpus = libbpf_num_possible_cpus(), ret;
	_cleanup_free_ struct counter *each = NULL;
	__u32 keys[REASON_MAX], next, n = REASON_MAX;

	if (cpus < 0)
		return cpus;
	each = calloc((size_t)cpus * REASON_MAX, sizeof(*each));
	if (!each)
		return -ENOMEM;
	ret = bpf_map_lookup_batch(fd, NULL, &next, keys, each, &n, NULL);
	if (ret < 0 && ret != -ENOENT)
		return ret;
	memset(out, 0, REASON_MAX * sizeof(*out));
	for (__u32 i = 0; i < n; i++) {
		for (int cpu = 0; cpu < cpus && keys[i] < REASON_MAX; cpu++) {
			out[keys[i]].packets += each[i * cpus + cpu].packets;
			out[keys[i]].bytes += each[i * cpus + cpu].bytes;
		}
	}
	return 0;
}

int epoch_raise(int fd, __u32 ifindex)
{
	struct flow_index *index =
		mmap(NULL, sizeof(*index), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (index == MAP_FAILED)
		return -errno;
	atomic_fetch_add((_Atomic __u32 *)&index->epoch[ifindex % EPOCHS], 1);
	munmap(index, sizeof(*index));
	return 0;
}

/* Sets bits first to last of the map's only value. */
static int set_bits(int fd, size_t size, unsigned int first, unsigned int last)
{
	_Atomic __u64 *bits = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (bits == MAP_FAILED)
		return -errno;
	for (unsigned int n = first; n <= last; n++)
		atomic_fetch_or(&bits[n / 64], 1ull << n % 64);
	munmap(bits, size);
	return 0;
}

int pod_bloom_add(int fd, const struct addr *addr)
{
	__u16 n;

	memcpy(&n, &addr->byte[14], sizeof(n));
	return set_bits(fd, sizeof(struct pod_bloom), n, n);
}

#define V4_BITS 96	/* of an IPv4 prefix, before IPv4's own */

int cidr_bloom_add(int fd, const struct cidr *cidr)
{
	bool v4 = cidr->len >= V4_BITS && addr_family(&cidr->addr) == AF_INET;
	const __u8 *first = &cidr->addr.byte[v4 ? V4_BITS / 8 : 0];
	unsigned int len = v4 ? cidr->len - V4_BITS : cidr->len;
	unsigned int others = len < 16 ? (1u << (16 - len)) - 1 : 0;
	unsigned int n = (first[0] << 8 | first[1]) & ~others;
	unsigned int v6 = 8 * offsetof(struct cidr_bloom, v6);
	/* ::/0 and its like have IPv4 in them, too */
	bool both = !v4 && len < V4_BITS && n == 0;
	int ret = both ? set_bits(fd, sizeof(struct cidr_bloom), 0, v6 - 1) : 0;

	if (!v4)
		n += v6;
	return ret ? ret : set_bits(fd, sizeof(struct cidr_bloom), n, n | others);
}

struct verbs *verbs_map(int fd)
{
	void *at = mmap(NULL, sizeof(struct verbs), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}
