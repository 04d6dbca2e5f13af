// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: flows are opened by the same frames that measure them, through the whole stack. A peer
 * that keeps answers of its own (ctnat, for a second) must have lost those of the flows before, so
 * some time passes first. UDP becomes assured when it is still answered two seconds after its first
 * packet.
 */
#include <errno.h>
#include <unistd.h>

#include "flows.h"
#include "kern/ctnl.h"
#include "lib/ctfill.h"

#define NEAR_FIRST 10000
#define FAR_FIRST  9000

#define FORGET_US 1200000	/* no answer is older */
#define ASSURE_US 2200000

#define ATTEMPTS 3

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

static int pass_out(struct site *site, const struct flows *flows, unsigned char flags,
		    struct err *err)
{
	struct stream out = flows_out(site, flows);
	double ns;

	if (flags & TCP_SYN) {
		out.seq--;
		out.ack = 0;
		out.learn = site->seen_ports;
	}
	out.flags = flags;
	return inject(&out, flows->n, &ns, err);
}

static int pass_in(const struct site *site, const struct flows *flows, unsigned char flags,
		   struct err *err)
{
	struct stream in = flows_in(site, flows);
	double ns;

	if (flags & TCP_SYN)
		in.seq--;
	in.flags = flags;
	return inject(&in, flows->n, &ns, err);
}

static int shake_hands(struct site *site, const struct flows *flows, struct err *err)
{
	int ret = node_enter(&site->node, err);

	if (!ret)
		ret = ctfill_flush(err);
	if (!ret)
		ret = pass_out(site, flows, TCP_SYN, err);
	if (!ret)
		ret = pass_in(site, flows, TCP_SYN | TCP_ACK, err);
	return ret ? ret : pass_out(site, flows, TCP_ACK, err);
}

/* Nothing is measured yet, so what a machine loses that others use, too, is opened again. */
static int open_site(struct site *site, const struct flows *flows, struct err *err)
{
	int ret = -EPROTO;

	for (int i = 0; ret == -EPROTO && i < ATTEMPTS; i++)
		ret = shake_hands(site, flows, err);
	return ret;
}

/* What was just established, seen by both sides. */
static int settle_site(struct site *site, const struct flows *flows, struct err *err)
{
	unsigned int entries, max;
	_cleanup_nl_ struct nl nl = { 0 };
	int ret = node_enter(&site->node, err);

	if (!ret)
		ret = pass_out(site, flows, TCP_ACK, err);
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

int flows_open(struct site *const *sites, size_t n, const struct flows *flows, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n; i++) {
		ret = node_enter(&sites[i]->node, err);
		if (!ret)
			ret = ctfill_flush(err);
	}
	usleep(FORGET_US);
	for (size_t i = 0; !ret && i < n; i++)
		ret = open_site(sites[i], flows, err) ? err_wrap(err, "%s", sites[i]->label) : 0;
	if (!flows->tcp)
		usleep(ASSURE_US);
	for (size_t i = 0; !ret && i < n; i++)
		ret = settle_site(sites[i], flows, err) ? err_wrap(err, "%s", sites[i]->label) : 0;
	return ret ? err_wrap(err, "establish %u %s flows, IPv%d", flows->n,
			      flows->tcp ? "TCP" : "UDP", flows->v6 ? 6 : 4) : 0;
}
