/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_FLOWCACHE_H
#define CTNAT_KERN_FLOWCACHE_H

/* The answers of the short way (map `flows`), looked at: what the programs know of a flow. Theory
 * in bpf/flow.h. */
#include <stdbool.h>

#include "kern/maps.h"

struct flowcache {
	const struct flow_set *sets;	/* the map itself; NULL: not open */
	const struct flow_index *index;
	__u32 generation;		/* of config */
	__u32 seed[10];
	__u32 hz;
};

struct flow_answer {
	struct flow flow;	/* src, dst, ports, ifindex: with WAY_WIRE and WAY_PEER only */
	bool current;		/* nothing was changed or deleted since it was made */
	__s64 left_ms;		/* until conntrack is asked again; negative: so long ago */
	__u64 age_ms;		/* since a packet through the stack was last looked at, if known */
};

/* -ENOENT: no programs are pinned (level nftables). config: as it is now. */
int flowcache_open(struct flowcache *cache, const struct maps *maps, const struct config *config,
		   struct err *err);
void flowcache_close(struct flowcache *cache);	/* also of a zeroed one */

/* The answer for packets that arrive with these addresses and ports (host order) by this device.
 * False: there is none. now: flowcache_now(). */
struct flow_query {
	struct addr src, dst;
	__u16 sport, dport;
	__u8 proto;
	__u32 ifindex;
};
bool flowcache_get(const struct flowcache *cache, const struct flow_query *query, __u32 now,
		   struct flow_answer *out);

/* bpf_jiffies64(), lower half: the clock of the answers. */
int flowcache_now(__u32 *now, struct err *err);

#endif
