// SPDX-License-Identifier: Apache-2.0
/*
 * Links, addresses, routes and neighbours against the running kernel. Each test is a node of its
 * own, in a namespace with nothing but `lo`, and has a pod's namespace beside it:
 *
 *	node (where the process is)  --  veth: "host0" | "eth0"  --  pod
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
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
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "kern/netns.h"
#include "kern/rtnl_addr.h"
#include "kern/rtnl_link.h"
#include "kern/rtnl_neigh.h"
#include "kern/rtnl_route.h"

#define ASSERT_OK(call)                                                        \
	do {                                                                   \
		if ((call) < 0)                                                \
			fail_msg("%s: %s", #call, err.msg);                    \
	} while (0)

static const __u8 host_mac[MAC_LEN] = { 0x02, 0, 0, 0, 0, 1 };
static const __u8 pod_mac[MAC_LEN] = { 0x02, 0, 0, 0, 0, 2 };

static int self = -1, pod = -1;
static struct nl node_nl, pod_nl;
static struct err err;

static int set_up(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return -1;
	pod = netns_open_self(&err);
	if (pod < 0 || unshare(CLONE_NEWNET) < 0)
		return -1;
	self = netns_open_self(&err);
	if (self < 0 || nl_open(&node_nl, NETLINK_ROUTE, &err) < 0)
		return -1;
	return netns_nl_open(&pod_nl, pod, self, &err);
}

static int tear_down(void **state)
{
	(void)state;
	nl_close(&node_nl);
	nl_close(&pod_nl);
	close(pod);
	close(self);
	return 0;
}

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

static struct veth_spec veth(void)
{
	struct veth_spec spec = {
		.host_name = "host0", .pod_name = "eth0", .pod_netns = pod, .mtu = 1400,
	};

	memcpy(spec.host_mac, host_mac, MAC_LEN);
	memcpy(spec.pod_mac, pod_mac, MAC_LEN);
	return spec;
}

/* The veth with both ends up. Returns the ifindex of the node's end. */
static int veth_up(void)
{
	struct link_change up = { .set_up = true, .up = true, .no_linklocal = true };
	struct veth_spec spec = veth();
	struct link host, eth0;

	ASSERT_OK(rtnl_veth_add(&node_nl, &spec, &err));
	ASSERT_OK(rtnl_link_get_name(&node_nl, "host0", &host, &err));
	ASSERT_OK(rtnl_link_get_name(&pod_nl, "eth0", &eth0, &err));
	ASSERT_OK(rtnl_link_change(&pod_nl, eth0.ifindex, &up, &err));
	ASSERT_OK(rtnl_link_change(&node_nl, host.ifindex, &up, &err));
	return host.ifindex;
}

static size_t count_links(struct nl *nl)
{
	struct link *links;
	size_t n;

	ASSERT_OK(rtnl_link_list(nl, &links, &n, &err));
	free(links);
	return n;
}

static size_t count_addrs(struct nl *nl, int ifindex)
{
	struct ifaddr *addrs;
	size_t n;

	ASSERT_OK(rtnl_addr_list(nl, ifindex, &addrs, &n, &err));
	free(addrs);
	return n;
}

static size_t count_routes(const struct route_filter *filter)
{
	struct route *routes;
	size_t n;

	ASSERT_OK(rtnl_route_list(&node_nl, filter, &routes, &n, &err));
	free(routes);
	return n;
}

static void assert_says(const char *what)
{
	if (!strstr(err.msg, what))
		fail_msg("'%s' does not say '%s'", err.msg, what);
}

/* ---- links ----------------------------------------------------------------------------------- */

static void a_veth_is_born_whole(void **state)
{
	struct veth_spec spec = veth();
	struct link host, eth0, same;

	(void)state;
	ASSERT_OK(rtnl_veth_add(&node_nl, &spec, &err));
	ASSERT_OK(rtnl_link_get_name(&node_nl, "host0", &host, &err));
	assert_string_equal(host.name, "host0");
	assert_string_equal(host.kind, "veth");
	assert_string_equal(host.alias, "");
	assert_memory_equal(host.mac, host_mac, MAC_LEN);
	assert_int_equal(host.mtu, 1400);
	assert_int_equal(host.flags & IFF_UP, 0);
	assert_true(host.peer_nsid >= 0);

	ASSERT_OK(rtnl_link_get_name(&pod_nl, "eth0", &eth0, &err));
	assert_memory_equal(eth0.mac, pod_mac, MAC_LEN);
	assert_int_equal(eth0.mtu, 1400);
	assert_int_equal(eth0.ifindex, host.peer_ifindex);
	assert_int_equal(eth0.peer_ifindex, host.ifindex);

	ASSERT_OK(rtnl_link_get_index(&node_nl, host.ifindex, &same, &err));
	assert_memory_equal(&same, &host, sizeof(same));
	assert_int_equal(count_links(&node_nl), 2);
	assert_int_equal(count_links(&pod_nl), 2);
}

static void a_taken_name_leaves_nothing_behind(void **state)
{
	struct veth_spec spec = veth();

	(void)state;
	ASSERT_OK(rtnl_veth_add(&node_nl, &spec, &err));
	assert_int_equal(rtnl_veth_add(&node_nl, &spec, &err), -EEXIST);
	assert_says("create veth 'host0'");

	spec.host_name = "host1";	/* free, but eth0 is not */
	assert_int_equal(rtnl_veth_add(&node_nl, &spec, &err), -EEXIST);
	assert_int_equal(count_links(&node_nl), 2);
	assert_int_equal(count_links(&pod_nl), 2);
}

static void what_does_not_fit_is_refused_not_cut(void **state)
{
	char alias[IFALIASZ + 1];
	struct link_change change = { .alias = alias };
	struct veth_spec spec = veth();
	struct link host, before;
	int ifindex;

	(void)state;
	spec.pod_name = "sixteen-letters-";
	assert_true(rtnl_veth_add(&node_nl, &spec, &err) < 0);
	spec.pod_name = "eth0";
	spec.host_name = "a name longer than any container ID: it must not overrun anything at all";
	assert_true(rtnl_veth_add(&node_nl, &spec, &err) < 0);
	assert_int_equal(count_links(&node_nl), 1);

	ifindex = veth_up();
	memset(alias, 'a', sizeof(alias));
	alias[IFALIASZ] = '\0';
	assert_true(rtnl_link_change(&node_nl, ifindex, &change, &err) < 0);
	alias[IFALIASZ - 1] = '\0';
	ASSERT_OK(rtnl_link_change(&node_nl, ifindex, &change, &err));
	ASSERT_OK(rtnl_link_get_index(&node_nl, ifindex, &host, &err));
	assert_string_equal(host.alias, alias);

	before = host;
	assert_true(rtnl_link_get_name(&node_nl, spec.host_name, &host, &err) < 0);
	assert_memory_equal(&host, &before, sizeof(host));
}

static void a_change_does_all_at_once(void **state)
{
	struct link_change change = {
		.set_up = true, .up = true, .alias = "ctnat/pods/c1/eth0",
	};
	struct veth_spec spec = veth();
	struct link link;

	(void)state;
	ASSERT_OK(rtnl_veth_add(&node_nl, &spec, &err));
	ASSERT_OK(rtnl_link_get_name(&node_nl, "host0", &link, &err));
	ASSERT_OK(rtnl_link_change(&node_nl, link.ifindex, &change, &err));
	ASSERT_OK(rtnl_link_get_name(&node_nl, "host0", &link, &err));
	assert_int_equal(link.flags & IFF_UP, IFF_UP);
	assert_string_equal(link.alias, "ctnat/pods/c1/eth0");

	/* What is not named stays. */
	change = (struct link_change){ .set_up = true, .up = false };
	ASSERT_OK(rtnl_link_change(&node_nl, link.ifindex, &change, &err));
	ASSERT_OK(rtnl_link_get_name(&node_nl, "host0", &link, &err));
	assert_int_equal(link.flags & IFF_UP, 0);
	assert_string_equal(link.alias, "ctnat/pods/c1/eth0");
	change = (struct link_change){ .alias = "" };
	ASSERT_OK(rtnl_link_change(&node_nl, link.ifindex, &change, &err));
	ASSERT_OK(rtnl_link_get_name(&node_nl, "host0", &link, &err));
	assert_int_equal(link.flags & IFF_UP, 0);
}

/* The kernel notices a carrier a little later, and makes its addresses then. */
static void wait_for_carrier(struct nl *nl, int ifindex)
{
	struct link link = { .flags = 0 };

	for (int i = 0; i < 500 && !(link.flags & IFF_RUNNING); i++) {
		ASSERT_OK(rtnl_link_get_index(nl, ifindex, &link, &err));
		usleep(10000);
	}
	assert_int_equal(link.flags & IFF_RUNNING, IFF_RUNNING);
}

/* The other end is up already: all that the kernel waits for is this message. */
static void no_linklocal_means_none(void **state)
{
	struct link_change up = { .set_up = true, .up = true };
	struct link_change down = { .set_up = true, .up = false };
	struct veth_spec spec = veth();
	struct link host, eth0;

	(void)state;
	ASSERT_OK(rtnl_veth_add(&node_nl, &spec, &err));
	ASSERT_OK(rtnl_link_get_name(&node_nl, "host0", &host, &err));
	ASSERT_OK(rtnl_link_get_name(&pod_nl, "eth0", &eth0, &err));
	ASSERT_OK(rtnl_link_change(&pod_nl, eth0.ifindex, &up, &err));
	up.no_linklocal = true;
	ASSERT_OK(rtnl_link_change(&node_nl, host.ifindex, &up, &err));
	wait_for_carrier(&node_nl, host.ifindex);
	wait_for_carrier(&pod_nl, eth0.ifindex);
	assert_int_equal(count_addrs(&node_nl, host.ifindex), 0);
	assert_int_equal(count_addrs(&pod_nl, eth0.ifindex), 1);	/* without it: fe80:: */

	ASSERT_OK(rtnl_link_change(&pod_nl, eth0.ifindex, &down, &err));
	ASSERT_OK(rtnl_link_change(&pod_nl, eth0.ifindex, &up, &err));
	wait_for_carrier(&pod_nl, eth0.ifindex);
	assert_int_equal(count_addrs(&pod_nl, eth0.ifindex), 0);
}

static void deleting_one_end_takes_both(void **state)
{
	int ifindex = veth_up();
	struct link link;

	(void)state;
	ASSERT_OK(rtnl_link_del(&node_nl, ifindex, &err));
	assert_int_equal(rtnl_link_get_name(&pod_nl, "eth0", &link, &err), -ENODEV);
	assert_int_equal(rtnl_link_get_name(&node_nl, "host0", &link, &err), -ENODEV);
	assert_says("host0");
	assert_int_equal(rtnl_link_get_index(&node_nl, ifindex, &link, &err), -ENODEV);
	assert_int_equal(rtnl_link_del(&node_nl, ifindex, &err), -ENODEV);
}

/* More than one datagram holds. */
static void a_long_list_is_whole(void **state)
{
	enum { VETHS = 60 };
	char host_name[IFNAMSIZ], pod_name[IFNAMSIZ];
	struct veth_spec spec = veth();
	struct link *links;
	size_t n;

	(void)state;
	spec.host_name = host_name;
	spec.pod_name = pod_name;
	spec.pod_netns = self;
	for (int i = 0; i < VETHS; i++) {
		snprintf(host_name, sizeof(host_name), "h%d", i);
		snprintf(pod_name, sizeof(pod_name), "p%d", i);
		ASSERT_OK(rtnl_veth_add(&node_nl, &spec, &err));
	}
	ASSERT_OK(rtnl_link_list(&node_nl, &links, &n, &err));
	assert_int_equal(n, 2 * VETHS + 1);
	assert_string_equal(links[0].name, "lo");
	for (size_t i = 1; i < n; i++) {
		assert_string_equal(links[i].kind, "veth");
		assert_true(links[i].ifindex > links[i - 1].ifindex);
	}
	free(links);
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void addresses_are_read_back_as_written(void **state)
{
	int ifindex = veth_up();
	struct ifaddr v4 = {
		.cidr = prefix("10.244.1.5/32"), .ifindex = ifindex, .scope = RT_SCOPE_UNIVERSE,
		.flags = IFA_F_NOPREFIXROUTE,
	};
	struct ifaddr v6 = {
		.cidr = prefix("fd00:10:244:1::5/128"), .ifindex = ifindex,
		.flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE,
	};
	struct ifaddr link_local = {
		.cidr = prefix("169.254.1.1/32"), .ifindex = ifindex, .scope = RT_SCOPE_LINK,
	};
	struct ifaddr *list;
	size_t n;

	(void)state;
	ASSERT_OK(rtnl_addr_add(&node_nl, &v4, &err));
	ASSERT_OK(rtnl_addr_add(&node_nl, &link_local, &err));
	ASSERT_OK(rtnl_addr_add(&node_nl, &v6, &err));
	assert_int_equal(rtnl_addr_add(&node_nl, &v4, &err), -EEXIST);
	assert_says("10.244.1.5/32");
	assert_int_equal(rtnl_addr_add(&node_nl, &v6, &err), -EEXIST);

	ASSERT_OK(rtnl_addr_list(&node_nl, ifindex, &list, &n, &err));
	assert_int_equal(n, 3);
	/* Narrow scopes first: that is the kernel's order. */
	assert_memory_equal(&list[0].cidr, &link_local.cidr, sizeof(link_local.cidr));
	assert_int_equal(list[0].scope, RT_SCOPE_LINK);
	assert_memory_equal(&list[1].cidr, &v4.cidr, sizeof(v4.cidr));
	assert_int_equal(list[1].ifindex, ifindex);
	assert_int_equal(list[1].scope, RT_SCOPE_UNIVERSE);
	assert_int_equal(list[1].flags, IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE);
	assert_memory_equal(&list[2].cidr, &v6.cidr, sizeof(v6.cidr));
	assert_int_equal(list[2].flags, IFA_F_PERMANENT | IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
	free(list);
}

static void one_links_addresses_are_not_anothers(void **state)
{
	struct link_change up = { .set_up = true, .up = true };
	struct ifaddr addr = { .cidr = prefix("10.244.1.5/32"), .ifindex = veth_up() };
	struct ifaddr *list;
	size_t n;

	(void)state;
	ASSERT_OK(rtnl_link_change(&node_nl, 1, &up, &err));	/* lo: 127.0.0.1 and ::1 */
	ASSERT_OK(rtnl_addr_add(&node_nl, &addr, &err));
	assert_int_equal(count_addrs(&node_nl, addr.ifindex), 1);
	assert_int_equal(count_addrs(&node_nl, 1), 2);
	assert_int_equal(count_addrs(&node_nl, 0), 3);
	assert_int_equal(rtnl_addr_list(&node_nl, 4711, &list, &n, &err), -ENODEV);
	assert_says("4711");
}

/* `ip addr add A peer B`: A is ours. */
static void of_a_pair_of_addresses_ours_is_told(void **state)
{
	struct cidr ours4 = prefix("192.0.2.1/32"), ours6 = prefix("2001:db8::1/128");
	int ifindex = veth_up();
	struct ifaddr *list;
	size_t n;

	(void)state;
	assert_int_equal(system("ip addr add 192.0.2.1 peer 192.0.2.2/32 dev host0 &&"
				"ip addr add 2001:db8::1 peer 2001:db8::2/128 dev host0"), 0);
	ASSERT_OK(rtnl_addr_list(&node_nl, ifindex, &list, &n, &err));
	assert_int_equal(n, 2);
	assert_memory_equal(&list[0].cidr, &ours4, sizeof(ours4));
	assert_memory_equal(&list[1].cidr, &ours6, sizeof(ours6));
	free(list);
}

/* ---- routes ---------------------------------------------------------------------------------- */

static struct route host_route(const char *dst, int oif)
{
	return (struct route){
		.dst = prefix(dst), .oif = oif, .protocol = RTPROT_CTNAT, .scope = RT_SCOPE_LINK,
	};
}

static void a_route_is_read_back_as_written(void **state)
{
	int ifindex = veth_up();
	struct ifaddr local = { .cidr = prefix("192.0.2.10/32"), .ifindex = ifindex };
	struct route_filter filter = { .protocol = RTPROT_CTNAT };
	struct route pod_route = host_route("10.244.1.5/32", ifindex), *list;
	struct route gate = {
		.dst = prefix("0.0.0.0/0"), .gateway = address("169.254.1.1"), .oif = ifindex,
		.protocol = RTPROT_CTNAT, .mtu = 1350, .metric = 7, .table = RT_TABLE_MAIN,
		.type = RTN_UNICAST, .onlink = true,
	};
	struct route gate6 = {
		.dst = prefix("::/0"), .gateway = address("fe80::1"), .oif = ifindex,
		.protocol = RTPROT_CTNAT, .metric = 1024, .table = RT_TABLE_MAIN,
		.type = RTN_UNICAST, .onlink = true,
	};
	size_t n;

	(void)state;
	ASSERT_OK(rtnl_addr_add(&node_nl, &local, &err));
	pod_route.prefsrc = local.cidr.addr;
	ASSERT_OK(rtnl_route_add(&node_nl, &pod_route, &err));
	ASSERT_OK(rtnl_route_add(&node_nl, &gate, &err));
	ASSERT_OK(rtnl_route_add(&node_nl, &gate6, &err));

	ASSERT_OK(rtnl_route_list(&node_nl, &filter, &list, &n, &err));
	assert_int_equal(n, 3);
	pod_route.table = RT_TABLE_MAIN;
	pod_route.type = RTN_UNICAST;
	assert_memory_equal(&list[0], &gate, sizeof(gate));
	assert_memory_equal(&list[1], &pod_route, sizeof(pod_route));
	assert_memory_equal(&list[2], &gate6, sizeof(gate6));
	free(list);
}

static void routes_are_added_once_and_replaced_at_will(void **state)
{
	static const char *const pods[] = { "10.244.1.5/32", "fd00:10:244:1::5/128" };
	int ifindex = veth_up();

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct route route = host_route(pods[i], ifindex);

		ASSERT_OK(rtnl_route_add(&node_nl, &route, &err));
		assert_int_equal(rtnl_route_add(&node_nl, &route, &err), -EEXIST);
		assert_says(pods[i]);
		ASSERT_OK(rtnl_route_replace(&node_nl, &route, &err));
	}
}

static void lists_hold_what_was_asked_for(void **state)
{
	int ifindex = veth_up();
	struct route route = host_route("10.244.1.5/32", ifindex);
	struct route_filter filter = { .oif = 0 };
	struct route *list;
	size_t n;

	(void)state;
	/* Before the first route there is no main table of IPv4 at all. */
	filter.protocol = RTPROT_CTNAT;
	assert_int_equal(count_routes(&filter), 0);

	ASSERT_OK(rtnl_route_add(&node_nl, &route, &err));
	assert_int_equal(system("ip link set lo up && ip route add 192.0.2.0/24 dev lo &&"
				"ip route add default dev lo && ip -6 route add default dev lo &&"
				"ip route add 203.0.113.0/24 dev host0 table 4711 proto 201 &&"
				"ip -6 route add 2001:db8::/32 dev host0 metric 5"), 0);

	filter = (struct route_filter){ .oif = ifindex, .protocol = RTPROT_CTNAT };
	assert_int_equal(count_routes(&filter), 1);
	filter.protocol = RTPROT_BOOT;
	assert_int_equal(count_routes(&filter), 1);
	filter = (struct route_filter){ .default_only = true };
	assert_int_equal(count_routes(&filter), 2);
	filter = (struct route_filter){ .default_only = true, .oif = ifindex };
	assert_int_equal(count_routes(&filter), 0);
	filter = (struct route_filter){ .protocol = RTPROT_CTNAT };
	assert_int_equal(count_routes(&filter), 1);
	filter = (struct route_filter){ .oif = 4711 };
	assert_int_equal(rtnl_route_list(&node_nl, &filter, &list, &n, &err), -ENODEV);
}

static void every_next_hop_is_a_route(void **state)
{
	struct route_filter filter = { .default_only = true };
	struct addr hops[] = { address("192.0.2.2"), address("192.0.2.3"), address("2001:db8::2"),
			       address("2001:db8::3") };
	struct addr via = address("fe80::1");
	int ifindex = veth_up();
	struct route *list;
	size_t n;

	(void)state;
	assert_int_equal(system("ip addr add 192.0.2.1/24 dev host0 &&"
				"ip addr add 2001:db8::1/64 dev host0 nodad &&"
				"ip route add default nexthop via 192.0.2.2 dev host0"
				" nexthop via 192.0.2.3 dev host0 &&"
				"ip route add default nexthop via 2001:db8::2 dev host0"
				" nexthop via 2001:db8::3 dev host0"), 0);
	ASSERT_OK(rtnl_route_list(&node_nl, &filter, &list, &n, &err));
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		assert_memory_equal(&list[i].gateway, &hops[i], sizeof(hops[i]));
		assert_int_equal(list[i].oif, ifindex);
	}
	free(list);

	assert_int_equal(system("ip route replace 0.0.0.0/0 via inet6 fe80::1 dev host0"), 0);
	ASSERT_OK(rtnl_route_list(&node_nl, &filter, &list, &n, &err));
	assert_int_equal(n, 3);	/* IPv4 comes first */
	assert_memory_equal(&list[0].gateway, &via, sizeof(via));
	free(list);
}

static void the_fib_answers(void **state)
{
	struct addr world = address("203.0.113.9"), world6 = address("2001:db8:9::9");
	struct addr own = address("192.0.2.1"), gateway = address("192.0.2.2");
	int ifindex = veth_up();
	struct route route;

	(void)state;
	assert_int_equal(rtnl_route_get(&node_nl, &world, &route, &err), -ENETUNREACH);
	assert_says("203.0.113.9");
	assert_int_equal(rtnl_route_get(&node_nl, &world6, &route, &err), -ENETUNREACH);

	assert_int_equal(system("ip addr add 192.0.2.1/24 dev host0 && ip link set lo up &&"
				"ip addr add 2001:db8::1/64 dev host0 nodad &&"
				"ip route add default via 192.0.2.2 &&"
				"ip route add 2001:db8:9::/48 via 2001:db8::2"), 0);
	ASSERT_OK(rtnl_route_get(&node_nl, &world, &route, &err));
	assert_int_equal(route.type, RTN_UNICAST);
	assert_int_equal(route.oif, ifindex);
	assert_memory_equal(&route.gateway, &gateway, sizeof(gateway));
	assert_memory_equal(&route.prefsrc, &own, sizeof(own));
	ASSERT_OK(rtnl_route_get(&node_nl, &own, &route, &err));
	assert_int_equal(route.type, RTN_LOCAL);
	ASSERT_OK(rtnl_route_get(&node_nl, &world6, &route, &err));
	assert_int_equal(route.type, RTN_UNICAST);
	assert_int_equal(route.oif, ifindex);
}

/* ---- neighbours ------------------------------------------------------------------------------ */

static void neighbours_are_set_and_replaced(void **state)
{
	static const char *const gateways[] = { "169.254.1.1", "fe80::1" };
	int ifindex = veth_up();
	__u8 mac[MAC_LEN];
	unsigned int nud;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct addr gateway = address(gateways[i]);

		assert_int_equal(rtnl_neigh_get(&node_nl, ifindex, &gateway, mac, &nud, &err),
				 -ENOENT);
		assert_says(gateways[i]);
		ASSERT_OK(rtnl_neigh_set(&node_nl, ifindex, &gateway, host_mac, &err));
		ASSERT_OK(rtnl_neigh_set(&node_nl, ifindex, &gateway, pod_mac, &err));
		ASSERT_OK(rtnl_neigh_get(&node_nl, ifindex, &gateway, mac, &nud, &err));
		assert_memory_equal(mac, pod_mac, MAC_LEN);
		assert_int_equal(nud, NUD_PERMANENT);
	}
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		test(a_veth_is_born_whole),
		test(a_taken_name_leaves_nothing_behind),
		test(what_does_not_fit_is_refused_not_cut),
		test(a_change_does_all_at_once),
		test(no_linklocal_means_none),
		test(deleting_one_end_takes_both),
		test(a_long_list_is_whole),
		test(addresses_are_read_back_as_written),
		test(one_links_addresses_are_not_anothers),
		test(of_a_pair_of_addresses_ours_is_told),
		test(a_route_is_read_back_as_written),
		test(routes_are_added_once_and_replaced_at_will),
		test(lists_hold_what_was_asked_for),
		test(every_next_hop_is_a_route),
		test(the_fib_answers),
		test(neighbours_are_set_and_replaced),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("rtnl", tests, NULL, NULL);
}
