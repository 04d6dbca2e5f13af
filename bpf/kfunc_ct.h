/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_KFUNC_CT_H
#define CTNAT_KFUNC_CT_H

/*
 * The kernel's connection tracking as programs see it (nf_conntrack_bpf.c, nf_nat_bpf.c). Declared
 * by hand: the object is built anywhere, and a field's offset is corrected when it is loaded
 * (preserve_access_index). Both nf_conn types must be complete, or the load fails with "func_proto
 * incompatible".
 *
 * All functions are weak: an object whose constants make a call unreachable loads on a kernel that
 * has no such function.
 *
 * References: what bpf_skb_ct_lookup() and bpf_ct_insert_entry() return must be released; what
 * bpf_skb_ct_alloc() returns can only be inserted, which ends it. In ct.h one function owns each
 * from acquire to release.
 */
#include <linux/bpf.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ip_ct_tcp {
	__u8 state;		/* enum tcp_conntrack */
};

union nf_conntrack_proto {
	struct ip_ct_tcp tcp;
};

union nf_conntrack_man_proto {
	__be16 all;
};

struct nf_conntrack_man {
	union nf_inet_addr u3;
	union nf_conntrack_man_proto u;
};

struct nf_conntrack_target {
	union nf_inet_addr u3;
	union nf_conntrack_man_proto u;
	__u8 protonum;
};

/* Each entry has two: as packets of that direction arrive, before any translation. */
struct nf_conntrack_tuple {
	struct nf_conntrack_man src;
	struct nf_conntrack_target dst;
};

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
};

/* Time-outs in jiffies, by enum tcp_conntrack and enum udp_conntrack; what the administrator set.
 */
struct nf_tcp_net {
	unsigned int timeouts[TCP_CONNTRACK_TIMEOUT_MAX];
	__u8 tcp_be_liberal;
};

struct nf_udp_net {
	unsigned int timeouts[2];
};

struct nf_ip_net {
	struct nf_tcp_net tcp;
	struct nf_udp_net udp;
};

struct netns_ct {
	struct nf_ip_net nf_ct_proto;
};

struct netns_xfrm {
	unsigned int policy_count[6];	/* by XFRM_POLICY_*: in, out, forward */
};

struct net {
	struct netns_ct ct;
	struct netns_xfrm xfrm;
};

typedef struct {
	struct net *net;
} possible_net_t;

/* Where in `data` an extension is, by its id; 0: the entry does not have it. */
struct nf_ct_ext {
	__u8 offset[1];
};

struct nf_conn {
	__u32 timeout;		/* jiffies at which it ends */
	struct nf_conntrack_tuple_hash tuplehash[2];
	unsigned long status;	/* IPS_* */
	possible_net_t ct_net;
	__u32 mark;
	struct nf_ct_ext *ext;
	union nf_conntrack_proto proto;
};

struct nf_conn___init {
	struct nf_conn ct;
};

enum nf_ct_ext_id {
	NF_CT_EXT_HELPER,
	NF_CT_EXT_TIMEOUT,
};

#pragma clang attribute pop

/*
 * 12 bytes on every kernel: 6.1 accepts no other size, and newer ones (16) take the missing zone
 * for zero.
 */
struct bpf_ct_opts {
	__s32 netns_id;		/* BPF_F_CURRENT_NETNS: the skb's device's */
	__s32 error;		/* out: why NULL was returned */
	__u8 l4proto;		/* TCP or UDP, else -EPROTO */
	__u8 dir;		/* out: the direction that a lookup matched, CT_DIR_* */
	__u8 reserved[2];
};

/* linux/netfilter/nf_nat.h of the kernel, not of the UAPI. */
enum nf_nat_manip_type {
	NF_NAT_MANIP_SRC,
	NF_NAT_MANIP_DST,
};

/* enum ip_conntrack_dir, likewise. */
#define CT_DIR_ORIGINAL	0
#define CT_DIR_REPLY	1

/* An entry that has the tuple in either direction, or NULL. An expired one is not found but
 * removed. */
extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb, struct bpf_sock_tuple *tuple,
					 __u32 tuple__sz, struct bpf_ct_opts *opts,
					 __u32 opts__sz) __ksym __weak;

/* A new entry outside the table, its timeout 10 s. NULL: no memory, or the table is full. */
extern struct nf_conn___init *bpf_skb_ct_alloc(struct __sk_buff *skb, struct bpf_sock_tuple *tuple,
					       __u32 tuple__sz, struct bpf_ct_opts *opts,
					       __u32 opts__sz) __ksym __weak;

/*
 * Makes the replies' tuple that of a translated flow. The port is in host order: > 0 is taken as it
 * is, with no look whether it is free (the insert finds out); 0 keeps or chooses, with no regard to
 * any range. Returns negative if the entry has no NAT; inserted it must be all the same. Kernels
 * 6.16 to 7.2.12 with nf_nat as a module refuse any program that calls it: level `assisted`.
 */
extern int bpf_ct_set_nat_info(struct nf_conn___init *ct, union nf_inet_addr *addr, int port,
			       enum nf_nat_manip_type manip) __ksym __weak;

/* Milliseconds. It holds until the first packet passes the kernel's hooks, which set their own. */
extern void bpf_ct_set_timeout(struct nf_conn___init *ct, __u32 timeout_ms) __ksym __weak;

/* NULL: one of its two tuples is in the table already, expired or not (or the chain is too long);
 * it is freed. */
extern struct nf_conn *bpf_ct_insert_entry(struct nf_conn___init *ct) __ksym __weak;

/* Milliseconds; 0 ends the entry: whoever looks it up next removes it. -EPERM: fixed
 * by its owner. */
extern int bpf_ct_change_timeout(struct nf_conn *ct, __u32 timeout_ms) __ksym __weak;

/* Sets the bits; `status` must hold those that are set already, or -EBUSY. */
extern int bpf_ct_change_status(struct nf_conn *ct, __u32 status) __ksym __weak;

extern void bpf_ct_release(struct nf_conn *ct) __ksym __weak;

#endif
