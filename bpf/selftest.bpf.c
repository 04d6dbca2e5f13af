// SPDX-License-Identifier: GPL-2.0
/*
 * Does an entry that a program inserts live? On 6.3 to 6.5.5 and some 6.1.y it looks expired at once: the insert
 * succeeds, the next look-up removes it, and every packet would make another. Run by user space in a network namespace of
 * its own, with any frame. Returns 0, or the number of the step that failed.
 */
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "kfunc_ct.h"

SEC("tc")
int ctnat_selftest(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = { .ipv4 = {
						.saddr = bpf_htonl(0x0a000001),
						.daddr = bpf_htonl(0xc0000201),
						.sport = bpf_htons(4096),
						.dport = bpf_htons(53),
					} };
	struct bpf_ct_opts opts = { .netns_id = BPF_F_CURRENT_NETNS, .l4proto = IPPROTO_UDP };
	union nf_inet_addr node = { .ip = bpf_htonl(0xc0000202) };
	struct nf_conn___init *new;
	struct nf_conn *ct;

	new = bpf_skb_ct_alloc(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	if (!new)
		return 1;
	bpf_ct_set_nat_info(new, &node, 0, NF_NAT_MANIP_SRC);
	bpf_ct_set_timeout(new, 5000);
	ct = bpf_ct_insert_entry(new);
	if (!ct)
		return 2;
	bpf_ct_release(ct);

	ct = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	if (!ct)
		return 3;
	bpf_ct_release(ct);
	return 0;
}

char _license[] SEC("license") = "GPL";
