/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_KERNEL_H
#define CTNAT_KERNEL_H

/*
 * What we read of the kernel that a program's context does not offer: how a packet's checksum is
 * meant, which route it took, and who else hangs on a device. Reading only, each field by CO-RE: a
 * field that a kernel does not have is asked for with bpf_core_field_exists() first.
 */
#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "kfunc_ct.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct tcf_proto {
	struct tcf_proto *next;
};

struct mini_Qdisc {
	struct tcf_proto *filter_list;
};

struct bpf_mprog_bundle {
	__u32 count;
};

struct bpf_mprog_entry {
	struct bpf_mprog_bundle *parent;
};

struct tcx_entry {
	struct mini_Qdisc *miniq;
	struct bpf_mprog_bundle bundle;
};

struct Qdisc {
	int (*enqueue)(void);	/* NULL: sent at once, there is no queue */
};

struct ipv6_devconf {
	__s32 mtu6;
};

struct inet6_dev {
	struct ipv6_devconf cnf;
};

struct net_device {
	struct inet6_dev *ip6_ptr;
	struct bpf_mprog_entry *tcx_ingress, *tcx_egress;	/* 6.6 and newer */
	struct mini_Qdisc *miniq_ingress, *miniq_egress;	/* before */
	struct Qdisc *qdisc;
	possible_net_t nd_net;
};

struct dst_entry {
	unsigned long _metrics;		/* a pointer, with flags in its last two bits */
	struct xfrm_state *xfrm;
	struct lwtunnel_state *lwtstate;
};

struct sk_buff {
	struct net_device *dev;
	unsigned long _skb_refdst;	/* a pointer, with a flag in its last bit */
	unsigned long _nfct;		/* a pointer, with ip_conntrack_info in the last three */
	__u8 ip_summed : 2;
	__u16 network_header, mac_header;	/* from `head` */
};

#pragma clang attribute pop

/* linux/skbuff.h: what ip_summed says of the checksum in the TCP or UDP header. */
#define CHECKSUM_PARTIAL	3	/* it holds the pseudo header's sum; the rest is to come */
#define CHECKSUM_COMPLETE	2	/* it is whole, and the skb carries the sum of all bytes */

#define RTAX_MTU_INDEX	1	/* RTAX_MTU - 1: linux/rtnetlink.h wants the libc */

/*
 * Any address as one of the kernel's types, and a program's context as the sk_buff that it is, at
 * no cost. 6.2 and newer: `kernel_cast` says so. What the sk_buff itself has is a plain load then;
 * of any other address the kernel checks first whether it is its own, which takes 40 bytes of code.
 */
extern void *bpf_rdonly_cast(const void *address, __u32 type) __ksym __weak;
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

/* A field of the kernel's: a load where the verifier knows what the pointer is, a call before. */
#define LOAD(pointer, field)                                                                      \
	({                                                                                        \
		typeof((pointer)->field) value_;                                                  \
		if (kernel_cast)                                                                  \
			value_ = (pointer)->field;                                                \
		else                                                                              \
			bpf_core_read(&value_, sizeof(value_), &(pointer)->field);                \
		value_;                                                                           \
	})

#define AS(type, address)                                                                         \
	((type *)(kernel_cast ? bpf_rdonly_cast(address, bpf_core_type_id_kernel(type)) :   \
				      (address)))

static __always_inline struct sk_buff *kernel_skb(struct __sk_buff *ctx)
{
	return kernel_cast ? bpf_cast_to_kern_ctx(ctx) : (void *)ctx;
}

/* Those that packets on their way through the node may meet. */
static __always_inline __u32 ipsec_policies(const struct net *net)
{
	return bpf_core_field_exists(net->xfrm) ?
	       net->xfrm.policy_count[1] | net->xfrm.policy_count[2] : 0;
}

/* For each packet of the short way, so a load where it can be one. (A program's context *is* the
 * sk_buff; before 6.2 a program may read it, but not say so to the verifier.) */
static __always_inline __u8 checksum_kind(struct __sk_buff *ctx)
{
	const struct sk_buff *skb;

	if (!kernel_cast) {
		skb = (const void *)ctx;
		return BPF_CORE_READ_BITFIELD_PROBED(skb, ip_summed);
	}
	skb = bpf_cast_to_kern_ctx(ctx);
	return BPF_CORE_READ_BITFIELD(skb, ip_summed);
}

/* The entry that conntrack found for a packet behind its hooks, to be read with BPF_CORE_READ()
 * alone, and what it is to the packet. NULL: none. */
static __always_inline const struct nf_conn *entry_of(struct __sk_buff *ctx, __u8 *info)
{
	unsigned long nfct = LOAD(kernel_skb(ctx), _nfct);

	*info = nfct & 7;
	return (const void *)(nfct & ~7ul);
}

static __always_inline struct net_device *device_of(struct __sk_buff *ctx)
{
	return LOAD(kernel_skb(ctx), dev);
}

/* has_ipsec() without the casts: three calls. (A function of its own, or the compiler would keep
 * the registers of whoever has the casts free for them.) */
static __noinline bool has_ipsec_probed(struct __sk_buff *ctx)
{
	const struct net *net = LOAD(device_of(ctx), nd_net.net);
	__u32 count[3] = { 0 };

	if (bpf_core_field_exists(net->xfrm))
		bpf_core_read(count, sizeof(count), &net->xfrm.policy_count);
	return count[1] | count[2];
}

/* Has the node IPsec policies? Asked of each packet, for the first one that a policy is missed by
 * leaves in plain text. */
static __always_inline bool has_ipsec(struct __sk_buff *ctx)
{
	const struct sk_buff *skb;
	const struct net *net;

	if (!kernel_cast)
		return has_ipsec_probed(ctx);
	skb = bpf_cast_to_kern_ctx(ctx);
	net = skb->dev->nd_net.net;
	return ipsec_policies(net);
}

/*
 * Programs and filters on a hook of a device, ours among them; more than two are two. Those before
 * ours have had the packet, those behind it would never see what we redirect.
 */
static __always_inline __u32 classifiers(struct net_device *dev, bool egress)
{
	struct bpf_mprog_bundle *bundle;
	struct bpf_mprog_entry *entry;
	struct mini_Qdisc *miniq;
	struct tcf_proto *filter;
	struct tcx_entry *tcx;
	__u32 n = 0;

	if (bpf_core_field_exists(dev->tcx_ingress)) {
		entry = egress ? LOAD(dev, tcx_egress) : LOAD(dev, tcx_ingress);
		if (!entry)
			return 0;
		bundle = LOAD(entry, parent);
		n = LOAD(bundle, count);
		tcx = AS(struct tcx_entry,
			 (void *)bundle - bpf_core_field_offset(struct tcx_entry, bundle));
		miniq = LOAD(tcx, miniq);
	} else {
		miniq = egress ? LOAD(dev, miniq_egress) : LOAD(dev, miniq_ingress);
	}
	filter = miniq ? LOAD(miniq, filter_list) : NULL;
	if (filter)
		n += LOAD(filter, next) ? 2 : 1;
	return n;
}

/* What IPv6 takes for the device's MTU, or 0: IPv6 is off. */
static __always_inline __u32 mtu6_of(struct net_device *dev)
{
	struct inet6_dev *v6 = LOAD(dev, ip6_ptr);

	return v6 ? LOAD(v6, cnf.mtu6) : 0;
}

static __always_inline bool has_queue(struct net_device *dev)
{
	struct Qdisc *qdisc = LOAD(dev, qdisc);

	return qdisc && LOAD(qdisc, enqueue);
}

/*
 * The MTU that the packet's route names, or 0 if it names none (then the device's counts): what
 * ip_forward() goes by. False: the route leads through IPsec or a tunnel, where what leaves the
 * device is not what we would send.
 */
static __always_inline bool route_mtu(struct __sk_buff *ctx, __u32 *mtu)
{
	unsigned long ref = LOAD(kernel_skb(ctx), _skb_refdst);
	struct dst_entry *dst = AS(struct dst_entry, (void *)(ref & ~1ul));
	const __u32 *metrics;

	*mtu = 0;
	if (!(ref & ~1ul) || LOAD(dst, lwtstate))
		return false;
	if (bpf_core_field_exists(dst->xfrm) && LOAD(dst, xfrm))
		return false;
	metrics = (const void *)(LOAD(dst, _metrics) & ~3ul);
	return !bpf_probe_read_kernel(mtu, sizeof(*mtu), metrics + RTAX_MTU_INDEX);
}

#endif
