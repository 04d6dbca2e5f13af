// SPDX-License-Identifier: GPL-2.0
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "maps.h"

const volatile __u32 level = LEVEL_FULL;
const volatile __u8 test_race;

SEC("tc")
int ctnat_from_pod(struct __sk_buff *skb)
{
	return skb->pkt_type == 3 && level ? TC_ACT_UNSPEC : TC_ACT_UNSPEC - test_race;
}

SEC("tc")
int ctnat_to_uplink(struct __sk_buff *skb)
{
	return skb->mark ? TC_ACT_UNSPEC : TC_ACT_UNSPEC - test_race;
}

char _license[] SEC("license") = "GPL";
