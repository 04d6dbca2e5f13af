// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: flows are opened by the same frames that measure them, through the whole stack. A peer
 * that keeps answers of its own (ctnat, for a second) must have lost those of the flows before, so
 * some time passes first. UDP becomes assured when it is still answered two seconds after its first
 * packet.
 *
 * Who comes first has conntrack's entries where those of others were, all over the memory; who
 * comes last has them in a row, and seems to be faster for it: of two equals the later one was by
 * some 8 %. So the sites make theirs in turns, some thousand at a time.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "flows.h"
#include "kern/ctnl.h"
#include "lib/ctfill.h"

#define FAR_FIRST  9000

#define FORGET_US 1200000	/* no answer is older */
#define ASSURE_US 2200000

#define PART 10000		/* flows that a site begins at a time */
#define RESENT_MAX 3

/* Of both ends' first bytes. */
#define POD_SEQ	   1000
#define SERVER_SEQ 2000

static struct stream stream_of(const struct flows *flows)
{
	unsigned int near = flows->n < FLOWS_NEAR ? flows->n : FLOWS_NEAR;

	return (struct stream){
		.near = { NEAR_FIRST, near },
		.far = { FAR_FIRST, flows->n / near },
		.tcp = flows->tcp,
		.flags = TCP_ACK,
	};
}

struct stream flows_out(const struct site *site, const struct flows *flows)
{
	struct stream stream = stream_of(flows);
	const char *pod = flows->v6 ? POD6 : POD4, *node = flows->v6 ? NODE6 : NODE4;

	stream.at = &site->veth;
	stream.src = pod;
	stream.dst = flows->v6 ? SERVER6 : SERVER4;
	stream.near_is_source = true;
	stream.seq = POD_SEQ + 1;
	stream.ack = SERVER_SEQ + 1;
	stream.arrives_from = site->translates ? node : pod;
	return stream;
}

struct stream flows_in(const struct site *site, const struct flows *flows)
{
	struct stream stream = stream_of(flows);
	const char *pod = flows->v6 ? POD6 : POD4, *node = flows->v6 ? NODE6 : NODE4;

	stream.at = &site->uplink;
	stream.src = flows->v6 ? SERVER6 : SERVER4;
	stream.dst = site->translates ? node : pod;
	stream.seq = SERVER_SEQ + 1;
	stream.ack = POD_SEQ + 1;
	stream.learned = site->seen_ports;
	stream.arrives_at = pod;
	return stream;
}

/*
 * The first packets of the part of the flows that begins with flow number `at`. Where the kernel
 * chooses ports, and three of four are taken (50,000 flows to one port of the server), it now and
 * then gives up after its 240 attempts, and drops one; a pod would send it again.
 */
static int begin_part(struct site *site, const struct flows *flows, unsigned int at,
		      struct err *err)
{
	struct stream out = flows_out(site, flows);
	unsigned int n = flows->n < PART ? flows->n : PART;
	int ret = node_enter(&site->node, err);

	out.near = (struct ports){ out.near.first + at % FLOWS_NEAR, n };
	out.far = (struct ports){ out.far.first + at / FLOWS_NEAR, 1 };
	out.flags = TCP_SYN;
	out.seq--;
	out.ack = 0;
	out.learn = site->seen_ports + at;
	if (ret)
		return ret;
	ret = inject(&out, n, err);
	for (int i = 0; i < RESENT_MAX && ret == -EPROTO; i++) {
		fprintf(stderr, "%s: %s; sent again\n", site->label, err->msg);
		ret = inject(&out, n, err);
	}
	return ret;
}

static int pass_out(const struct site *site, const struct flows *flows, struct err *err)
{
	const struct stream out = flows_out(site, flows);

	return inject(&out, flows->n, err);
}

static int pass_in(const struct site *site, const struct flows *flows, unsigned char flags,
		   struct err *err)
{
	struct stream in = flows_in(site, flows);

	if (flags & TCP_SYN)
		in.seq--;
	in.flags = flags;
	return inject(&in, flows->n, err);
}

static int prepare(const struct site *site, const struct flows *flows, struct err *err)
{
	int ret = site_meet_neighbours(site, err);

	(void)flows;
	return ret ? ret : ctfill_flush(err);
}

static int answer(const struct site *site, const struct flows *flows, struct err *err)
{
	int ret = node_enter(&site->node, err);

	if (!ret)
		ret = pass_in(site, flows, TCP_SYN | TCP_ACK, err);
	return ret ? ret : pass_out(site, flows, err);
}

/* What was just established, seen by both sides. */
static int settle(const struct site *site, const struct flows *flows, struct err *err)
{
	unsigned int entries, max;
	_cleanup_nl_ struct nl nl = { 0 };
	int ret = node_enter(&site->node, err);

	if (!ret)
		ret = pass_out(site, flows, err);
	if (!ret)
		ret = pass_in(site, flows, TCP_ACK, err);
	if (ret || !site->translates)
		return ret;
	ret = nl_open(&nl, NETLINK_NETFILTER, err);
	if (!ret)
		ret = ctnl_count(&nl, &entries, &max, err);
	if (!ret && entries < flows->n)
		return err_set(err, -EPROTO, "conntrack knows %u of %u flows", entries, flows->n);
	return ret;
}

static int for_each_site(struct site *const *sites, size_t n, const struct flows *flows,
			 int (*fn)(const struct site *site, const struct flows *flows,
				   struct err *err),
			 struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (fn(sites[i], flows, err))
			return err_wrap(err, "%s", sites[i]->label);
	}
	return 0;
}

static int begin(struct site *const *sites, size_t n, const struct flows *flows, struct err *err)
{
	for (unsigned int at = 0; at < flows->n; at += PART) {
		for (size_t i = 0; i < n; i++) {
			if (begin_part(sites[i], flows, at, err))
				return err_wrap(err, "%s", sites[i]->label);
		}
	}
	return 0;
}

int flows_open(struct site *const *sites, size_t n, const struct flows *flows, struct err *err)
{
	int ret = for_each_site(sites, n, flows, prepare, err);

	usleep(FORGET_US);
	if (!ret)
		ret = begin(sites, n, flows, err);
	if (!ret)
		ret = for_each_site(sites, n, flows, answer, err);
	if (!flows->tcp)
		usleep(ASSURE_US);
	if (!ret)
		ret = for_each_site(sites, n, flows, settle, err);
	return ret ? err_wrap(err, "establish %u %s flows, IPv%d", flows->n,
			      flows->tcp ? "TCP" : "UDP", flows->v6 ? 6 : 4) : 0;
}
