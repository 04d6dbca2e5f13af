// SPDX-License-Identifier: GPL-2.0
/* The clock of the answers in the maps, which user space has no other way to read. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

__u64 now;

SEC("tc")
int read_clock(struct __sk_buff *skb)
{
	(void)skb;
	now = bpf_jiffies64();
	return 0;
}

char _license[] SEC("license") = "GPL";
