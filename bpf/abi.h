/* SPDX-License-Identifier: (GPL-2.0 OR Apache-2.0) */
#ifndef CTNAT_ABI_H
#define CTNAT_ABI_H

/*
 * THE contract between the programs in the kernel and everything in user space: the layout of every
 * pinned map. tests/lint/abi.golden holds sizes and offsets; a change there needs a new number.
 *
 * Two numbers, two directories below /sys/fs/bpf/ctnat:
 *   ABI_RECORDS   r<N>   `pods`, `attachments`: only ever grow, so that any plugin, older or
 *                        newer, can DEL any attachment.
 *   ABI_DATAPATH  v<N>   all else: replaced as a whole by a version with another layout.
 *
 * Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so that both
 * families share every key and every function. Prefix lengths count in those 128 bits: an IPv4 /24
 * is 120. Strings are NUL-terminated and NUL-padded: they are compared and hashed as whole arrays.
 * Times are CLOCK_REALTIME nanoseconds for people, the kernel's clocks for programs.
 */
#include <linux/types.h>

#include "reasons.h"	/* enum reason: a part of the contract, too */

#define ABI_RECORDS	1
#ifndef ABI_DATAPATH		/* tests build the plugin as later versions of itself, too */
#define ABI_DATAPATH	4
#endif

#define CONTAINER_ID_MAX	128	/* with the NUL; runtimes use 64 hex digits */
#define IFNAME_MAX		16	/* IFNAMSIZ */
#define NETWORK_NAME_MAX	96	/* ctnat/network/container/ifname fits IFALIASZ (256) */
#define POD_ADDRS_MAX		8	/* addresses of one attachment */
#define MAC_LEN			6

/*
 * Grows with every change of the programs that leaves the layouts alone: a plugin that finds an
 * older number replaces the programs, in place and under traffic; one that finds a newer number
 * touches nothing.
 */
#ifndef PROGRAMS_BUILD
#define PROGRAMS_BUILD	1
#endif

/* Aligned so that programs copy and compare words; it changes no layout. */
struct addr {
	__u8 byte[16];
} __attribute__((aligned(4)));

/* ---- records: what a pod is ---------------------------------------------------------------- */

/* The identity of an attachment, and so of whoever owns an address: never the address itself. */
struct attachment_key {
	char container_id[CONTAINER_ID_MAX];
	char ifname[IFNAME_MAX];
};

enum record_state {
	STATE_PENDING = 1,	/* an ADD works on it, or died of it: then its lock is free */
	STATE_READY,		/* ADD returned success */
	STATE_DYING,		/* a DEL works on it, or died working on it: from_pod drops */
};

/* pods: address -> pod. Creating the key with BPF_NOEXIST *is* the allocation of the address.
 * The first 16 bytes are all that a program reads for a packet. */
struct pod {
	__u32 ifindex;		/* host side of the veth; 0 while pending */
	enum record_state state;
	__u32 flags;		/* POD_* */
	__u32 generation;	/* grows when what is cached about this pod is void */
	struct addr egress;	/* to masquerade with, of the key's family; zero: the uplink's */
	__u8 host_mac[MAC_LEN];
	__u8 pod_mac[MAC_LEN];
	__u32 reserved;
	__u64 created;		/* CLOCK_REALTIME, ns */
	struct attachment_key owner;
};

#define POD_SHAPED	(1u << 0)	/* somebody limits its bandwidth */
#define POD_DELEGATED	(1u << 1)	/* the address came from another IPAM plugin */

/* attachments: (container ID, ifname) -> attachment. */
struct attachment {
	enum record_state state;
	__u32 ifindex;		/* host side; 0 until ready */
	__u32 n_addrs;
	__u32 flags;		/* POD_* */
	__u64 created;		/* CLOCK_REALTIME, ns */
	__u64 netns;		/* inode number of the pod's network namespace */
	struct addr addrs[POD_ADDRS_MAX];	/* complete once ready */
	char host_ifname[IFNAME_MAX];
	char network[NETWORK_NAME_MAX];
	char ipam[32];		/* type of the delegated IPAM plugin; empty: ctnat's own */
};

/* ---- datapath ------------------------------------------------------------------------------ */

/* What happens to a packet bound for a destination: value of masq_cidrs, longest prefix wins. */
enum masq_class {
	CLASS_BPF = 1,		/* translated; BPF inserts the conntrack entry */
	CLASS_KERNEL,		/* translated by the base table, after kube-proxy had its chance */
	CLASS_SERVICE,		/* as CLASS_KERNEL; but dropped if no DNAT takes it elsewhere */
	CLASS_LEAVE,		/* never translated */
};

struct cidr_key {
	__u32 prefixlen;	/* of 128 */
	struct addr addr;
};

struct cidr_class {
	enum masq_class class;
	__u16 prefixlen;	/* of the entry that matched, of 128 */
	__u16 pod_range;	/* 1: addresses of this node's pods come from it */
};

/* uplinks: ifindex -> by which address pods leave there. */
struct uplink {
	struct addr v4;		/* all zero: none of that family */
	struct addr v6;
	__u32 mtu;
	__u32 flags;		/* UPLINK_* */
	char name[IFNAME_MAX];
};

#define UPLINK_ETHERNET	(1u << 0)
#define UPLINK_FORMER	(1u << 1)	/* pods leave there no more; it is still guarded */

enum datapath_level {
	LEVEL_NONE,		/* in a configuration: the best that loads ("auto") */
	LEVEL_FULL,		/* BPF allocates, sets NAT, inserts */
	LEVEL_ASSISTED,		/* bpf_ct_set_nat_info does not load: the base table translates */
	LEVEL_NFTABLES,		/* no BPF program: the base table alone */
};

enum short_way {
	SHORT_CACHED,		/* the default: what conntrack said of a flow holds for a second */
	SHORT_UNCACHED,		/* conntrack is asked about every packet */
	SHORT_OFF,		/* the stack forwards every packet */
};

enum settings_owner {
	OWNER_CONFLIST = 1,	/* the first ADD, from its network configuration */
	OWNER_AGENT,		/* ctnatd */
};

/* config: one entry, key 0. Programs read the first 56 bytes. */
struct config {
	__u32 generation;	/* grows with every change of settings, routes or addresses */
	__u16 port_min;		/* source ports, host order, both inclusive, never 0 */
	__u16 port_max;
	__u32 insert_limit;	/* unanswered inserts a second and pod; 0: no limit */
	__u32 insert_timeout_ms;	/* until the kernel's own takes over; at most 5000 */
	__u8 spoof_check;
	__u8 short_way;		/* enum short_way */
	__u8 uplinks_named;	/* 1: the settings name them, default routes do not matter */
	__u8 reserved;
	__u32 stack_mark;	/* flows with one of these bits in the ct mark stay in the stack */
	enum datapath_level level;	/* in force */
	enum datapath_level wanted_level;	/* as configured; LEVEL_NONE: auto */
	enum settings_owner owner;
	__u32 mtu;		/* of pods' interfaces */
	__u32 nft_generation;	/* ruleset generation at which the base table was last seen whole */
	__u32 selftest;		/* 1 passed, 2 failed, 0 not run since the boot */
	__u32 build;		/* PROGRAMS_BUILD of who loaded the programs */
	__u32 reserved3;
	__u64 settings_hash;	/* of the node settings these maps were filled from */
	__u64 netns_cookie;	/* SO_NETNS_COOKIE of the node: pins of another node are refused */
	__u64 created;
	char network[NETWORK_NAME_MAX];	/* whose conflist the settings are, with OWNER_CONFLIST */
	char reason[256];	/* why the level is not full, in words; empty if it is */
};

/* budgets: host ifindex % BUDGETS -> what the pod behind it did in the current second. Two links
 * with one place begin it anew for each other: then their limits are loose. */
struct budget {
	__u32 ifindex;
	__u32 second;		/* bpf_ktime_get_coarse_ns() / 1e9 */
	__s32 inserts;		/* not known to be answered; refunds may race below zero */
	__u32 link_local;	/* packets with a link-local source: neighbour entries */
};

/*
 * flows: what became of a flow's last packet, so that the next one need not ask. Theory in
 * bpf/flow.h. A cache: whoever wipes it costs each flow one packet's detour.
 */
#define ARRIVAL_V4 0x80		/* beside the protocol: both addresses are IPv4's */

struct flow_key {
	struct addr src, dst;	/* as the packet arrives */
	union {
		struct {
			__be16 sport, dport;
		};
		__be32 ports;	/* both, as they lie in a header */
	};
	__u32 arrival;		/* where (ifindex) << 8 | ARRIVAL_V4 | TCP or UDP */
} __attribute__((aligned(8)));

enum flow_way {
	WAY_STACK = 1,		/* not to be helped, or not yet seen to leave the stack */
	WAY_WIRE,		/* rewritten and sent out by a device */
	WAY_PEER,		/* rewritten and handed to the pod at the other end of a veth */
};

struct flow {			/* two cache lines: what tells whether, and what tells how */
	struct flow_key key;
	__u32 version;		/* of the other fields; odd: they are being written */
	__u32 until;		/* bpf_jiffies64(), lower half: then conntrack is asked again */
	__u32 generation;	/* of config and both devices when conntrack was asked */
	enum flow_way way;
	__u32 ifindex;		/* where it leaves; 0 with WAY_STACK */
	__u32 mtu;		/* of the way, in bytes of IP packet */

	struct addr src, dst;	/* after translation, as the ports */
	union {
		struct {
			__be16 sport, dport;
		};
		__be32 ports;
	};
	__u8 dst_mac[MAC_LEN];	/* the two as they lie in a frame */
	__u8 src_mac[MAC_LEN];
	__u32 priority;		/* that the stack gave the packet */
	__u16 header_delta;	/* what the rewrite adds to the sum of the IPv4 header, */
	__u16 segment_delta;	/* of the segment, pseudo header included, and of the */
	__u16 address_delta;	/* pseudo header alone: ones' complement, as in memory */
	__u16 reserved;
	__u32 met;		/* bpf_jiffies64(), lower half: of the packet it was learned from */
};

#define FLOW_SETS	32768	/* power of two; of FLOW_WAYS answers, one for a flow's direction */
#define FLOW_WAYS	8	/* a flow may lie in any place of its set */

struct flow_set {
	struct flow flow[FLOW_WAYS];
};

/*
 * pod_bloom, cidr_bloom: Bloom filters of `pods` and `masq_cidrs`, one entry each, mmapable. Who
 * adds there sets bits here before, nobody clears them. So what has no bit is not there for
 * certain, and most packets need no look-up.
 */
struct pod_bloom {		/* bit n: an address ends in these 16 bits, as memory has them */
	__u64 bits[(1 << 16) / 64];
};

struct cidr_bloom {		/* bit n: of addresses that begin so, some are not CLASS_BPF */
	__u64 v4[(1 << 16) / 64];
	__u64 v6[(1 << 16) / 64];
};

/* guards: ifindex % GUARDS -> does the uplink's guard see what from_pod opens, are its addresses
 * still the node's? bpf_jiffies64(), lower halves. */
struct guard_watch {
	__u32 told;		/* of the first packet since it last saw one that it should see */
	__u32 seen;		/* `told`, if it did: then nothing is waited for */
	__u32 checked4;		/* when what pods leave with was last found to be the node's */
	__u32 checked6;
};

/* flow_index: what is looked at beside `flows`, one entry, so that one look-up gives all of it;
 * mmapable. */
#define EPOCHS 4096	/* power of two */

struct flow_index {
	__u64 ports[(1 << 16) / 64];	/* bit n: a pod's flow may come by an uplink to the port
					 * that is n as memory has it (bpf/places.h) */
	/* ifindex % EPOCHS -> counts up when what is known of the device is void; devices share
	 * one, which costs a detour */
	__u32 epoch[EPOCHS];
	union flow_tags {		/* number of a set -> what may lie in its places */
		__u8 tag[FLOW_WAYS];	/* bits of the flow's hash; 0: free */
		__u64 all;
	} tags[FLOW_SETS];
};

/* Words of __sk_buff's cb[] after a dry run that would insert an entry (bpf/flow.h). */
#define DRY_EGRESS 0	/* four: struct addr */
#define DRY_PORT   4	/* host order */

/* stats: enum reason -> one of these per CPU. */
struct counter {
	__u64 packets;
	__u64 bytes;
};

/* ---- what the plugin says of itself: it is no daemon, and runtimes lose its stderr ---------- */

#define VERB_MAX	8	/* enum verb of the plugin: six, two spare */
#define CURSORS		1024	/* power of two */
#define JOURNAL_SIZE	256	/* power of two */

#define OUTCOME_CODES	{ 0, 1, 2, 3, 4, 5, 6, 7, 11, 50, 51, 100, 101, 102, 103 }
#define OUTCOMES	16	/* these CNI error codes, 0 being success, and all others */

/* verbs: one entry, mmapable; changed with C11 atomics only. */
struct verbs {
	__u64 ended[VERB_MAX][OUTCOMES];
	__u64 journal_head;	/* operations ever; entry i is in slot i % JOURNAL_SIZE */
	__u64 cursors[CURSORS];	/* where to go on in a range, by hash of the range */
};

/* journal: slot -> operation. */
struct journal_entry {
	__u64 sequence;
	__u64 time;		/* CLOCK_REALTIME, ns, at the end */
	__u32 verb;
	__u32 code;		/* CNI error code; 0: success */
	__u32 duration_us;
	__u32 reserved;
	struct attachment_key key;
	char network[NETWORK_NAME_MAX];
	char pod[128];		/* namespace/name, if the runtime said so */
	char message[256];
};

/* sysctls: what was changed node-wide and what it was before, for uninstall. Key: path below
 * /proc/sys. */
struct sysctl_key {
	char path[96];
};

struct sysctl_value {
	char before[16];
	char after[16];
};

/* Map sizes. Hash maps are not preallocated: they cost what they hold. */
#define PODS_MAX	65536
#define ATTACHMENTS_MAX	65536
#define CIDRS_MAX	65536
#define UPLINKS_MAX	64
#define BUDGETS		4096
#define SYSCTLS_MAX	256
#define GUARDS		64	/* power of two */

#endif
