// SPDX-License-Identifier: Apache-2.0
/*
 * From nodes to routes, without a kernel. The node "b" plans; what it says is written one line for
 * each object and compared as text. To it, 192.0.2.0/24 and 2001:db8:0:2::/64 are on link (by link
 * 3, with an MTU of 1500), 198.51.100.0/24 and 2001:db8:1::/64 are behind a router (by link 4, 9000),
 * 203.0.113.0/24 is its own, and to the rest there is no way.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/tunnels.h"
#include "agent/wanted.h"

#define PEERS_MAX 8

/* Found by trying 40 million: their names have one hash. */
#define TWIN1 "worker-3459a927"
#define TWIN2 "worker-d6174fa0"

static struct peer peers[PEERS_MAX];
static size_t n_peers;
static struct peer self;
static struct addr own[4];
static size_t n_own;
static struct wanted wanted;
static struct err err;
static size_t questions;
static int answer_fails;

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct cidr prefix(const char *text)
{
	struct cidr c;

	assert_int_equal(cidr_parse(text, &c), 0);
	return c;
}

static bool within(const char *cidr, const struct addr *addr)
{
	struct cidr c = prefix(cidr);

	return cidr_contains(&c, addr);
}

static int reach(const struct addr *addr, struct reach *out, void *data, struct err *e)
{
	(void)data;
	questions++;
	if (answer_fails)
		return err_set(e, answer_fails, "look up a route");
	if (within("192.0.2.0/24", addr) || within("2001:db8:0:2::/64", addr))
		*out = (struct reach){ WAY_ON_LINK, 3, 1500 };
	else if (within("198.51.100.0/24", addr) || within("2001:db8:1::/64", addr))
		*out = (struct reach){ WAY_ROUTED, 4, 9000 };
	else if (within("203.0.113.0/24", addr))
		*out = (struct reach){ WAY_LOCAL, 0, 0 };
	else
		*out = (struct reach){ WAY_NONE, 0, 0 };
	return 0;
}

/* Words: addresses and prefixes, "cloud". */
static void describe(struct peer *peer, const char *name, const char *words)
{
	char copy[256], *rest = copy, *word;

	memset(peer, 0, sizeof(*peer));
	snprintf(peer->name, sizeof(peer->name), "%s", name);
	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&rest, " "))) {
		if (!strcmp(word, "cloud")) {
			peer->cloud = true;
		} else if (strchr(word, '/')) {
			peer->pod_cidrs[peer->n_pod_cidrs++] = prefix(word);
		} else if (*word) {
			struct addr addr = address(word);

			peer->addr[!addr_is_v4(&addr)] = addr;
		}
	}
}

static void node(const char *name, const char *words)
{
	assert_true(n_peers < PEERS_MAX);
	assert_true(!n_peers || strcmp(peers[n_peers - 1].name, name) < 0);
	describe(&peers[n_peers++], name, words);
}

static int set_up(void **state)
{
	(void)state;
	n_peers = n_own = questions = 0;
	answer_fails = 0;
	describe(&self, "b", "192.0.2.10 2001:db8:0:2::10 10.244.1.0/24 fd00:10:244:1::/64");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	wanted_free(&wanted);
	return 0;
}

static int make(enum overlay overlay)
{
	struct wanted_input in = {
		.self = &self, .peers = peers, .n = n_peers, .overlay = overlay,
		.addrs = own, .n_addrs = n_own, .reach = reach,
	};

	wanted_free(&wanted);
	return wanted_make(&in, &wanted, &err);
}

static const char *mac_text(const __u8 mac[MAC_LEN])
{
	static char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return text;
}

/* What a node's MAC is shown as: the node's name. */
static const char *whose(const __u8 mac[MAC_LEN])
{
	__u8 other[MAC_LEN];

	for (size_t i = 0; i < n_peers; i++) {
		tunnel_mac(peers[i].name, other);
		if (!memcmp(mac, other, MAC_LEN))
			return peers[i].name;
	}
	return mac_text(mac);
}

/* "fe80" stands for the address that belongs to the MAC of the node that is meant. */
static const char *linklocal(const struct addr *addr, char text[ADDR_STRLEN])
{
	for (size_t i = 0; i < n_peers; i++) {
		__u8 mac[MAC_LEN];
		struct addr theirs;

		tunnel_mac(peers[i].name, mac);
		theirs = tunnel_linklocal(mac);
		if (addr_equal(addr, &theirs))
			snprintf(text, ADDR_STRLEN, "fe80(%.40s)", peers[i].name);
	}
	return text;
}

static char *print_routes(char *at)
{
	for (size_t i = 0; i < wanted.n_routes; i++) {
		const struct route *r = &wanted.routes[i];
		char dst[ADDR_STRLEN], via[ADDR_STRLEN], src[ADDR_STRLEN];

		addr_format(&r->gateway, via);
		at += sprintf(at, "%s via %s", cidr_format(&r->dst, dst),
			      linklocal(&r->gateway, via));
		if (r->oif)
			at += sprintf(at, " dev %d", r->oif);
		if (!addr_is_zero(&r->prefsrc))
			at += sprintf(at, " src %s", addr_format(&r->prefsrc, src));
		at += sprintf(at, "%s\n", r->onlink ? " onlink" : "");
		assert_int_equal(r->protocol, RTPROT_CTNAT_NODES);
	}
	return at;
}

static char *print_neighs(char *at, const char *what, const struct neigh *list, size_t n)
{
	char addr[ADDR_STRLEN];

	for (size_t i = 0; i < n; i++) {
		addr_format(&list[i].addr, addr);
		at += sprintf(at, "%s %s %s\n", what, linklocal(&list[i].addr, addr),
			      whose(list[i].mac));
	}
	return at;
}

static void assert_plan(enum overlay overlay, const char *text)
{
	char said[4096] = "", *at;

	if (make(overlay) < 0)
		fail_msg("%s", err.msg);
	at = print_routes(said);
	at = print_neighs(at, "neigh", wanted.neighs, wanted.n_neighs);
	print_neighs(at, "fdb", wanted.entries, wanted.n_entries);
	assert_string_equal(said, text);
	assert_int_equal(wanted.overlay, wanted.n_neighs > 0 || overlay == OVERLAY_ALWAYS);
}

static void assert_refused(size_t n, const char *what)
{
	assert_int_equal(wanted.refusals.n, n);
	if (!strstr(wanted.refusals.first, what))
		fail_msg("'%s' does not say '%s'", wanted.refusals.first, what);
}

/* ---- the way to a node ----------------------------------------------------------------------- */

static void a_neighbour_is_reached_directly(void **state)
{
	(void)state;
	node("a", "192.0.2.11 2001:db8:0:2::11 10.244.2.0/24 fd00:10:244:2::/64");
	node("b", "192.0.2.10 10.244.1.0/24");	/* oneself is no peer */
	node("c", "192.0.2.12 10.244.0.0/24");
	assert_plan(OVERLAY_AUTO, "10.244.0.0/24 via 192.0.2.12 dev 3\n"
				  "10.244.2.0/24 via 192.0.2.11 dev 3\n"
				  "fd00:10:244:2::/64 via 2001:db8:0:2::11 dev 3\n");
	assert_refused(0, "");
}

static void one_behind_a_router_by_a_tunnel(void **state)
{
	(void)state;
	node("a", "198.51.100.11 2001:db8:1::11 10.244.2.0/24 fd00:10:244:2::/64");
	node("c", "192.0.2.12 2001:db8:0:2::12 10.244.3.0/24 fd00:10:244:3::/64");
	assert_plan(OVERLAY_AUTO, "10.244.2.0/24 via 10.244.2.0 src 10.244.1.0 onlink\n"
				  "10.244.3.0/24 via 192.0.2.12 dev 3\n"
				  "fd00:10:244:2::/64 via fe80(a) src fd00:10:244:1::\n"
				  "fd00:10:244:3::/64 via 2001:db8:0:2::12 dev 3\n"
				  "neigh 10.244.2.0 a\n"
				  "neigh fe80(a) a\n"
				  "fdb 198.51.100.11 a\n");
	assert_memory_equal(&wanted.device.local, &self.addr[0], sizeof(struct addr));
	assert_int_equal(wanted.device.mtu, 8950);	/* only by link 4 */
	assert_true(wanted.device.v6);
}

static void in_a_cloud_all_are_tunnelled(void **state)
{
	static const char plan[] = "10.244.2.0/24 via 10.244.2.0 src 10.244.1.0 onlink\n"
				   "neigh 10.244.2.0 a\n"
				   "fdb 192.0.2.11 a\n";

	(void)state;
	node("a", "cloud 192.0.2.11 10.244.2.0/24");
	assert_plan(OVERLAY_AUTO, plan);
	describe(&peers[0], "a", "192.0.2.11 10.244.2.0/24");
	assert_plan(OVERLAY_AUTO, "10.244.2.0/24 via 192.0.2.11 dev 3\n");
	self.cloud = true;
	assert_plan(OVERLAY_AUTO, plan);
	self.cloud = false;
	assert_plan(OVERLAY_ALWAYS, plan);
	assert_int_equal(wanted.device.mtu, 1450);
	assert_plan(OVERLAY_NONE, "");
	assert_refused(0, "");
}

static void a_family_without_addresses_is_tunnelled_in_the_other(void **state)
{
	(void)state;
	node("a", "192.0.2.11 10.244.2.0/24 fd00:10:244:2::/64");
	assert_plan(OVERLAY_AUTO, "10.244.2.0/24 via 192.0.2.11 dev 3\n"
				  "fd00:10:244:2::/64 via fe80(a) src fd00:10:244:1::\n"
				  "neigh fe80(a) a\n"
				  "fdb 192.0.2.11 a\n");
}

static void tunnels_run_over_ipv6_where_that_is_all(void **state)
{
	(void)state;
	describe(&self, "b", "2001:db8:0:2::10 10.244.1.0/24");
	node("a", "192.0.2.11 2001:db8:0:2::11 10.244.2.0/24");
	node("c", "192.0.2.12 10.244.3.0/24");
	assert_plan(OVERLAY_ALWAYS, "10.244.2.0/24 via 10.244.2.0 src 10.244.1.0 onlink\n"
				    "neigh 10.244.2.0 a\n"
				    "fdb 2001:db8:0:2::11 a\n");
	assert_int_equal(wanted.device.mtu, 1430);
	assert_false(wanted.device.v6);
	assert_refused(1, "no overlay to node 'c': it has no InternalIP of IPv6");
}

static void always_means_a_device_even_alone(void **state)
{
	(void)state;
	assert_plan(OVERLAY_ALWAYS, "");
	assert_true(wanted.overlay);
	assert_int_equal(wanted.device.mtu, 0);
	describe(&self, "b", "10.244.1.0/24");
	node("a", "192.0.2.11 10.244.2.0/24");
	assert_int_equal(make(OVERLAY_ALWAYS), 0);
	assert_false(wanted.overlay);
	assert_refused(1, "this node has no InternalIP");
}

static void the_smallest_mtu_on_the_way_counts(void **state)
{
	(void)state;
	node("a", "198.51.100.11 10.244.2.0/24");
	node("c", "192.0.2.12 10.244.3.0/24");
	node("d", "198.51.100.13 10.244.4.0/24");
	assert_int_equal(make(OVERLAY_ALWAYS), 0);
	assert_int_equal(wanted.device.mtu, 1450);
	n_peers = 1;
	assert_int_equal(make(OVERLAY_ALWAYS), 0);
	assert_int_equal(wanted.device.mtu, 8950);
}

static void a_node_that_cannot_be_reached_is_named(void **state)
{
	(void)state;
	node("a", "10.1.2.3 10.244.2.0/24");
	assert_plan(OVERLAY_AUTO, "");
	assert_refused(1, "node 'a': there is no route to its address 10.1.2.3");
	peers[0].cloud = true;	/* what has no way now may have one later; a tunnel waits for it */
	assert_plan(OVERLAY_AUTO, "10.244.2.0/24 via 10.244.2.0 src 10.244.1.0 onlink\n"
				  "neigh 10.244.2.0 a\n"
				  "fdb 10.1.2.3 a\n");
	describe(&peers[0], "a", "203.0.113.7 10.244.2.0/24");
	assert_plan(OVERLAY_AUTO, "");
	assert_refused(1, "node 'a': its address 203.0.113.7 is one of this node's");
	assert_plan(OVERLAY_ALWAYS, "");
	assert_refused(1, "node 'a': its address 203.0.113.7 is one of this node's");
	describe(&peers[0], "a", "10.244.2.0/24");
	assert_plan(OVERLAY_AUTO, "");
	assert_refused(1, "no overlay to node 'a': it has no InternalIP of IPv4");
}

static void a_node_without_pods_of_its_own_reaches_others(void **state)
{
	(void)state;
	describe(&self, "b", "192.0.2.10");
	node("a", "198.51.100.11 10.244.2.0/24");
	node("c", "192.0.2.12");
	assert_plan(OVERLAY_AUTO, "10.244.2.0/24 via 10.244.2.0 onlink\n"
				  "neigh 10.244.2.0 a\n"
				  "fdb 198.51.100.11 a\n");
	assert_refused(0, "");
}

static void a_failing_kernel_fails_the_plan(void **state)
{
	(void)state;
	node("a", "192.0.2.11 10.244.2.0/24");
	answer_fails = -ENOBUFS;
	assert_int_equal(make(OVERLAY_AUTO), -ENOBUFS);
	assert_int_equal(wanted.n_routes, 0);
	assert_null(wanted.routes);
}

/* ---- who has what ---------------------------------------------------------------------------- */

static void of_two_claims_the_first_name_has_it(void **state)
{
	(void)state;
	node("a", "192.0.2.11 10.244.2.0/24");
	node("c", "192.0.2.12 10.244.2.128/25 fd00:10:244:3::/64 2001:db8:0:2::12");
	node("d", "192.0.2.13 10.244.0.0/16");
	assert_plan(OVERLAY_AUTO, "10.244.2.0/24 via 192.0.2.11 dev 3\n"
				  "fd00:10:244:3::/64 via 2001:db8:0:2::12 dev 3\n");
	/* 10.244.0.0/16 comes before the other, by prefix; it would take this node's, too */
	assert_refused(2, "node 'd': its pod CIDR 10.244.0.0/16 overlaps");
	n_peers = 2;
	assert_plan(OVERLAY_AUTO, "10.244.2.0/24 via 192.0.2.11 dev 3\n"
				  "fd00:10:244:3::/64 via 2001:db8:0:2::12 dev 3\n");
	assert_refused(1, "node 'c': its pod CIDR 10.244.2.128/25 overlaps 10.244.2.0/24 of node 'a'");
}

static void ones_own_pods_are_nobody_elses(void **state)
{
	(void)state;
	node("a", "192.0.2.11 10.244.1.0/24");
	assert_plan(OVERLAY_AUTO, "");
	assert_refused(1, "node 'a': its pod CIDR 10.244.1.0/24 overlaps 10.244.1.0/24 of node 'b'");
}

static void a_prefix_that_holds_a_node_is_refused(void **state)
{
	(void)state;
	node("a", "192.0.2.11 192.0.2.0/28");	/* itself and this node */
	node("c", "192.0.2.12 10.244.3.0/24");
	assert_plan(OVERLAY_ALWAYS, "10.244.3.0/24 via 10.244.3.0 src 10.244.1.0 onlink\n"
				    "neigh 10.244.3.0 c\n"
				    "fdb 192.0.2.12 c\n");
	assert_refused(1, "node 'a': its pod CIDR 192.0.2.0/28 holds the address 192.0.2.10 of node 'b'");

	own[n_own++] = address("10.244.3.7");	/* of another interface of this node */
	assert_plan(OVERLAY_ALWAYS, "");
	assert_refused(2, "node 'c': its pod CIDR 10.244.3.0/24 holds the address 10.244.3.7 of node 'b'");

	n_own = 0;
	describe(&peers[0], "a", "192.0.2.11 0.0.0.0/0");
	assert_int_equal(make(OVERLAY_AUTO), 0);
	assert_refused(1, "node 'a': its pod CIDR 0.0.0.0/0 holds the address");
}

static void a_refused_claim_stands_in_nobodys_way(void **state)
{
	(void)state;
	node("a", "10.244.2.9 10.244.2.0/24");	/* holds its own node */
	node("c", "192.0.2.12 10.244.2.128/25");
	assert_plan(OVERLAY_AUTO, "10.244.2.128/25 via 192.0.2.12 dev 3\n");
	assert_refused(1, "node 'a': its pod CIDR 10.244.2.0/24 holds the address 10.244.2.9 of node 'a'");
}

static void two_names_with_one_mac(void **state)
{
	__u8 one[MAC_LEN], two[MAC_LEN];

	(void)state;
	tunnel_mac(TWIN1, one);
	tunnel_mac(TWIN2, two);
	assert_memory_equal(one, two, MAC_LEN);
	node(TWIN1, "192.0.2.11 10.244.2.0/24");
	node(TWIN2, "192.0.2.12 10.244.3.0/24");
	assert_plan(OVERLAY_ALWAYS, "10.244.2.0/24 via 10.244.2.0 src 10.244.1.0 onlink\n"
				    "neigh 10.244.2.0 " TWIN1 "\n"
				    "fdb 192.0.2.11 " TWIN1 "\n");
	assert_refused(1, "no overlay to node '" TWIN2 "': its name gives the same MAC as that of node '" TWIN1 "'");
	/* without a tunnel it is no matter */
	assert_plan(OVERLAY_AUTO, "10.244.2.0/24 via 192.0.2.11 dev 3\n10.244.3.0/24 via 192.0.2.12 dev 3\n");

	describe(&self, TWIN1, "192.0.2.11 10.244.2.0/24");
	assert_plan(OVERLAY_ALWAYS, "");
	assert_refused(1, "the same MAC as that of node '" TWIN1 "'");
}

static void macs_are_the_same_everywhere(void **state)
{
	struct addr linklocal_addr;
	char text[ADDR_STRLEN];
	__u8 mac[MAC_LEN];

	(void)state;
	/* All nodes of a cluster must agree, also on upgrades: FNV-1a of the name, low byte first. */
	tunnel_mac("a", mac);
	assert_string_equal(mac_text(mac), "8e:ec:01:86:4c:dc");
	linklocal_addr = tunnel_linklocal(mac);
	assert_string_equal(addr_format(&linklocal_addr, text), "fe80::8cec:1ff:fe86:4cdc");
}

/* ---- many ------------------------------------------------------------------------------------ */

enum { MANY = 5000 };

static void five_thousand_nodes_are_planned(void **state)
{
	struct peer *many = calloc(MANY, sizeof(*many));
	struct wanted_input in = { .self = &self, .peers = many, .n = MANY, .reach = reach };
	struct addr v4 = address("198.51.100.1"), pods4 = address("10.0.0.0");
	struct addr pods6 = address("fd00:10:244::");

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		snprintf(many[i].name, sizeof(many[i].name), "n%04zu", i);
		many[i].addr[0] = addr_add(&v4, i % 100);
		/* falling, so that order by name is not order by prefix */
		many[i].pod_cidrs[0] = (struct cidr){ addr_add(&pods4, (MANY - i) << 8), 120 };
		many[i].pod_cidrs[1] = (struct cidr){ pods6, 64 };
		many[i].pod_cidrs[1].addr.byte[6] = (MANY - i) >> 8;
		many[i].pod_cidrs[1].addr.byte[7] = (MANY - i);
		many[i].n_pod_cidrs = 2;
	}
	describe(&self, "b", "192.0.2.10 10.244.1.0/24");
	if (wanted_make(&in, &wanted, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(wanted.n_routes, 2 * MANY);
	assert_int_equal(wanted.n_neighs, 2 * MANY);	/* one for a prefix, one for a node */
	assert_int_equal(wanted.n_entries, MANY);
	for (size_t i = 1; i < wanted.n_routes; i++) {
		assert_true(addr_compare(&wanted.routes[i - 1].dst.addr, &wanted.routes[i].dst.addr) < 0);
		assert_true(addr_compare(&wanted.neighs[i - 1].addr, &wanted.neighs[i].addr) < 0);
	}
	for (size_t i = 1; i < wanted.n_entries; i++)
		assert_true(memcmp(wanted.entries[i - 1].mac, wanted.entries[i].mac, MAC_LEN) < 0);
	assert_true(questions <= 4 * MANY);
	free(many);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		test(a_neighbour_is_reached_directly),
		test(one_behind_a_router_by_a_tunnel),
		test(in_a_cloud_all_are_tunnelled),
		test(a_family_without_addresses_is_tunnelled_in_the_other),
		test(tunnels_run_over_ipv6_where_that_is_all),
		test(always_means_a_device_even_alone),
		test(the_smallest_mtu_on_the_way_counts),
		test(a_node_that_cannot_be_reached_is_named),
		test(a_node_without_pods_of_its_own_reaches_others),
		test(a_failing_kernel_fails_the_plan),
		test(of_two_claims_the_first_name_has_it),
		test(ones_own_pods_are_nobody_elses),
		test(a_prefix_that_holds_a_node_is_refused),
		test(a_refused_claim_stands_in_nobodys_way),
		test(two_names_with_one_mac),
		test(macs_are_the_same_everywhere),
		test(five_thousand_nodes_are_planned),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("wanted", tests, NULL, NULL);
}
