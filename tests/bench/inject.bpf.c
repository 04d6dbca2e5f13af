// SPDX-License-Identifier: GPL-2.0
/*
 * What stands at both ends of a measurement, and the wire between them: programs that cost as
 * little as can be, and the same for everybody who is measured. One process runs one stream at a
 * time on one CPU, so plain variables do for all of them.
 *
 *	inject		XDP, run by BPF_PROG_TEST_RUN with live frames: makes them, and passes them
 *	pass		XDP: a veth takes live frames only while it has a program of its own
 *	count_frame	TC, where frames arrive: counts those that bear the expected address
 *	count_datagram	on a socket, for frames that the node keeps
 *	wire_out, wire_in	TC: a redirect that does nothing else
 *
 * The kernel gives `inject` the frames of the last batch again, as the stack has left them. So
 * every header is written anew, checksums included.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Headers as far as a stack might change them. Frames are at least that long. */
#define HEAD4	 7		/* words of 8 bytes: 14 + 20 + 20, and 2 of what follows */
#define HEAD6	10		/* 14 + 40 + 20, and 6 */
#define L4_AT4	34
#define L4_AT6	54
#define PROTO_AT4 23
#define PROTO_AT6 20
#define FLOWS_MAX 100000	/* whose ports can be learned */
#define SLICES_MAX 16		/* power of two */

#define TCP_WINDOW 14
#define TCP_CHECK  16
#define UDP_CHECK   6

/* The stream, set before each run. Ports and the window are zero in `head` and not in `sum`, the
 * ones' complement sum of all else that the checksum covers. */
__u64 head[HEAD6];
__u32 sum;
__u8 is_v6, is_tcp;
__u8 from_near;			/* the near port is the source */
__u32 near_first, near_count;	/* ports of the pod's end, host order */
__u32 far_first, far_count;	/* ports of the server's */
__u32 near_next, far_next;	/* counted from 0 */
__u32 flow_next;
__u32 passes;			/* over all flows, ever */

/* When each slice of so many frames began. (Frames are made in batches: those of the batch in hand
 * have yet to travel, in each slice that begins there as many.) */
__u32 slice_frames, slice_left, slices;
__u64 began[SLICES_MAX];

/* What frames look like where they arrive: 4 bytes, `expected_at` from the frame's first one. */
__be32 expected;
__u32 expected_at;
__u8 expected_proto;

/* A flow's near port may be translated. Frames arrive in the order of flows: so what the first of
 * each bears can be noted, and borne by those of the other direction. */
__u8 learn;
__u8 learned;
__u16 near_port[FLOWS_MAX];
volatile __u64 arrived;
__u64 injector;			/* who runs `inject` */
__u64 elsewhere;		/* frames that somebody else carried to where they arrived */

/* The wire. */
__u32 wire_uplink, wire_veth;
__u8 wire_macs[2 * ETH_ALEN];

static __always_inline __u16 fold(__u32 value)
{
	value = (value & 0xffff) + (value >> 16);
	return (value & 0xffff) + (value >> 16);
}

/* One flow after the other: near ports count up, then far ones. */
static __always_inline void next_flow(__u32 *near, __u32 *far)
{
	__u32 flow = flow_next++;

	*near = near_first + near_next;
	if (learned && flow < FLOWS_MAX)
		*near = near_port[flow];
	*far = far_first + far_next;
	if (++near_next < near_count)
		return;
	near_next = 0;
	if (++far_next < far_count)
		return;
	far_next = flow_next = 0;
	passes++;
}

static __always_inline void write_ports(__u8 *l4, __u32 near, __u32 far)
{
	__be16 ports[2] = { bpf_htons(from_near ? near : far), bpf_htons(from_near ? far : near) };
	__be16 window = 0;
	__u16 check;

	*(__be16 *)l4 = ports[0];
	*(__be16 *)(l4 + 2) = ports[1];
	/* As in life no two acknowledgements of a flow in a row are the same: conntrack would take
	 * them for retransmissions. */
	if (is_tcp) {
		window = bpf_htons(500 + (passes & 1));
		*(__be16 *)(l4 + TCP_WINDOW) = window;
	}
	check = ~fold(sum + ports[0] + ports[1] + window);
	if (is_tcp)
		*(__u16 *)(l4 + TCP_CHECK) = check;
	else
		*(__u16 *)(l4 + UDP_CHECK) = check ?: 0xffff;
}

static __always_inline int write_frame(struct xdp_md *ctx, __u32 words, __u32 l4_at)
{
	__u64 *frame = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 near, far;

	if (frame + words > end)
		return XDP_ABORTED;
	if (!injector)
		injector = bpf_get_current_pid_tgid();
#pragma unroll
	for (__u32 i = 0; i < words; i++)
		frame[i] = head[i];
	next_flow(&near, &far);
	write_ports((__u8 *)frame + l4_at, near, far);
	return XDP_PASS;
}

static __always_inline void cut_slices(void)
{
	if (slice_left--)
		return;
	slice_left = slice_frames - 1;
	began[slices++ % SLICES_MAX] = bpf_ktime_get_ns();
}

SEC("xdp")
int inject(struct xdp_md *ctx)
{
	cut_slices();
	return is_v6 ? write_frame(ctx, HEAD6, L4_AT6) : write_frame(ctx, HEAD4, L4_AT4);
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

static __always_inline void learn_port(struct __sk_buff *skb, __u32 flow)
{
	__be16 port;

	if (flow < FLOWS_MAX &&
	    !bpf_skb_load_bytes(skb, is_v6 ? L4_AT6 : L4_AT4, &port, sizeof(port)))
		near_port[flow] = bpf_ntohs(port);
}

SEC("tc")
int count_frame(struct __sk_buff *skb)
{
	__u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u8 *found = data + (expected_at & 63);

	if (data + L4_AT4 > end || found + sizeof(expected) > end ||
	    data[is_v6 ? PROTO_AT6 : PROTO_AT4] != expected_proto || *(__be32 *)found != expected)
		return TC_ACT_UNSPEC;
	if (bpf_get_current_pid_tgid() != injector)
		elsewhere++;
	if (learn)
		learn_port(skb, arrived);
	arrived += skb->gso_segs ?: 1;
	return TC_ACT_SHOT;
}

SEC("socket")
int count_datagram(struct __sk_buff *skb)
{
	(void)skb;
	arrived++;
	return 0;
}

SEC("tc")
int wire_out(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;

	if (skb->protocol == bpf_htons(ETH_P_ARP) ||
	    data + sizeof(wire_macs) > (void *)(long)skb->data_end)
		return TC_ACT_UNSPEC;
	__builtin_memcpy(data, wire_macs, sizeof(wire_macs));
	return bpf_redirect(wire_uplink, 0);
}

SEC("tc")
int wire_in(struct __sk_buff *skb)
{
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return TC_ACT_UNSPEC;
	return bpf_redirect_peer(wire_veth, 0);
}

/* Programs that only return, under the names of ours: so they take their places. */
SEC("tc")
int ctnat_from_uplink(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int ctnat_to_uplink(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
