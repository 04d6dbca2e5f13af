// SPDX-License-Identifier: GPL-2.0
/*
 * Looks at packets that arrive with CHECKSUM_COMPLETE: does the sum that the skb carries hold for
 * the bytes that it has now? The kernel would not complain: it takes a wrong one for the device's
 * fault, sums again by itself, and says so once a boot.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#define CHUNK  64
#define CHUNKS 32		/* as many bytes as a packet of 1500 has, and more */

__u64 right, wrong, other;

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? 0 : sum;
}

/* Over all bytes from the IP header on; negative if there are too many. */
static __always_inline __s64 sum_of(struct __sk_buff *skb)
{
	__u8 chunk[CHUNK];
	__s64 sum = 0;

	for (__u32 i = 0; i < CHUNKS; i++) {
		__u32 at = ETH_HLEN + i * CHUNK, left = skb->len - at;

		if (at >= skb->len)
			return sum;
		__builtin_memset(chunk, 0, sizeof(chunk));
		if (bpf_skb_load_bytes(skb, at, chunk, left < CHUNK ? left : CHUNK) < 0)
			return -1;
		sum = bpf_csum_diff(NULL, 0, (__be32 *)chunk, sizeof(chunk), sum);
		if (left <= CHUNK)
			return sum;
	}
	return -1;
}

SEC("tc")
int look(struct __sk_buff *skb)
{
	__s64 carried = bpf_csum_update(skb, 0), sum;

	if (carried < 0) {	/* it carries none */
		__sync_fetch_and_add(&other, 1);
		return TC_ACT_UNSPEC;
	}
	sum = sum_of(skb);
	if (sum >= 0 && fold(sum) == fold(carried))
		__sync_fetch_and_add(&right, 1);
	else
		__sync_fetch_and_add(&wrong, 1);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
