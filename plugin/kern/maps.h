/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_MAPS_H
#define CTNAT_KERN_MAPS_H

/* The pinned maps, opened, and the four things one does with a map. What lies
 * in them: bpf/abi.h. */
#include "abi.h"
#include "base/addr.h"
#include "base/err.h"

enum map_id {
	MAP_PODS,
	MAP_ATTACHMENTS,
	MAP_RECORDS,		/* the records are the maps before this */
	MAP_MASQ_CIDRS = MAP_RECORDS,
	MAP_CIDR_BLOOM,
	MAP_UPLINKS,
	MAP_CONFIG,
	MAP_POD_BLOOM,
	MAP_BUDGETS,
	MAP_FLOWS,
	MAP_GUARDS,
	MAP_FLOW_INDEX,
	MAP_STATS,
	MAP_VERBS,
	MAP_JOURNAL,
	MAP_SYSCTLS,
	MAP_MAX,
};

struct maps {
	int fd[MAP_MAX];	/* -1: not open */
};

#define MAPS_CLOSED { { [0 ... MAP_MAX - 1] = -1 } }

/* The name of the map, and the path it is pinned at. */
const char *map_name(enum map_id id);
const char *map_path(enum map_id id);

/* Opens all of them. -ENOENT if one is not there (then none is open). */
int maps_open(struct maps *maps, struct err *err);
/* Opens `pods` and `attachments` alone, which every version can read. Likewise. */
int maps_open_records(struct maps *maps, struct err *err);
void maps_close(struct maps *maps);	/* also of closed ones */

/* Opens a pinned map of another version. -EINVAL if its keys or values have another size. */
int map_open(const char *path, __u32 key_size, __u32 value_size);

/* Raw -errno of bpf(2). -ENOENT: no such key. */
int map_get(int fd, const void *key, void *value);
int map_set(int fd, const void *key, const void *value);
int map_create(int fd, const void *key, const void *value);	/* -EEXIST: the key is there */
int map_delete(int fd, const void *key);

/*
 * Calls fn for each entry; fn may delete the entry it is given. Goes on while fn returns 0 and
 * returns the first other value. An entry that comes or goes meanwhile may be missed or met, and
 * any may be met twice: hold the lock that matters.
 */
int map_each(int fd, size_t key_size, size_t value_size,
	     int (*fn)(const void *key, const void *value, void *data), void *data);

/* The same for a hash map, in a few system calls (BPF_MAP_LOOKUP_BATCH, 5.6): fn only looks. */
int map_scan(int fd, size_t key_size, size_t value_size,
	     int (*fn)(const void *key, const void *value, void *data), void *data);

/* Entries of a hash map, by walking its keys. */
int map_count(int fd, size_t key_size);

/* Sums one reason over all CPUs; all of them, in one system call. */
int stats_read(int fd, enum reason reason, struct counter *out);
int stats_read_all(int fd, struct counter out[REASON_MAX]);

/*
 * Voids every answer in `flows` that came in or leaves by this device, from the next packet on.
 * fd: MAP_FLOW_INDEX. Another device that shares the slot loses its answers too, which costs its
 * flows one packet's detour. Of two callers at once neither is lost.
 */
int epoch_raise(int fd, __u32 ifindex);

/* An address is about to be a pod's; a prefix to have a class that is not CLASS_BPF. Said before
 * `pods` and `masq_cidrs` say so. fd: MAP_POD_BLOOM, MAP_CIDR_BLOOM. */
int pod_bloom_add(int fd, const struct addr *addr);
int cidr_bloom_add(int fd, const struct cidr *cidr);

/* The one `verbs` entry mapped into memory, or NULL and errno: change it with C11 atomics. Unmapped
 * by exit. */
struct verbs *verbs_map(int fd);

#endif
