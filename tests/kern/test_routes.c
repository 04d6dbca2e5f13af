// SPDX-License-Identifier: Apache-2.0
/*
 * The routes to other nodes, made in the running kernel. Each test is the node "b", in a namespace
 * of its own, with one uplink whose other end nobody answers at:
 *
 *	b -- eth0 192.0.2.10/24, 2001:db8:0:2::10/64; 192.0.2.1 is the router to all the rest
 *
 * What the kernel has then is read with `ip` and `bridge`.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "agent/routes.h"
#include "agent/tunnels.h"
#include "kern/rtnl_link.h"
#include "kern/sysctl.h"

#define PEERS_MAX 8
#define MANY	  5000

static struct nl rt;
static struct mnl_socket *monitor;
static struct routes routes;
static struct peer self, peers[PEERS_MAX];
static size_t n_peers;
static struct err err;

static void sh(const char *command)
{
	if (system(command))
		fail_msg("%s", command);
}

/* What happens to neighbours and routes, and to IPv4's addresses. Of a link's carrier, and of what
 * becomes of an IPv6 address, the kernel tells when it has time. */
static int open_monitor(void)
{
	const unsigned int groups =
		RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
	int size = 64 << 20;

	monitor = mnl_socket_open(NETLINK_ROUTE);
	if (!monitor || mnl_socket_bind(monitor, groups, MNL_SOCKET_AUTOPID) < 0)
		return -1;
	return setsockopt(mnl_socket_get_fd(monitor), SOL_SOCKET, SO_RCVBUFFORCE, &size,
			  sizeof(size));
}

static bool counts(const struct nlmsghdr *nlh, unsigned int type)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	bool is_route = nlh->nlmsg_type == RTM_NEWROUTE || nlh->nlmsg_type == RTM_DELROUTE;

	return type ? nlh->nlmsg_type == type : !is_route || rtm->rtm_table != RT_TABLE_LOCAL;
}

/* How many messages of that type (0: of any) came since the last call. */
static unsigned int heard(unsigned int type)
{
	char buf[32768] __attribute__((aligned(8)));
	const struct nlmsghdr *nlh;
	unsigned int count = 0;
	ssize_t n;
	int left;

	while ((n = recv(mnl_socket_get_fd(monitor), buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		left = (int)n;
		for (nlh = (void *)buf; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			count += counts(nlh, type);
	}
	assert_int_equal(errno, EAGAIN);	/* nothing was lost */
	return count;
}

/* Words: addresses and prefixes, "cloud". */
static void describe(struct peer *peer, const char *name, const char *words)
{
	char copy[256], *rest = copy, *word;
	struct addr addr;

	memset(peer, 0, sizeof(*peer));
	snprintf(peer->name, sizeof(peer->name), "%s", name);
	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&rest, " "))) {
		if (!strcmp(word, "cloud")) {
			peer->cloud = true;
		} else if (strchr(word, '/')) {
			assert_int_equal(cidr_parse(word, &peer->pod_cidrs[peer->n_pod_cidrs++]), 0);
		} else if (*word) {
			assert_int_equal(addr_parse(word, &addr), 0);
			peer->addr[!addr_is_v4(&addr)] = addr;
		}
	}
}

static void node(const char *name, const char *words)
{
	assert_true(n_peers < PEERS_MAX);
	describe(&peers[n_peers++], name, words);
}

static int set_up(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) < 0 || nl_open(&rt, NETLINK_ROUTE, &err) < 0 ||
	    system("ip link set lo up && ip link add eth0 type veth peer name far &&"
		   "ip link set far addrgenmode none && ip link set eth0 addrgenmode none &&"
		   "ip link set far up && ip link set eth0 up &&"
		   "ip addr add 192.0.2.10/24 dev eth0 &&"
		   "ip addr add 2001:db8:0:2::10/64 dev eth0 nodad &&"
		   "ip route add default via 192.0.2.1 &&"
		   "ip route add default via 2001:db8:0:2::1"))
		return -1;
	n_peers = 0;
	describe(&self, "b", "192.0.2.10 2001:db8:0:2::10 10.244.1.0/24 fd00:10:244:1::/64");
	memset(&routes, 0, sizeof(routes));
	return open_monitor();
}

static int tear_down(void **state)
{
	(void)state;
	routes_free(&routes);
	nl_close(&rt);
	mnl_socket_close(monitor);
	return 0;
}

static int apply(enum overlay overlay)
{
	return routes_apply(&routes, &rt, &self, peers, n_peers, overlay, &err);
}

static void apply_ok(enum overlay overlay)
{
	if (apply(overlay) < 0)
		fail_msg("%s", err.msg);
}

/* What the command prints, spaces at the ends of lines left out. */
static void assert_prints(const char *command, const char *text)
{
	char said[4096] = "", line[256], *end;
	FILE *pipe = popen(command, "r");

	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		end = line + strcspn(line, "\n");
		while (end > line && end[-1] == ' ')
			end--;
		*end = '\0';
		assert_true(strlen(said) + strlen(line) + 2 < sizeof(said));
		strcat(strcat(said, line), "\n");
	}
	pclose(pipe);
	if (strcmp(said, text))
		fail_msg("%s\n--- says\n%s--- not\n%s", command, said, text);
}

static void assert_routes(const char *text)
{
	assert_prints("{ ip -4 route show proto 202; ip -6 route show proto 202; } |"
		      "sed 's/ pref medium//'", text);
}

/* Neighbours and forwarding entries, as "address MAC" and "MAC address". */
static void assert_overlay(const char *text)
{
	assert_prints("{ ip -4 neigh show dev ctnat.vx nud permanent;"
		      "  ip -6 neigh show dev ctnat.vx nud permanent; } | sort |"
		      "awk '{ print $1, $3 }';"
		      "bridge fdb show dev ctnat.vx | sort | awk '{ print $1, $3 }'", text);
}

static void assert_refused(size_t n, const char *what)
{
	assert_int_equal(routes.refusals.n, n);
	if (!strstr(routes.refusals.first, what))
		fail_msg("'%s' does not say '%s'", routes.refusals.first, what);
}

/* Nothing is to be done, and nothing is done, for this process and for a new one. */
static void assert_settled(enum overlay overlay)
{
	struct routes fresh = { .direct = 0 };

	heard(0);
	apply_ok(overlay);
	assert_int_equal(routes.changes, 0);
	if (routes_apply(&fresh, &rt, &self, peers, n_peers, overlay, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(fresh.changes, 0);
	assert_int_equal(fresh.direct, routes.direct);
	assert_int_equal(fresh.vxlan, routes.vxlan);
	routes_free(&fresh);
	assert_int_equal(heard(0), 0);
}

static const char *mac_of(const char *name)
{
	static char text[4][18];
	static int at;
	__u8 m[MAC_LEN];

	tunnel_mac(name, m);
	at = (at + 1) % 4;
	snprintf(text[at], sizeof(text[at]), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
		 m[3], m[4], m[5]);
	return text[at];
}

static const char *linklocal_of(const char *name)
{
	static char text[ADDR_STRLEN];
	struct addr addr;
	__u8 mac[MAC_LEN];

	tunnel_mac(name, mac);
	addr = tunnel_linklocal(mac);
	return addr_format(&addr, text);
}

/* ---- what stands ----------------------------------------------------------------------------- */

/* "a" is a neighbour, "c" is behind the router. */
static void two_nodes(void)
{
	node("a", "192.0.2.11 2001:db8:0:2::11 10.244.2.0/24 fd00:10:244:2::/64");
	node("c", "198.51.100.12 2001:db8:1::12 10.244.3.0/24 fd00:10:244:3::/64");
}

static void assert_two_nodes(void)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "10.244.2.0/24 via 192.0.2.11 dev eth0\n"
		 "10.244.3.0/24 via 10.244.3.0 dev ctnat.vx src 10.244.1.0 onlink\n"
		 "fd00:10:244:2::/64 via 2001:db8:0:2::11 dev eth0 metric 1024\n"
		 "fd00:10:244:3::/64 via %s dev ctnat.vx src fd00:10:244:1:: metric 1024\n",
		 linklocal_of("c"));
	assert_routes(text);
	snprintf(text, sizeof(text), "10.244.3.0 %s\n%s %s\n%s 198.51.100.12\n", mac_of("c"),
		 linklocal_of("c"), mac_of("c"), mac_of("c"));
	assert_overlay(text);
}

static void routes_stand_and_are_left_alone(void **state)
{
	char text[256];

	(void)state;
	two_nodes();
	apply_ok(OVERLAY_AUTO);
	assert_two_nodes();
	assert_int_equal(routes.direct, 2);
	assert_int_equal(routes.vxlan, 2);
	assert_int_equal(routes.changes, 4 + 2 + 1);
	assert_int_equal(routes_overhead(&routes), 50);
	assert_refused(0, "");
	snprintf(text, sizeof(text), "mtu 1450\nlink/ether %s\n", mac_of("b"));
	assert_prints("ip link show ctnat.vx | grep -oE 'mtu [0-9]+|link/ether [^ ]+'", text);
	assert_prints("ip addr show dev ctnat.vx | awk '/inet/ { print $2 }'",
		      "10.244.1.0/32\nfd00:10:244:1::/128\n");	/* and no link-local one */
	assert_settled(OVERLAY_AUTO);
}

static void what_somebody_broke_is_mended(void **state)
{
	char command[256];

	(void)state;
	two_nodes();
	apply_ok(OVERLAY_AUTO);
	snprintf(command, sizeof(command),
		 "bridge fdb replace %s dev ctnat.vx dst 198.51.100.99 port 1 &&"
		 "ip neigh replace %s lladdr 02:00:00:00:00:09 dev ctnat.vx", mac_of("c"),
		 linklocal_of("c"));
	sh(command);
	sh("ip route del 10.244.2.0/24 && ip route replace 10.244.3.0/24 via 192.0.2.9 proto 202 &&"
	   "ip route add 10.244.9.0/24 via 192.0.2.9 proto 202 &&"
	   "ip route add 10.244.2.0/24 via 192.0.2.9 proto 202 metric 7 &&"
	   "ip route add blackhole 10.244.8.0/24 proto 202 &&"
	   "ip -6 route add fd00:10:244:2::/64 via 2001:db8:0:2::9 proto 202 metric 7 &&"
	   "ip -6 route append fd00:10:244:2::/64 via 2001:db8:0:2::9 proto 202 &&"
	   "ip neigh del 10.244.3.0 dev ctnat.vx &&"
	   "ip neigh replace fe80::1 lladdr 02:00:00:00:00:09 dev ctnat.vx &&"
	   "ip neigh add 10.244.9.0 lladdr 02:00:00:00:00:09 dev ctnat.vx &&"
	   "bridge fdb add 02:00:00:00:00:09 dev ctnat.vx dst 192.0.2.9 &&"
	   "bridge fdb append 00:00:00:00:00:00 dev ctnat.vx dst 192.0.2.8 &&"
	   "bridge fdb append 00:00:00:00:00:00 dev ctnat.vx dst 192.0.2.9 &&"
	   "ip addr add 10.244.77.1/24 dev ctnat.vx && ip addr del 10.244.1.0/32 dev ctnat.vx &&"
	   "ip link set ctnat.vx mtu 1400");
	apply_ok(OVERLAY_AUTO);
	assert_two_nodes();
	assert_prints("cat /sys/class/net/ctnat.vx/mtu 2>/dev/null ||"
		      "ip link show ctnat.vx | grep -oE 'mtu [0-9]+'", "mtu 1450\n");
	assert_prints("ip addr show dev ctnat.vx | awk '/inet/ { print $2 }' | sort",
		      "10.244.1.0/32\nfd00:10:244:1::/128\n");
	assert_settled(OVERLAY_AUTO);

	sh("ip link set ctnat.vx down");	/* takes routes and neighbours along */
	apply_ok(OVERLAY_AUTO);
	assert_two_nodes();
	sh("ip link del ctnat.vx");
	apply_ok(OVERLAY_AUTO);
	assert_two_nodes();
	assert_settled(OVERLAY_AUTO);
}

static void a_half_made_device_is_finished(void **state)
{
	char command[256];

	(void)state;
	two_nodes();
	snprintf(command, sizeof(command),
		 "ip link add ctnat.vx address %s type vxlan id 6517870 dstport 4789"
		 " local 192.0.2.10 nolearning noudpcsum", mac_of("b"));
	sh(command);
	sh("ip link set ctnat.vx alias there-before");
	apply_ok(OVERLAY_AUTO);
	assert_two_nodes();
	assert_prints("ip link show ctnat.vx | grep -o there-before", "there-before\n");
	assert_prints("ip addr show dev ctnat.vx scope link", "");
}

static void a_wrong_device_is_made_anew(void **state)
{
	static const char *const wrong[] = {
		"id 5 dstport 4789 local 192.0.2.10 nolearning noudpcsum",
		"id 6517870 dstport 8472 local 192.0.2.10 nolearning noudpcsum",
		"id 6517870 dstport 4789 local 192.0.2.99 nolearning noudpcsum",
		"id 6517870 dstport 4789 local 192.0.2.10 learning noudpcsum",
		"id 6517870 dstport 4789 local 192.0.2.10 nolearning udpcsum",
	};
	char command[256];

	(void)state;
	two_nodes();
	for (size_t i = 0; i < 6; i++) {
		snprintf(command, sizeof(command),
			 "ip link add ctnat.vx alias there-before address %s type vxlan %s",
			 i < 5 ? mac_of("b") : "02:00:00:00:00:09", wrong[i < 5 ? i : 0]);
		sh(command);
		apply_ok(OVERLAY_AUTO);
		assert_two_nodes();
		assert_prints("ip link show ctnat.vx | grep there-before", "");
		sh("ip link del ctnat.vx");
	}
}

static void a_strangers_link_of_that_name_stays(void **state)
{
	(void)state;
	two_nodes();
	sh("ip link add ctnat.vx type veth peer name other &&"
	   "ip route add 10.244.3.0/24 via 192.0.2.9 proto 202");
	assert_true(apply(OVERLAY_AUTO) < 0);
	if (!strstr(err.msg, "ctnat.vx"))
		fail_msg("%s", err.msg);
	/* what does not need it stands, and what may have led to it is left */
	assert_routes("10.244.2.0/24 via 192.0.2.11 dev eth0\n"
		      "10.244.3.0/24 via 192.0.2.9 dev eth0\n"
		      "fd00:10:244:2::/64 via 2001:db8:0:2::11 dev eth0 metric 1024\n");
	assert_int_equal(routes_remove(&rt, &err), 0);
	assert_prints("ip link show ctnat.vx | grep -c ctnat.vx", "1\n");
	assert_routes("");
}

/* ---- changes --------------------------------------------------------------------------------- */

static void a_way_changes_without_a_gap(void **state)
{
	(void)state;
	two_nodes();
	apply_ok(OVERLAY_AUTO);

	/* another address; the other way; and back: replaced, never deleted */
	heard(0);
	describe(&peers[0], "a", "192.0.2.21 2001:db8:0:2::21 10.244.2.0/24 fd00:10:244:2::/64");
	apply_ok(OVERLAY_AUTO);
	assert_int_equal(routes.changes, 2);
	assert_int_equal(heard(RTM_DELROUTE), 0);
	assert_prints("ip route show 10.244.2.0/24 | cut -d' ' -f3", "192.0.2.21\n");

	peers[0].cloud = true;
	apply_ok(OVERLAY_AUTO);
	assert_int_equal(routes.changes, 2 + 2 + 1);
	assert_int_equal(heard(RTM_DELROUTE), 0);
	assert_int_equal(routes.vxlan, 4);
	assert_settled(OVERLAY_AUTO);

	peers[0].cloud = false;
	apply_ok(OVERLAY_AUTO);
	assert_int_equal(routes.changes, 2 + 2 + 1);
	assert_int_equal(heard(RTM_DELROUTE), 0);

	/* the tunnel's other end moves */
	describe(&peers[1], "c", "198.51.100.22 10.244.3.0/24 fd00:10:244:3::/64");
	apply_ok(OVERLAY_AUTO);
	assert_int_equal(routes.changes, 1);
	assert_int_equal(heard(RTM_DELROUTE), 0);
	assert_prints("bridge fdb show dev ctnat.vx | cut -d' ' -f3", "198.51.100.22\n");
}

/* The type of the next message that is not of IPv6, which has business of its own; 0: there is none. */
static unsigned int next_heard(void)
{
	char buf[32768] __attribute__((aligned(8)));
	const struct nlmsghdr *nlh = (void *)buf;

	do
		if (recv(mnl_socket_get_fd(monitor), buf, sizeof(buf), MSG_DONTWAIT) <= 0)
			return 0;
	while (*(const unsigned char *)mnl_nlmsg_get_payload(nlh) == AF_INET6);
	return nlh->nlmsg_type;
}

/* The forwarding entry and the neighbour are there before the route leads to them, and go after it. */
static void nothing_leads_nowhere(void **state)
{
	static const unsigned int order[2][4] = {
		{ RTM_NEWNEIGH, RTM_NEWNEIGH, RTM_NEWROUTE },
		/* before it goes, a neighbour becomes a failed one */
		{ RTM_NEWROUTE, RTM_NEWNEIGH, RTM_DELNEIGH, RTM_DELNEIGH },
	};

	(void)state;
	node("a", "192.0.2.11 10.244.2.0/24");
	node("c", "198.51.100.12 10.244.3.0/24");
	apply_ok(OVERLAY_AUTO);
	for (int round = 0; round < 2; round++) {
		peers[0].cloud = !round;
		heard(0);
		apply_ok(OVERLAY_AUTO);
		for (size_t i = 0; i < 4 && order[round][i]; i++)
			assert_int_equal(next_heard(), order[round][i]);
		assert_int_equal(next_heard(), 0);
	}
}

static void nodes_join_and_leave(void **state)
{
	(void)state;
	two_nodes();
	apply_ok(OVERLAY_AUTO);
	node("d", "198.51.100.13 10.244.4.0/24");
	apply_ok(OVERLAY_AUTO);
	assert_int_equal(routes.changes, 3);
	assert_settled(OVERLAY_AUTO);
	n_peers = 2;
	apply_ok(OVERLAY_AUTO);
	assert_int_equal(routes.changes, 3);
	assert_two_nodes();

	/* the last one that needs it takes the device along */
	n_peers = 1;
	apply_ok(OVERLAY_AUTO);
	assert_prints("ip -br link show type vxlan", "");
	assert_int_equal(routes_overhead(&routes), 0);
	assert_int_equal(routes.vxlan, 0);
	assert_settled(OVERLAY_AUTO);
	n_peers = 0;
	apply_ok(OVERLAY_AUTO);
	assert_routes("");

	apply_ok(OVERLAY_ALWAYS);
	assert_prints("ip -br link show type vxlan | cut -d' ' -f1", "ctnat.vx\n");
	assert_int_equal(routes_overhead(&routes), 50);
	assert_settled(OVERLAY_ALWAYS);
}

static void none_means_none(void **state)
{
	(void)state;
	two_nodes();
	sh("ip route add 203.0.113.0/24 via 192.0.2.9 proto 99");
	for (int round = 0; round < 2; round++) {
		apply_ok(OVERLAY_AUTO);
		assert_two_nodes();
		if (round)
			apply_ok(OVERLAY_NONE);
		else
			assert_int_equal(routes_remove(&rt, &err), 0);
		assert_routes("");
		assert_prints("ip -br link show type vxlan", "");
		assert_prints("ip route show proto 99 | wc -l", "1\n");
	}
	assert_int_equal(routes_overhead(&routes), 0);
	assert_int_equal(routes_remove(&rt, &err), 0);
}

/* A node's pod CIDR changes to what was another's: an address that our device still bears. */
static void two_nodes_swap_their_prefixes(void **state)
{
	char text[512];

	(void)state;
	two_nodes();
	apply_ok(OVERLAY_AUTO);
	describe(&self, "b", "192.0.2.10 2001:db8:0:2::10 10.244.3.0/24 fd00:10:244:3::/64");
	describe(&peers[1], "c", "198.51.100.12 10.244.1.0/24 fd00:10:244:1::/64");
	apply_ok(OVERLAY_AUTO);
	snprintf(text, sizeof(text),
		 "10.244.1.0/24 via 10.244.1.0 dev ctnat.vx src 10.244.3.0 onlink\n"
		 "10.244.2.0/24 via 192.0.2.11 dev eth0\n"
		 "fd00:10:244:1::/64 via %s dev ctnat.vx src fd00:10:244:3:: metric 1024\n"
		 "fd00:10:244:2::/64 via 2001:db8:0:2::11 dev eth0 metric 1024\n",
		 linklocal_of("c"));
	assert_routes(text);
	assert_prints("ip addr show dev ctnat.vx | awk '/inet/ { print $2 }'",
		      "10.244.3.0/32\nfd00:10:244:3::/128\n");
	assert_settled(OVERLAY_AUTO);
}

static void this_node_moves(void **state)
{
	(void)state;
	two_nodes();
	apply_ok(OVERLAY_AUTO);
	sh("ip addr add 192.0.2.20/24 dev eth0 && ip addr del 192.0.2.10/24 dev eth0 &&"
	   "ip addr replace 192.0.2.20/24 dev eth0 && ip route replace default via 192.0.2.1");
	describe(&self, "b", "192.0.2.20 2001:db8:0:2::10 10.244.1.0/24 fd00:10:244:1::/64");
	routes_forget(&routes);
	apply_ok(OVERLAY_AUTO);
	assert_two_nodes();
	assert_prints("ip -d link show ctnat.vx | grep -oE 'local [^ ]+'", "local 192.0.2.20\n");
}

static void the_overlay_follows_the_uplink(void **state)
{
	(void)state;
	two_nodes();
	apply_ok(OVERLAY_AUTO);
	sh("ip link set eth0 mtu 1400");
	apply_ok(OVERLAY_AUTO);
	assert_prints("ip link show ctnat.vx | grep -oE 'mtu [0-9]+'", "mtu 1450\n");
	routes_forget(&routes);
	apply_ok(OVERLAY_AUTO);
	assert_prints("ip link show ctnat.vx | grep -oE 'mtu [0-9]+'", "mtu 1350\n");
	assert_two_nodes();

	/* IPv6 has its least; the rest is fragments' */
	sh("ip link set eth0 mtu 1300");
	routes_forget(&routes);
	apply_ok(OVERLAY_AUTO);
	assert_prints("ip link show ctnat.vx | grep -oE 'mtu [0-9]+'", "mtu 1280\n");
	assert_two_nodes();
}

/* An uplink that is away takes the direct routes along, and nothing else. */
static void the_uplink_goes_and_comes(void **state)
{
	(void)state;
	two_nodes();
	apply_ok(OVERLAY_AUTO);
	sh("ip link set eth0 down");
	routes_forget(&routes);
	apply_ok(OVERLAY_AUTO);
	assert_int_equal(routes.vxlan, 2);
	assert_int_equal(routes.direct, 0);
	assert_int_equal(routes_overhead(&routes), 50);
	assert_refused(2, "node 'a': there is no route to its address");
	sh("ip link set eth0 up && ip addr replace 2001:db8:0:2::10/64 dev eth0 nodad &&"
	   "ip route replace default via 192.0.2.1 && ip -6 route replace default via 2001:db8:0:2::1");
	routes_forget(&routes);
	apply_ok(OVERLAY_AUTO);
	assert_two_nodes();
}

static void tunnels_over_ipv6(void **state)
{
	(void)state;
	describe(&self, "b", "2001:db8:0:2::10 10.244.1.0/24 fd00:10:244:1::/64");
	node("c", "2001:db8:1::12 10.244.3.0/24 fd00:10:244:3::/64");
	apply_ok(OVERLAY_AUTO);
	assert_int_equal(routes.vxlan, 2);
	assert_int_equal(routes_overhead(&routes), 70);
	assert_prints("ip link show ctnat.vx | grep -oE 'mtu [0-9]+'", "mtu 1430\n");
	assert_prints("bridge fdb show dev ctnat.vx | cut -d' ' -f3", "2001:db8:1::12\n");
	assert_settled(OVERLAY_AUTO);
}

static void a_strict_filter_becomes_a_loose_one(void **state)
{
	char value[16];

	(void)state;
	two_nodes();
	apply_ok(OVERLAY_AUTO);
	assert_int_equal(sysctl_read("net/ipv4/conf/ctnat.vx/rp_filter", value, 16, &err), 0);
	assert_string_equal(value, "0");	/* none is wanted: none is made */
	assert_int_equal(sysctl_write("net/ipv4/conf/all/rp_filter", "1", &err), 0);
	apply_ok(OVERLAY_AUTO);
	assert_int_equal(sysctl_read("net/ipv4/conf/ctnat.vx/rp_filter", value, 16, &err), 0);
	assert_string_equal(value, "2");
	assert_int_equal(sysctl_read("net/ipv6/conf/ctnat.vx/accept_ra", value, 16, &err), 0);
	assert_string_equal(value, "0");
	assert_int_equal(sysctl_read("net/ipv4/conf/ctnat.vx/forwarding", value, 16, &err), 0);
	assert_string_equal(value, "1");
}

/* ---- others' --------------------------------------------------------------------------------- */

static void others_routes_stay(void **state)
{
	static const char *const others[] = {
		"ip route add 10.244.2.0/24 via 192.0.2.9 proto 186",
		"ip route add 10.244.2.0/24 via 192.0.2.9 proto 186 metric 32",
		"ip route add blackhole 10.244.2.0/24 metric 5000 proto static",
		"ip route add 10.244.2.0/24 proto 186 nexthop via 192.0.2.8 nexthop via 192.0.2.9",
		"ip -6 route add fd00:10:244:2::/64 via 2001:db8:0:2::9 proto 186",
	};
	static const char all[] = "ip route show table all | grep -v 'proto 202' >/run/others;"
				  "ip -6 route show table all | grep -v 'proto 202' >>/run/others;"
				  "md5sum </run/others >/run/others.sum";

	(void)state;
	if (unshare(CLONE_NEWNS) < 0)
		fail();
	sh("mount --make-rprivate / && mount -t tmpfs tmpfs /run");
	two_nodes();
	apply_ok(OVERLAY_AUTO);
	for (size_t i = 0; i < 5; i++) {
		bool v4 = i < 4;

		sh("ip route flush 10.244.2.0/24; ip -6 route flush fd00:10:244:2::/64");
		sh(others[i]);
		sh(all);
		apply_ok(OVERLAY_AUTO);
		assert_refused(1, v4 ? "pod CIDR 10.244.2.0/24: somebody else has a route there"
				     : "pod CIDR fd00:10:244:2::/64: somebody else has a route there");
		assert_int_equal(routes.direct, 1);
		assert_prints(v4 ? "ip route show 10.244.2.0/24 proto 202"
				 : "ip -6 route show fd00:10:244:2::/64 proto 202", "");
		sh("mv /run/others.sum /run/before");
		sh(all);
		sh("cmp /run/others.sum /run/before");
		assert_settled(OVERLAY_AUTO);
	}
	/* Whoever comes later has it, too; and when he goes, ours is there again. */
	sh("ip -6 route flush fd00:10:244:2::/64");
	apply_ok(OVERLAY_AUTO);
	assert_two_nodes();
	sh("ip route add 10.244.3.0/24 via 192.0.2.9 proto 186 metric 32");
	apply_ok(OVERLAY_AUTO);
	assert_refused(1, "pod CIDR 10.244.3.0/24: somebody else has a route there (protocol 186, link");
	assert_prints("ip route show 10.244.3.0/24 proto 202", "");
	sh("ip route del 10.244.3.0/24 metric 32");
	apply_ok(OVERLAY_AUTO);
	assert_two_nodes();
	assert_refused(0, "");
}

static void an_address_of_this_node_is_minded(void **state)
{
	(void)state;
	two_nodes();
	sh("ip addr add 10.244.2.77/32 dev lo");
	apply_ok(OVERLAY_AUTO);
	assert_refused(1, "node 'a': its pod CIDR 10.244.2.0/24 holds the address 10.244.2.77 of node 'b'");
	assert_int_equal(routes.direct, 1);
}

/* ---- many ------------------------------------------------------------------------------------ */

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static void make_many(struct peer *many)
{
	struct addr v4, pods4, pods6;

	addr_parse("198.51.100.0", &v4);
	addr_parse("10.244.0.0", &pods4);
	addr_parse("fd00:10:244::", &pods6);
	for (size_t i = 0; i < MANY; i++) {
		struct peer *peer = &many[i];

		snprintf(peer->name, sizeof(peer->name), "n%04zu", i);
		peer->addr[0] = addr_add(&v4, i);
		/* /29 and /64, in an order that is not that of the names */
		peer->pod_cidrs[0] = (struct cidr){ addr_add(&pods4, (MANY - i) << 3), 125 };
		peer->pod_cidrs[1] = (struct cidr){ pods6, 64 };
		peer->pod_cidrs[1].addr.byte[6] = (MANY - i) >> 8;
		peer->pod_cidrs[1].addr.byte[7] = MANY - i;
		peer->n_pod_cidrs = 2;
	}
}

static double apply_many(const struct peer *many, const char *what)
{
	double before = cpu_ms();

	if (routes_apply(&routes, &rt, &self, many, MANY, OVERLAY_AUTO, &err) < 0)
		fail_msg("%s", err.msg);
	before = cpu_ms() - before;
	print_message("# %d nodes, both families, %s: %u messages, %.1f ms of CPU\n", MANY, what,
		      routes.changes, before);
	return before;
}

static void five_thousand_nodes(void **state)
{
	struct peer *many = calloc(MANY, sizeof(*many));
	double cold, one;

	(void)state;
	assert_non_null(many);
	describe(&self, "b", "192.0.2.10 2001:db8:0:2::10 10.244.0.0/29");
	make_many(many);
	cold = apply_many(many, "from cold");
	assert_int_equal(routes.changes, 5 * MANY);
	assert_int_equal(routes.vxlan, 2 * MANY);
	assert_prints("{ ip -4 route show proto 202; ip -6 route show proto 202; } | wc -l", "10000\n");
	assert_prints("bridge fdb show dev ctnat.vx | wc -l", "5000\n");
	assert_prints("ip neigh show dev ctnat.vx nud permanent | wc -l", "10000\n");

	apply_many(many, "no change");
	assert_int_equal(routes.changes, 0);
	many[77].addr[0].byte[13] ^= 1;
	one = apply_many(many, "one address changed");
	assert_int_equal(routes.changes, 1);
	many[78].pod_cidrs[0].addr.byte[13] = 245;
	one = apply_many(many, "one pod CIDR changed");
	assert_int_equal(routes.changes, 4);
	assert_true(one * 3 < cold);
	routes_forget(&routes);
	apply_many(many, "the network changed");
	assert_int_equal(routes.changes, 0);

	/* all at once to plain routes, and back */
	for (size_t i = 0; i < MANY; i++) {
		addr_parse("192.0.2.11", &many[i].addr[0]);
		addr_parse("2001:db8:0:2::11", &many[i].addr[1]);
	}
	apply_many(many, "all become direct");
	assert_int_equal(routes.direct, 2 * MANY);
	assert_prints("ip -4 route show proto 202 via 192.0.2.11 | wc -l", "5000\n");
	cold = cpu_ms();
	assert_int_equal(routes_remove(&rt, &err), 0);
	print_message("# removed: %.1f ms of CPU\n", cpu_ms() - cold);
	assert_routes("");
	free(many);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		test(routes_stand_and_are_left_alone),
		test(what_somebody_broke_is_mended),
		test(a_half_made_device_is_finished),
		test(a_wrong_device_is_made_anew),
		test(a_strangers_link_of_that_name_stays),
		test(a_way_changes_without_a_gap),
		test(nothing_leads_nowhere),
		test(nodes_join_and_leave),
		test(none_means_none),
		test(two_nodes_swap_their_prefixes),
		test(this_node_moves),
		test(the_overlay_follows_the_uplink),
		test(the_uplink_goes_and_comes),
		test(tunnels_over_ipv6),
		test(a_strict_filter_becomes_a_loose_one),
		test(others_routes_stay),
		test(an_address_of_this_node_is_minded),
		test(five_thousand_nodes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("routes", tests, NULL, NULL);
}
