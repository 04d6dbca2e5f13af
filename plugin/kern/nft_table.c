// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the table of a node with one uplink, as nft would write it. (A test loads this comment
 * with nft, and compares.)
 *
 *   table inet ctnat {
 *       comment "made by ctnat, which undoes changes"
 *
 *       set pods4 {
 *           type ipv4_addr; flags interval; comment "pods of this node"
 *           elements = { 10.244.1.0/24 }
 *       }
 *       set pods6 {
 *           type ipv6_addr; flags interval; comment "pods of this node"
 *           elements = { fd00:10:244:1::/64 }
 *       }
 *       set leave4 {
 *           type ipv4_addr; flags interval; comment "never translated"
 *           elements = { 10.244.0.0/16, 224.0.0.0/4 }
 *       }
 *       set leave6 {
 *           type ipv6_addr; flags interval; comment "never translated"
 *           elements = { fd00:10:244::/48, ff00::/8 }
 *       }
 *       set service4 {
 *           type ipv4_addr; flags interval; comment "not to leave without DNAT"
 *           elements = { 10.96.0.0/12 }
 *       }
 *       set service6 {
 *           type ipv6_addr; flags interval; comment "not to leave without DNAT"
 *       }
 *
 *       chain translate4 {
 *           oifname "eth0" meta l4proto tcp snat ip to 192.0.2.10:1024-65535 fully-random \
 *               comment "tcp by eth0"
 *           oifname "eth0" meta l4proto udp snat ip to 192.0.2.10:1024-65535 fully-random \
 *               comment "udp by eth0"
 *           oifname "eth0" snat ip to 192.0.2.10 comment "others by eth0"
 *           meta l4proto tcp masquerade to :1024-65535 fully-random comment "tcp elsewhere"
 *           meta l4proto udp masquerade to :1024-65535 fully-random comment "udp elsewhere"
 *           masquerade comment "others elsewhere"
 *       }
 *       chain translate6 {
 *           oifname "eth0" meta l4proto tcp snat ip6 to [2001:db8::10]:1024-65535 fully-random \
 *               comment "tcp by eth0"
 *           oifname "eth0" meta l4proto udp snat ip6 to [2001:db8::10]:1024-65535 fully-random \
 *               comment "udp by eth0"
 *           oifname "eth0" snat ip6 to 2001:db8::10 comment "others by eth0"
 *           meta l4proto tcp masquerade to :1024-65535 fully-random comment "tcp elsewhere"
 *           meta l4proto udp masquerade to :1024-65535 fully-random comment "udp elsewhere"
 *           masquerade comment "others elsewhere"
 *       }
 *       chain postrouting {
 *           type nat hook postrouting priority srcnat + 10; policy accept;
 *           ip saddr @pods4 ip daddr != @pods4 ip daddr != @leave4 counter goto translate4 \
 *               comment "from pods"
 *           ip6 saddr @pods6 ip6 daddr != @pods6 ip6 daddr != @leave6 counter goto translate6 \
 *               comment "from pods"
 *       }
 *       chain unrouted {
 *           type filter hook postrouting priority 300; policy accept;
 *           ip daddr @service4 ct original ip saddr @pods4 counter drop \
 *               comment "service_unrouted"
 *           ip6 daddr @service6 ct original ip6 saddr @pods6 counter drop \
 *               comment "service_unrouted"
 *       }
 *       chain guard {
 *           type filter hook postrouting priority 310; policy accept;
 *           oifname "eth0" ip saddr @pods4 ip daddr != @leave4 counter drop comment "leak"
 *           oifname "eth0" ip6 saddr @pods6 ip6 daddr != @leave6 counter drop comment "leak"
 *       }
 *   }
 *
 * - All NAT chains of a hook run at the priority of srcnat; their own only sorts them. The first
 *   one that translates has decided: so 110 comes after kube-proxy and portmap, which know more.
 * - The kernel sees whether a port is free when it chooses, but takes it only when the packet
 *   leaves. Two pods that send from the same port at the same moment therefore lose a packet if
 *   ports are kept (one in ten, measured with both on their own CPU), and none if they are
 *   `fully-random`. One pod that races with itself (the A/AAAA case) loses nothing either way:
 *   since 5.7 conntrack lets the second entry in, for its answer.
 * - Ports are translated for TCP and UDP alone: without CONFIG_NF_CT_PROTO_SCTP the kernel would
 *   choose an SCTP port, but not write it. The range is always given, or a pod's port below 1024
 *   would be kept.
 * - No masquerade of what goes to a pod of this node, even if it is not in `leave`: pods of a
 *   delegated IPAM.
 * - `unrouted` and `guard` run when NAT is through. What met no DNAT has the node's address as its
 *   source by then, hence `ct original`: who opened the flow. A pod that *answers* somebody in a
 *   service range is not hit, nor is its ICMP error about what it got.
 * - NAT chains see the first packet of a flow alone: the counters before `goto` count flows that
 *   BPF did not insert, and cost nothing.
 * - What conntrack does not follow (INVALID, untracked) passes NAT as it is. It still has the
 *   pod's address: the guard asks for nothing else.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <stdio.h>
#include <string.h>

#include "kern/nft_interval.h"
#include "kern/nft_table.h"

#define PRIORITY_TRANSLATE (NF_IP_PRI_NAT_SRC + 10)
#define PRIORITY_UNROUTED  300
#define PRIORITY_GUARD	   310

/* nft's own numbers for types of keys (its enum datatypes): by them it knows how to print one. */
#define NFT_TYPE_IPADDR	 7
#define NFT_TYPE_IP6ADDR 8

static const struct family {
	__u8 nfproto;
	unsigned int key_type, len;
	unsigned int saddr, daddr;	/* offsets in the network header */
	unsigned int ct_saddr;		/* NFT_CT_* */
	const char *pods, *leave, *service, *translate;
} families[] = {
	{ NFPROTO_IPV4, NFT_TYPE_IPADDR, 4, 12, 16, NFT_CT_SRC_IP,
	  "pods4", "leave4", "service4", "translate4" },
	{ NFPROTO_IPV6, NFT_TYPE_IP6ADDR, 16, 8, 24, NFT_CT_SRC_IP6,
	  "pods6", "leave6", "service6", "translate6" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define for_each_family(f) \
	for (const struct family *f = families; f < families + COUNT(families); f++)

static const struct family *family_of(const struct addr *addr)
{
	return &families[addr_is_v4(addr) ? 0 : 1];
}

/* ---- sets ------------------------------------------------------------------------------------ */

/* With those of the ranges that are of the family. NULL: no memory. */
static struct nftnl_set *make_set(const struct family *f, const char *name,
				  const struct addr_range *ranges, size_t n)
{
	struct nftnl_set *set = nftnl_set_alloc();
	int ret;

	if (!set)
		return NULL;
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, NFT_SET_INTERVAL);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, f->key_type);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, f->len);
	ret = nftnl_set_set_str(set, NFTNL_SET_NAME, name);
	for (size_t i = 0; i < n && ret >= 0; i++)
		if (family_of(&ranges[i].first) == f)
			ret = nft_interval_add(set, &ranges[i]);
	if (ret >= 0)
		return set;
	nftnl_set_free(set);
	return NULL;
}

static void add_sets(struct nft_builder *b, const struct nft_spec *s)
{
	for_each_family(f)
		nft_add_set(b, make_set(f, f->pods, s->pods, s->n_pods), "pods of this node");
	for_each_family(f)
		nft_add_set(b, make_set(f, f->leave, s->leave, s->n_leave), "never translated");
	for_each_family(f)
		nft_add_set(b, make_set(f, f->service, s->services, s->n_services),
			    "not to leave without DNAT");
}

struct nftnl_set *nft_table_pods_set(const struct addr *addr)
{
	const struct family *f = family_of(addr);
	struct nftnl_set *set = make_set(f, f->pods, NULL, 0);

	if (!set || nftnl_set_set_str(set, NFTNL_SET_TABLE, NFT_TABLE) >= 0)
		return set;
	nftnl_set_free(set);
	return NULL;
}

bool nft_table_is_pods_set(const char *name)
{
	for_each_family(f)
		if (!strcmp(name, f->pods))
			return true;
	return false;
}

/* ---- chains ---------------------------------------------------------------------------------- */

/* TCP, UDP, others. Without a device: by whatever it is; without an address: to that of the
 * device. */
static void translate(struct nft_builder *b, const char *device, const struct addr *to,
		      const struct nft_ports *ports)
{
	static const struct {
		const char *name;
		__u8 protocol;
	} kinds[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "others", 0 } };

	for (size_t i = 0; i < COUNT(kinds); i++) {
		const struct nft_ports *translated = kinds[i].protocol ? ports : NULL;
		char comment[NFT_COMMENT_MAX];

		snprintf(comment, sizeof(comment), "%s %s%s", kinds[i].name,
			 device ? "by " : "elsewhere", device ?: "");
		nft_begin_rule(b, comment);
		if (device)
			nft_match_device(b, device);
		if (kinds[i].protocol)
			nft_match_protocol(b, kinds[i].protocol);
		if (to)
			nft_snat(b, to, translated);
		else
			nft_masquerade(b, translated);
	}
}

static void add_translation(struct nft_builder *b, const struct nft_spec *s)
{
	const struct nft_ports ports = { s->port_min, s->port_max };

	for_each_family(f) {
		nft_begin_chain(b, f->translate);
		for (size_t i = 0; i < s->n_uplinks; i++) {
			const struct nft_uplink *uplink = &s->uplinks[i];
			bool v4 = f->nfproto == NFPROTO_IPV4;
			const struct addr *to = v4 ? &uplink->v4 : &uplink->v6;

			if (!addr_is_zero(to))
				translate(b, uplink->name, to, &ports);
		}
		translate(b, NULL, NULL, &ports);
	}

	nft_begin_postrouting(b, NFT_NAT_CHAIN, "nat", PRIORITY_TRANSLATE);
	for_each_family(f) {
		nft_begin_rule(b, NFT_MASQUERADE_RULE);
		nft_match_family(b, f->nfproto);
		nft_match_address(b, f->saddr, f->len, f->pods, 0);
		nft_match_address(b, f->daddr, f->len, f->pods, NFT_LOOKUP_F_INV);
		nft_match_address(b, f->daddr, f->len, f->leave, NFT_LOOKUP_F_INV);
		nft_counter(b);
		nft_goto(b, f->translate);
	}
}

static void add_unrouted(struct nft_builder *b)
{
	nft_begin_postrouting(b, NFT_UNROUTED_CHAIN, "filter", PRIORITY_UNROUTED);
	for_each_family(f) {
		nft_begin_rule(b, NFT_UNROUTED_RULE);
		nft_match_family(b, f->nfproto);
		nft_match_address(b, f->daddr, f->len, f->service, 0);
		nft_match_originator(b, f->ct_saddr, f->pods);
		nft_counter(b);
		nft_drop(b);
	}
}

static void add_guard(struct nft_builder *b, const struct nft_spec *s)
{
	nft_begin_postrouting(b, NFT_GUARD_CHAIN, "filter", PRIORITY_GUARD);
	for (size_t i = 0; i < s->n_uplinks; i++) {
		for_each_family(f) {
			nft_begin_rule(b, NFT_GUARD_RULE);
			nft_match_device(b, s->uplinks[i].name);
			nft_match_family(b, f->nfproto);
			nft_match_address(b, f->saddr, f->len, f->pods, 0);
			nft_match_address(b, f->daddr, f->len, f->leave, NFT_LOOKUP_F_INV);
			nft_counter(b);
			nft_drop(b);
		}
	}
}

int nft_table_build(const struct nft_spec *spec, struct nft_table *out)
{
	struct nft_builder b = { 0 };

	nft_begin_table(&b, NFT_TABLE, "made by ctnat, which undoes changes");
	add_sets(&b, spec);
	add_translation(&b, spec);
	add_unrouted(&b);
	if (spec->guard)
		add_guard(&b, spec);
	return nft_built(&b, out);
}
