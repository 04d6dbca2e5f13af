// SPDX-License-Identifier: GPL-2.0
/*
 * Does an entry that BPF inserts live? On 6.3 to 6.5.5, and some 6.1.y before about 6.1.56, it
 * looks expired at once. Run in a network namespace of its own; returns 0, or the number of the
 * step that failed.
 */
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "kfunc_ct.h"

#define LIFE_MS 5000

SEC("tc")
int ctnat_selftest(struct __sk_buff *skb)
{
	struct bpf_ct_opts opts = { .netns_id = BPF_F_CURRENT_NETNS, .l4proto = IPPROTO_UDP };
	struct bpf_sock_tuple tuple = { .ipv4 = {
		.saddr = bpf_htonl(0xc6336401),		/* 198.51.100.1 */
		.daddr = bpf_htonl(0xcb007101),		/* 203.0.113.1 */
		.sport = bpf_htons(1024),
		.dport = bpf_htons(53),
	} };
	union nf_inet_addr egress = { .ip = bpf_htonl(0xc0000201) };	/* 192.0.2.1 */
	struct nf_conn___init *init;
	struct nf_conn *ct;
	int ret;

	init = bpf_skb_ct_alloc(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	if (!init)
		return 1;
	ret = bpf_ct_set_nat_info(init, &egress, 1024, NF_NAT_MANIP_SRC);
	bpf_ct_set_timeout(init, LIFE_MS);
	ct = bpf_ct_insert_entry(init);
	if (!ct)
		return 2;
	bpf_ct_release(ct);
	if (ret)
		return 3;
	ct = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	if (!ct)
		return 4;
	ret = ct->status & IPS_SRC_NAT ? 0 : 5;
	bpf_ct_release(ct);
	return ret;
}

char _license[] SEC("license") = "GPL";
