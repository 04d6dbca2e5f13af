// SPDX-License-Identifier: GPL-2.0
/* Programs that must not load: each breaks one rule that ct.h keeps. test_load.c says what the
 * verifier answers. */
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_helpers.h>

#include "kfunc_ct.h"

static __always_inline struct nf_conn *lookup(struct __sk_buff *skb)
{
	struct bpf_ct_opts opts = { .netns_id = BPF_F_CURRENT_NETNS, .l4proto = IPPROTO_UDP };
	struct bpf_sock_tuple tuple = {};

	return bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
}

static __always_inline struct nf_conn___init *alloc(struct __sk_buff *skb)
{
	struct bpf_ct_opts opts = { .netns_id = BPF_F_CURRENT_NETNS, .l4proto = IPPROTO_UDP };
	struct bpf_sock_tuple tuple = {};

	return bpf_skb_ct_alloc(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
}

SEC("?tc")
int leaks_an_entry(struct __sk_buff *skb)
{
	return lookup(skb) ? 1 : 0;
}

SEC("?tc")
int leaks_an_allocation(struct __sk_buff *skb)
{
	struct nf_conn___init *ct = alloc(skb);

	if (ct)
		bpf_ct_set_timeout(ct, 1000);
	return 0;
}

SEC("?tc")
int forgets_the_insert(struct __sk_buff *skb)
{
	struct nf_conn___init *ct = alloc(skb);

	return ct && bpf_ct_insert_entry(ct) ? 1 : 0;
}

SEC("?tc")
int reads_after_release(struct __sk_buff *skb)
{
	struct nf_conn *ct = lookup(skb);

	if (!ct)
		return 0;
	bpf_ct_release(ct);
	return ct->status & 1;
}

SEC("?tc")
int trusts_a_lookup(struct __sk_buff *skb)
{
	struct nf_conn *ct = lookup(skb);
	int status = ct->status;

	if (ct)
		bpf_ct_release(ct);
	return status;
}

SEC("?tc")
int writes_the_status(struct __sk_buff *skb)
{
	struct nf_conn *ct = lookup(skb);

	if (!ct)
		return 0;
	ct->status = 0;
	bpf_ct_release(ct);
	return 0;
}

char _license[] SEC("license") = "GPL";
