// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: for each pod CIDR of each other node, in order:
 *
 *	does the prefix stand?	   claims.c: no overlap with an earlier node's, no node's address
 *	direct, or by VXLAN?	   what the overlay's mode, both nodes and the FIB say
 *	direct: a route		   pod CIDR via the node's InternalIP of that family
 *	VXLAN: a route		   pod CIDR via a next hop on the device
 *	       a neighbour	   that next hop is at the MAC of the node
 *	       a forwarding entry  that MAC is at the node's InternalIP
 *
 * Where two want the same prefix, or have the same MAC, the first one by name has it, and this node
 * before all: so what stands does not change by what comes later, and no two take turns.
 *
 * The next hop of IPv4 is the network address of the pod CIDR itself. IPv6 refuses that while there
 * is a direct route to the prefix ("device mismatch"), so one could not be replaced by the other;
 * its next hop is a link-local address made of the MAC, which need not exist anywhere.
 *
 * All tunnels of a device have one family: that of this node's first InternalIP. What is inside may
 * be of the other.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/claims.h"
#include "agent/tunnels.h"
#include "agent/wanted.h"
#include "base/cleanup.h"

#define METRIC6	     1024 /* the kernel's default, which it fills in */
#define IPV6_MTU_MIN 1280

struct plan {
	const struct wanted_input *in;
	struct wanted *out;
	struct err *err;
	struct claim *claims;
	size_t n_claims;
	size_t *order; /* claims by prefix */
	struct bearer *bearers;
	size_t n_bearers;
	struct tunnel *tunnels; /* one for each peer */
	size_t *by_mac;		/* peers */
	size_t underlay;	/* index of the family in peer.addr: 0 IPv4, 1 IPv6 */
};

void refuse(struct refusals *refusals, const char *fmt, ...)
{
	va_list args;

	if (refusals->n++)
		return;
	va_start(args, fmt);
	vsnprintf(refusals->first, sizeof(refusals->first), fmt, args);
	va_end(args);
}

static const char *name_of(const struct plan *plan, size_t owner)
{
	return owner == PEER_SELF ? plan->in->self->name : plan->in->peers[owner].name;
}

static size_t family_index(const struct addr *addr)
{
	return addr_is_v4(addr) ? 0 : 1;
}

/* ---- who has what ---------------------------------------------------------------------------- */

static void claim(struct plan *plan, const struct peer *peer, size_t owner)
{
	for (size_t i = 0; i < 2; i++)
		if (!addr_is_zero(&peer->addr[i]))
			plan->bearers[plan->n_bearers++] = (struct bearer){ peer->addr[i], owner };
	for (size_t i = 0; i < peer->n_pod_cidrs; i++)
		plan->claims[plan->n_claims++] = (struct claim){
			.cidr = peer->pod_cidrs[i],
			.owner = owner,
			.given = owner == PEER_SELF,
		};
}

static bool is_self(const struct plan *plan, size_t peer)
{
	return !strcmp(plan->in->peers[peer].name, plan->in->self->name);
}

static int settle_claims(struct plan *plan)
{
	const struct wanted_input *in = plan->in;

	claim(plan, in->self, PEER_SELF);
	for (size_t i = 0; i < in->n_addrs; i++)
		plan->bearers[plan->n_bearers++] = (struct bearer){ in->addrs[i], PEER_SELF };
	for (size_t i = 0; i < in->n; i++)
		if (!is_self(plan, i))
			claim(plan, &in->peers[i], i);
	return claims_settle(plan->claims, plan->n_claims, plan->bearers, plan->n_bearers,
			     plan->order);
}

/* ---- the way to a peer ----------------------------------------------------------------------- */

static int ask(struct plan *plan, const struct addr *addr, struct reach *out)
{
	return plan->in->reach(addr, out, plan->in->data, plan->err);
}

static struct route *add_route(struct plan *plan, const struct cidr *cidr)
{
	struct route *route = &plan->out->routes[plan->out->n_routes++];

	*route = (struct route){
		.dst = *cidr,
		.protocol = RTPROT_CTNAT_NODES,
		.table = RT_TABLE_MAIN,
		.type = RTN_UNICAST,
		.scope = RT_SCOPE_UNIVERSE,
		.metric = addr_is_v4(&cidr->addr) ? 0 : METRIC6,
	};
	return route;
}

static void add_direct(struct plan *plan, const struct cidr *cidr, const struct addr *gateway,
		       int oif)
{
	struct route *route = add_route(plan, cidr);

	route->gateway = *gateway;
	route->oif = oif;
}

static void add_neigh(struct plan *plan, const struct addr *addr, const struct tunnel *tunnel)
{
	struct neigh *neigh = &plan->out->neighs[plan->out->n_neighs++];

	neigh->addr = *addr;
	memcpy(neigh->mac, tunnel->mac, MAC_LEN);
	neigh->state = NUD_PERMANENT;
}

static void add_tunnelled(struct plan *plan, const struct cidr *cidr, struct tunnel *tunnel)
{
	struct route *route = add_route(plan, cidr);

	if (addr_is_v4(&cidr->addr)) {
		route->gateway = cidr_first(cidr);
		route->onlink = true;
		add_neigh(plan, &route->gateway, tunnel);
	} else {
		route->gateway = tunnel_linklocal(tunnel->mac);
		tunnel->used_v6 = true;
	}
	route->prefsrc = plan->out->device.own[family_index(&cidr->addr)];
	tunnel->used = true;
	plan->out->overlay = true;
}

static void note_mtu(struct plan *plan, const struct reach *reach)
{
	__u32 overhead = overlay_overhead(&plan->out->device.local), *mtu = &plan->out->device.mtu;

	if (reach->mtu > overhead && (!*mtu || reach->mtu - overhead < *mtu))
		*mtu = reach->mtu - overhead;
}

static void refuse_address(struct plan *plan, const struct peer *peer, const struct addr *addr)
{
	char text[ADDR_STRLEN];

	refuse(&plan->out->refusals, "node '%s': its address %s is one of this node's", peer->name,
	       addr_format(addr, text));
}

static int by_tunnel(struct plan *plan, const struct claim *claim)
{
	static const char *const families[] = { "IPv4", "IPv6" };
	const struct peer *peer = &plan->in->peers[claim->owner];
	struct tunnel *tunnel = &plan->tunnels[claim->owner];
	const struct addr *addr = &peer->addr[plan->underlay];
	struct refusals *refusals = &plan->out->refusals;
	struct reach reach;
	int ret;

	if (addr_is_zero(&plan->out->device.local)) {
		refuse(refusals, "no overlay to node '%s': this node has no InternalIP",
		       peer->name);
		return 0;
	}
	if (addr_is_zero(addr)) {
		refuse(refusals,
		       "no overlay to node '%s': it has no InternalIP of %s, which this node's "
		       "overlay runs over",
		       peer->name, families[plan->underlay]);
		return 0;
	}
	if (tunnel->rival != PEER_NONE) {
		refuse(refusals,
		       "no overlay to node '%s': its name gives the same MAC as that of node '%s'; "
		       "rename one",
		       peer->name, name_of(plan, tunnel->rival));
		return 0;
	}
	ret = ask(plan, addr, &reach);
	if (ret < 0)
		return ret;
	if (reach.way == WAY_LOCAL) {
		refuse_address(plan, peer, addr);
		return 0;
	}
	note_mtu(plan, &reach);
	add_tunnelled(plan, &claim->cidr, tunnel);
	return 0;
}

static int add(struct plan *plan, const struct claim *claim)
{
	const struct peer *peer = &plan->in->peers[claim->owner];
	const struct addr *addr = &peer->addr[family_index(&claim->cidr.addr)];
	char text[ADDR_STRLEN];
	struct reach reach;
	int ret;

	if (plan->in->overlay == OVERLAY_ALWAYS || plan->in->self->cloud || peer->cloud ||
	    addr_is_zero(addr))
		return by_tunnel(plan, claim);
	ret = ask(plan, addr, &reach);
	if (ret < 0)
		return ret;
	switch (reach.way) {
	case WAY_ON_LINK:
		add_direct(plan, &claim->cidr, addr, reach.oif);
		return 0;
	case WAY_ROUTED:
		return by_tunnel(plan, claim);
	case WAY_LOCAL:
		refuse_address(plan, peer, addr);
		return 0;
	case WAY_NONE:	/* nor will there be one, if this node does not speak that family */
		if (addr_is_zero(&plan->in->self->addr[family_index(addr)]))
			return by_tunnel(plan, claim);
		break;
	}
	refuse(&plan->out->refusals, "node '%s': there is no route to its address %s", peer->name,
	       addr_format(addr, text));
	return 0;
}

static void refuse_claim(struct plan *plan, const struct claim *claim)
{
	char own[ADDR_STRLEN], other[ADDR_STRLEN];
	const struct claim *rival;
	const struct bearer *bearer;

	cidr_format(&claim->cidr, own);
	if (claim->verdict == CLAIM_HOLDS) {
		bearer = &plan->bearers[claim->rival];
		refuse(&plan->out->refusals,
		       "node '%s': its pod CIDR %s holds the address %s of node '%s'",
		       name_of(plan, claim->owner), own, addr_format(&bearer->addr, other),
		       name_of(plan, bearer->owner));
	} else {
		rival = &plan->claims[claim->rival];
		refuse(&plan->out->refusals,
		       "node '%s': its pod CIDR %s overlaps %s of node '%s', which has it",
		       name_of(plan, claim->owner), own, cidr_format(&rival->cidr, other),
		       name_of(plan, rival->owner));
	}
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void begin_device(struct plan *plan)
{
	const struct peer *self = plan->in->self;
	struct overlay_device *device = &plan->out->device;

	plan->underlay = addr_is_zero(&self->addr[0]) ? 1 : 0;
	device->local = self->addr[plan->underlay];
	tunnel_mac(self->name, device->mac);
	for (size_t i = self->n_pod_cidrs; i-- > 0;)
		device->own[family_index(&self->pod_cidrs[i].addr)] =
			cidr_first(&self->pod_cidrs[i]);
	plan->out->overlay = plan->in->overlay == OVERLAY_ALWAYS && !addr_is_zero(&device->local);
}

/* What there is one of for each node: after all of IPv4, and in the order of MACs. */
static void add_ends(struct plan *plan)
{
	struct overlay_device *device = &plan->out->device;

	device->v6 = !addr_is_zero(&device->own[1]);
	for (size_t i = 0; i < plan->in->n; i++) {
		size_t at = plan->by_mac[i];
		const struct tunnel *tunnel = &plan->tunnels[at];
		struct addr linklocal = tunnel_linklocal(tunnel->mac);
		struct neigh *entry;

		if (!tunnel->used)
			continue;
		if (tunnel->used_v6) {
			add_neigh(plan, &linklocal, tunnel);
			device->v6 = true;
		}
		entry = &plan->out->entries[plan->out->n_entries++];
		entry->addr = plan->in->peers[at].addr[plan->underlay];
		memcpy(entry->mac, tunnel->mac, MAC_LEN);
		entry->state = NUD_PERMANENT;
	}
	/* With less, a device has no IPv6 at all; then rather fragments outside. */
	if (device->v6 && device->mtu && device->mtu < IPV6_MTU_MIN)
		device->mtu = IPV6_MTU_MIN;
}

static int carry_out(struct plan *plan)
{
	int ret = settle_claims(plan);

	if (ret < 0)
		return err_set(plan->err, ret, "settle the nodes' pod CIDRs");
	begin_device(plan);
	tunnels_settle(plan->in->self, plan->in->peers, plan->in->n, plan->tunnels, plan->by_mac);
	for (size_t i = 0; i < plan->n_claims && !ret; i++) {
		const struct claim *claim = &plan->claims[plan->order[i]];

		if (claim->owner == PEER_SELF)
			continue;
		if (claim->verdict == CLAIM_STANDS)
			ret = add(plan, claim);
		else
			refuse_claim(plan, claim);
	}
	add_ends(plan);
	return ret;
}

/* As many as there can be: a route and a neighbour for each pod CIDR, an entry for each peer. */
static int reserve(struct wanted *out, size_t n_claims, size_t n_peers)
{
	out->routes = calloc(n_claims + 1, sizeof(*out->routes));
	out->neighs = calloc(n_claims + 1, sizeof(*out->neighs));
	out->entries = calloc(n_peers + 1, sizeof(*out->entries));
	return out->routes && out->neighs && out->entries ? 0 : -ENOMEM;
}

int wanted_make(const struct wanted_input *in, struct wanted *out, struct err *err)
{
	size_t n_claims = in->self->n_pod_cidrs, n_bearers = 2 * (in->n + 1) + in->n_addrs;
	_cleanup_free_ struct tunnel *tunnels = calloc(in->n + 1, sizeof(*tunnels));
	_cleanup_free_ size_t *macs = calloc(in->n + 1, sizeof(*macs));
	_cleanup_free_ struct bearer *bearers = calloc(n_bearers, sizeof(*bearers));
	_cleanup_free_ struct claim *claims = NULL;
	_cleanup_free_ size_t *order = NULL;
	struct wanted made = { .overlay = false };
	struct plan plan = { .in = in,
			     .out = &made,
			     .err = err,
			     .tunnels = tunnels,
			     .by_mac = macs,
			     .bearers = bearers };
	int ret = 0;

	if (in->overlay != OVERLAY_NONE) {
		for (size_t i = 0; i < in->n; i++)
			n_claims += in->peers[i].n_pod_cidrs;
		plan.claims = claims = calloc(n_claims + 1, sizeof(*claims));
		plan.order = order = calloc(n_claims + 1, sizeof(*order));
		if (!tunnels || !macs || !bearers || !claims || !order ||
		    reserve(&made, n_claims, in->n) < 0)
			ret = err_set(err, -ENOMEM, "plan the routes to %zu nodes", in->n);
		else
			ret = carry_out(&plan);
	}
	if (ret < 0) {
		wanted_free(&made);
		return ret;
	}
	*out = made;
	return 0;
}

void wanted_free(struct wanted *wanted)
{
	free(wanted->routes);
	free(wanted->neighs);
	free(wanted->entries);
	memset(wanted, 0, sizeof(*wanted));
}
