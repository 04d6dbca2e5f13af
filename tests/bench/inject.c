// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: BPF_PROG_TEST_RUN with live frames hands the kernel batches of frames as if a driver had
 * received them, in softirq context. A veth passes them on through the CPU's backlog, which is
 * emptied before the next batch: so all that happens to a frame happens on this CPU before the call
 * returns, and the kernel's clock around the batches sees it whole. That clock stops while the
 * kernel lets others run; so frames that others have carried meanwhile (ksoftirqd) are counted, and
 * with more than a few of them the run says nothing.
 *
 * A call takes 24 ms for itself, however few its frames. So all slices of a turn are of one call,
 * and who makes the frames notes when each began, by a clock that does not stop; behind the last one
 * comes a tail, which ends it.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "inject.h"
#include "kern/netns.h"
#include "kern/tcattach.h"
#include "lib/frame.h"
#include "tests/bench/inject.skel.h"
#include "turns.h"

#define PATIENCE_NS 500e6	/* after which what has not arrived never will */

#define ELSEWHERE_MAX 100	/* of as many frames one */

static struct inject_bpf *skel;

/* The stream in hand; its headers lie in skel->bss. */
static struct frame frame;
static int ifindex;		/* where it is received */

int inject_load(struct err *err)
{
	skel = inject_bpf__open_and_load();
	return skel ? 0 : err_set(err, -errno, "load the programs of the benchmark");
}

/* ---- programs on devices --------------------------------------------------------------------- */

static int attach_sink(void *data, struct err *err)
{
	const struct cable *cable = data;

	return tc_attach(cable->far_ifindex, TC_FROM_UPLINK, TC_TCX,
			 bpf_program__fd(skel->progs.count_frame), err);
}

int sink_attach(const struct cable *cable, struct err *err)
{
	_cleanup_close_ int self = netns_open_self(err);

	return self < 0 ? self :
	       netns_run(cable->far_netns, self, attach_sink, (void *)cable, err);
}

int wire_attach(const struct site *site, struct err *err)
{
	int ret;

	skel->bss->wire_uplink = site->uplink.ifindex;
	skel->bss->wire_veth = site->veth.ifindex;
	memcpy(skel->bss->wire_macs, site->uplink.far_mac, MAC_LEN);
	memcpy(skel->bss->wire_macs + MAC_LEN, site->uplink.mac, MAC_LEN);
	ret = tc_attach(site->veth.ifindex, TC_FROM_POD, TC_CLSACT,
			bpf_program__fd(skel->progs.wire_out), err);
	return ret ? ret :
	       tc_attach(site->uplink.ifindex, TC_FROM_UPLINK, TC_TCX,
			 bpf_program__fd(skel->progs.wire_in), err);
}

int idle_attach(const struct cable *uplink, struct err *err)
{
	int ret = tc_attach(uplink->ifindex, TC_FROM_UPLINK, TC_TCX,
			    bpf_program__fd(skel->progs.ctnat_from_uplink), err);

	return ret ? ret :
	       tc_attach(uplink->ifindex, TC_TO_UPLINK, TC_TCX,
			 bpf_program__fd(skel->progs.ctnat_to_uplink), err);
}

int sink_socket(int fd, struct err *err)
{
	int prog = bpf_program__fd(skel->progs.count_datagram);

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog)) < 0)
		return err_set(err, -errno, "attach a counter to a socket");
	return 0;
}

int inject_arm(const struct cable *cable, struct err *err)
{
	int ret = bpf_xdp_attach(cable->ifindex, bpf_program__fd(skel->progs.pass),
				 XDP_FLAGS_DRV_MODE, NULL);

	return ret ? err_set(err, ret, "give device %d an XDP program", cable->ifindex) : 0;
}

int inject_disarm(const struct cable *cable, struct err *err)
{
	int ret = bpf_xdp_detach(cable->ifindex, XDP_FLAGS_DRV_MODE, NULL);

	return ret ? err_set(err, ret, "take device %d its XDP program", cable->ifindex) : 0;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static bool is_v6(const struct stream *stream)
{
	return strchr(stream->src, ':') != NULL;
}

static struct frame frame_of(const struct stream *stream)
{
	/* An acknowledgement as Linux sends it, with time stamps. */
	struct {
		struct tcphdr tcp;
		__u8 options[12];
	} tcp = {
		.tcp = { .doff = 8, .seq = htonl(stream->seq), .ack_seq = htonl(stream->ack) },
		.options = { 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1 },
	};
	struct {
		struct udphdr udp;
		__u8 payload[UDP_PAYLOAD];
	} udp = { .udp = { .len = htons(sizeof(udp)) } };
	struct frame f;

	((__u8 *)&tcp)[13] = stream->flags;
	f = stream->tcp ? frame_ip(stream->src, stream->dst, IPPROTO_TCP, &tcp, sizeof(tcp)) :
			  frame_ip(stream->src, stream->dst, IPPROTO_UDP, &udp, sizeof(udp));
	if (stream->ttl)
		f = frame_ttl(f, stream->ttl);
	memcpy(f.data, stream->at->mac, MAC_LEN);
	memcpy(f.data + MAC_LEN, stream->at->far_mac, MAC_LEN);
	return f;
}

unsigned int stream_frame_len(const struct stream *stream)
{
	return frame_of(stream).len;
}

/* Of 16-bit words as they lie in memory; `len` is even. */
static __u32 add_words(__u32 sum, const __u8 *bytes, size_t len)
{
	for (size_t i = 0; i < len; i += 2) {
		__u16 word;

		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	return sum;
}

/* Of the pseudo header and the segment, in which ports, window and checksum are still zero. */
static __u32 sum_of(const struct frame *f, bool v6, bool tcp)
{
	size_t addrs = ETH_LEN + (v6 ? 8 : 12), segment = ETH_LEN + (v6 ? IP6_LEN : IP4_LEN);
	__u32 sum = htons(tcp ? IPPROTO_TCP : IPPROTO_UDP) + htons(f->len - segment);

	return add_words(sum, f->data + addrs, f->len - addrs);
}

void expect(const struct stream *stream)
{
	const char *text = stream->arrives_from ?: stream->arrives_at;
	size_t len, end = stream->arrives_from ? 12 + 4 : 16 + 4;
	struct addr addr;
	const __u8 *bytes;

	if (strchr(text, ':'))
		end = stream->arrives_from ? 8 + 16 : 24 + 16;
	addr_parse(text, &addr);
	bytes = addr_bytes(&addr, &len);
	memcpy(&skel->bss->expected, bytes + len - 4, 4);
	skel->bss->expected_at = ETH_LEN + end - 4;
	skel->bss->expected_proto = stream->tcp ? IPPROTO_TCP : IPPROTO_UDP;
	skel->bss->is_v6 = is_v6(stream);
	skel->bss->arrived = skel->bss->elsewhere = 0;
}

static unsigned int flows_of(const struct stream *stream)
{
	return stream->near.count * stream->far.count;
}

static void prepare(const struct stream *stream)
{
	struct inject_bpf__bss *bss = skel->bss;

	frame = frame_of(stream);
	memcpy(bss->head, frame.data, sizeof(bss->head));
	bss->is_tcp = stream->tcp;
	bss->sum = sum_of(&frame, is_v6(stream), stream->tcp);
	bss->from_near = stream->near_is_source;
	bss->near_first = stream->near.first;
	bss->near_count = stream->near.count;
	bss->far_first = stream->far.first;
	bss->far_count = stream->far.count;
	bss->near_next = bss->far_next = bss->flow_next = 0;
	bss->slice_frames = bss->slice_left = ~0u;
	bss->learn = stream->learn != NULL;
	bss->learned = stream->learned != NULL;
	if (stream->learned)
		memcpy(bss->near_port, stream->learned,
		       flows_of(stream) * sizeof(bss->near_port[0]));
	expect(stream);
	ifindex = stream->at->ifindex;
}

/* ---- running --------------------------------------------------------------------------------- */

static int run(unsigned int frames, struct err *err)
{
	struct xdp_md ctx = { .data_end = frame.len, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.data, .data_size_in = frame.len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = frames,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.inject), &opts))
		return err_set(err, -errno, "inject frames into device %d", ifindex);
	return 0;
}

int expect_all(unsigned int frames, struct err *err)
{
	double start = now_ns();

	while (skel->bss->arrived < frames && now_ns() - start < PATIENCE_NS)
		;
	if (skel->bss->arrived != frames)
		return err_set(err, -EPROTO, "of %u frames %llu arrived", frames,
			       (unsigned long long)skel->bss->arrived);
	return 0;
}

/* Returns how many of the frames, which all have arrived, others have carried. */
static int run_and_count(unsigned int frames, struct err *err)
{
	int ret;

	skel->bss->arrived = skel->bss->elsewhere = 0;
	ret = run(frames, err);
	if (!ret)
		ret = expect_all(frames, err);
	return ret ? ret : (int)skel->bss->elsewhere;
}

int inject(const struct stream *stream, unsigned int frames, struct err *err)
{
	int ret;

	prepare(stream);
	ret = run_and_count(frames, err);
	if (ret < 0)
		return ret;
	if (stream->learn)
		memcpy(stream->learn, skel->bss->near_port,
		       flows_of(stream) * sizeof(skel->bss->near_port[0]));
	return 0;
}

int inject_slices(const struct stream *stream, unsigned int frames, double ns[SLICES],
		  struct err *err)
{
	struct inject_bpf__bss *bss = skel->bss;
	int ret;

	_Static_assert(SLICES < sizeof(bss->began) / sizeof(bss->began[0]), "one more: the tail");
	prepare(stream);
	bss->slice_frames = frames / SLICES;
	bss->slice_left = bss->slices = 0;
	ret = run_and_count(frames + TAIL, err);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < SLICES; i++)
		ns[i] = (double)(bss->began[i + 1] - bss->began[i]) / bss->slice_frames;
	return ret > (int)frames / ELSEWHERE_MAX;
}

int inject_anything(const struct stream *stream, unsigned int frames, struct err *err)
{
	prepare(stream);
	return run(frames, err);
}
