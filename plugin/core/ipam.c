// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: an address is taken when `pods` has it as a key. Creating the key with BPF_NOEXIST is
 * atomic, so two ADDs at once cannot take the same one, and no lock is held while looking for a
 * free one. The entry says who owns it: (container ID, ifname). Only the owner frees it, and only
 * under the owner's lock (identity.h), so nobody frees an address between another's look and
 * delete.
 *
 * Addresses go round: a cursor per range remembers where the last search ended, so that an address
 * which was freed is the last to be handed out again, and a peer that still sends to it does not
 * reach the next pod. The cursor is a hint that nobody locks: what is lost by a race is a longer
 * search, never an address.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

#include "core/identity.h"
#include "core/ipam.h"
#include "core/journal.h"

int pod_record(const struct maps *maps, const struct addr *addr, const struct pod *pod)
{
	int ret = pod_bloom_add(maps->fd[MAP_POD_BLOOM], addr);

	return ret < 0 ? ret : map_create(maps->fd[MAP_PODS], addr, pod);
}

static int claim(const struct maps *maps, const struct attachment_key *key, const struct addr *addr,
		 __u32 flags)
{
	struct pod pod = {
		.state = STATE_PENDING,
		.flags = flags,
		.created = clock_realtime(),
		.owner = *key,
	};

	return pod_record(maps, addr, &pod);
}

int ipam_claim(const struct maps *maps, const struct attachment_key *key, const struct addr *addr,
	       __u32 flags, struct attachment_key *holder, struct err *err)
{
	char text[ADDR_STRLEN];
	struct pod pod;
	int ret = claim(maps, key, addr, flags);

	if (!ret)
		return 0;
	addr_format(addr, text);
	if (ret != -EEXIST)
		return err_set(err, ret, "record address %s in map 'pods'", text);
	if (map_get(maps->fd[MAP_PODS], addr, &pod) < 0)
		return err_cni(err, CNI_TRY_AGAIN, "address %s was freed this moment, try again",
			       text);
	if (holder)
		*holder = pod.owner;
	err_cni(err, CNI_EXHAUSTED, "address %s is taken by container '%s', interface '%s'", text,
		pod.owner.container_id, pod.owner.ifname);
	return -EADDRINUSE;
}

static unsigned long long range_size(const struct ip_range *range)
{
	unsigned long long distance = addr_distance(&range->first, &range->last);

	return distance == UINT64_MAX ? distance : distance + 1;
}

static _Atomic __u64 *range_cursor(struct verbs *verbs, const struct ip_range *range)
{
	__u64 hash = hash_bytes(hash_bytes(HASH_SEED, &range->first, sizeof(range->first)),
				&range->last, sizeof(range->last));

	return (_Atomic __u64 *)&verbs->cursors[hash % CURSORS];
}

/* -ENOSPC: every address of the range is taken. */
static int allocate_in_range(const struct maps *maps, struct verbs *verbs,
			     const struct attachment_key *key, const struct ip_range *range,
			     struct addr *out)
{
	_Atomic __u64 *cursor = range_cursor(verbs, range);
	unsigned long long size = range_size(range), start = atomic_fetch_add(cursor, 1);
	unsigned long long tries = size < PODS_MAX ? size : PODS_MAX + 1ULL;

	for (unsigned long long i = 0; i < tries; i++) {
		struct addr addr = addr_add(&range->first, (start + i) % size);
		int ret;

		if (addr_equal(&addr, &range->gateway))
			continue;
		ret = claim(maps, key, &addr, 0);
		if (ret == -EEXIST)
			continue;
		if (ret < 0)
			return ret;
		if (i)
			atomic_store(cursor, start + i + 1);
		*out = addr;
		return 0;
	}
	return -ENOSPC;
}

static bool set_holds(const struct range_set *set, const struct addr *addr)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct ip_range *range = &set->ranges[i];

		if (addr_compare(addr, &range->first) >= 0 &&
		    addr_compare(addr, &range->last) <= 0 && !addr_equal(addr, &range->gateway))
			return true;
	}
	return false;
}

static const struct addr *asked_for(const struct network *net, const struct range_set *set)
{
	for (size_t i = 0; i < net->n_ips; i++)
		if (set_holds(set, &net->ips[i]))
			return &net->ips[i];
	return NULL;
}

static int allocate_in_set(const struct maps *maps, struct verbs *verbs,
			   const struct attachment_key *key, const struct range_set *set,
			   struct addr *out, struct err *err)
{
	char first[ADDR_STRLEN], last[ADDR_STRLEN];
	int ret = -ENOSPC;

	for (size_t i = 0; i < set->n && ret == -ENOSPC; i++)
		ret = allocate_in_range(maps, verbs, key, &set->ranges[i], out);
	if (ret == -E2BIG)
		return err_set(err, ret, "map 'pods' is full (%d addresses)", PODS_MAX);
	if (ret == -ENOSPC) {
		err_cni(err, CNI_EXHAUSTED, "no free address in %s - %s%s",
			addr_format(&set->ranges[0].first, first),
			addr_format(&set->ranges[set->n - 1].last, last),
			set->n > 1 ? " (several ranges)" : "");
		return ret;
	}
	return ret < 0 ? err_set(err, ret, "record an address in map 'pods'") : 0;
}

int ipam_allocate(const struct maps *maps, const struct attachment_key *key,
		  const struct network *net, struct addr *out, size_t *n_out,
		  struct attachment_key *holder, struct err *err)
{
	struct verbs *verbs = verbs_map(maps->fd[MAP_VERBS]);
	struct addr taken[CONF_SETS_MAX];
	size_t n = 0;
	int ret = 0;

	if (!verbs)
		return err_set(err, -errno, "map 'verbs' into memory");
	for (; !ret && n < net->n_sets; n += !ret) {
		const struct addr *asked = asked_for(net, &net->sets[n]);

		if (asked)
			taken[n] = *asked;
		ret = asked ? ipam_claim(maps, key, asked, 0, holder, err) :
			      allocate_in_set(maps, verbs, key, &net->sets[n], &taken[n], err);
	}
	if (ret < 0) {
		while (n--)
			ipam_free(maps, key, &taken[n], NULL);
		return ret;
	}
	for (size_t i = 0; i < n; i++)
		out[i] = taken[i];
	*n_out = n;
	return 0;
}

int ipam_free(const struct maps *maps, const struct attachment_key *key, const struct addr *addr,
	      struct err *err)
{
	char text[ADDR_STRLEN];
	struct pod pod;
	int ret = map_get(maps->fd[MAP_PODS], addr, &pod);

	if (ret == -ENOENT || (!ret && !key_equal(&pod.owner, key)))
		return 0;
	if (!ret)
		ret = map_delete(maps->fd[MAP_PODS], addr);
	return ret < 0 && ret != -ENOENT
		       ? err_set(err, ret, "free address %s in map 'pods'", addr_format(addr, text))
		       : 0;
}

struct owned {
	const struct attachment_key *key;
	struct addr *out;
	size_t n;
};

static int note_owned(const void *key, const void *value, void *data)
{
	const struct pod *pod = value;
	struct owned *owned = data;

	if (!key_equal(&pod->owner, owned->key) || owned->n == POD_ADDRS_MAX)
		return 0;
	for (size_t i = 0; i < owned->n; i++)
		if (addr_equal(&owned->out[i], key))
			return 0;	/* a walk may meet an entry twice */
	owned->out[owned->n++] = *(const struct addr *)key;
	return 0;
}

int ipam_owned(const struct maps *maps, const struct attachment_key *key,
	       struct addr out[POD_ADDRS_MAX], size_t *n, struct err *err)
{
	struct owned owned = { .key = key, .out = out };
	int ret = map_each(maps->fd[MAP_PODS], sizeof(struct addr), sizeof(struct pod), note_owned,
			   &owned);

	if (ret < 0)
		return err_set(err, ret, "walk map 'pods'");
	*n = owned.n;
	return 0;
}

struct used {
	const struct range_set *set;
	unsigned long long n;
};

static int count_used(const void *key, const void *value, void *data)
{
	struct used *used = data;

	(void)value;
	used->n += set_holds(used->set, key);
	return 0;
}

unsigned long long ipam_free_in_set(const struct maps *maps, const struct range_set *set)
{
	struct used used = { .set = set };
	unsigned long long size = 0;

	for (size_t i = 0; i < set->n; i++) {
		const struct ip_range *range = &set->ranges[i];
		unsigned long long here = range_size(range);

		here -= addr_compare(&range->gateway, &range->first) >= 0 &&
			addr_compare(&range->gateway, &range->last) <= 0;
		size = size + here < size ? UINT64_MAX : size + here;
	}
	map_each(maps->fd[MAP_PODS], sizeof(struct addr), sizeof(struct pod), count_used, &used);
	return used.n < size ? size - used.n : 0;
}
