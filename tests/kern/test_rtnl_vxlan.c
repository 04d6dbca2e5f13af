// SPDX-License-Identifier: Apache-2.0
/*
 * VXLAN devices, their forwarding entries and neighbours, and routes by the thousand, against the
 * running kernel. Each test is a node of its own, in a namespace with nothing but `lo`.
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

#include <cmocka.h>

#include "base/addr.h"
#include "kern/rtnl_addr.h"
#include "kern/rtnl_batch.h"
#include "kern/rtnl_link.h"
#include "kern/rtnl_neigh.h"
#include "kern/rtnl_route.h"
#include "kern/rtnl_vxlan.h"

#define ASSERT_OK(call)                                     \
	do {                                                \
		if ((call) < 0)                             \
			fail_msg("%s: %s", #call, err.msg); \
	} while (0)

#define MANY 5000	/* several batches */

static const __u8 mac[MAC_LEN] = { 0x02, 0, 0, 0, 0, 1 };

static struct nl nl;
static struct rtnl_batch batch;
static struct err err;

static int set_up(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET) < 0 ? -1 : nl_open(&nl, NETLINK_ROUTE, &err);
}

static int tear_down(void **state)
{
	(void)state;
	nl_close(&nl);
	return 0;
}

static void sh(const char *command)
{
	assert_int_equal(system(command), 0);
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

static void assert_says(const char *what)
{
	if (!strstr(err.msg, what))
		fail_msg("'%s' does not say '%s'", err.msg, what);
}

static struct vxlan_spec spec(const char *local)
{
	struct vxlan_spec spec = {
		.name = "vx0", .mtu = 1430, .id = 0x63746e, .local = address(local), .port = 4789,
	};

	memcpy(spec.mac, mac, MAC_LEN);
	return spec;
}

/* A device that is up. Returns its ifindex. */
static int vxlan_up(const char *local)
{
	struct link_change up = { .set_up = true, .up = true, .no_linklocal = true };
	struct vxlan_spec vxlan = spec(local);
	struct link link;

	ASSERT_OK(rtnl_vxlan_add(&nl, &vxlan, &err));
	ASSERT_OK(rtnl_link_get_name(&nl, "vx0", &link, &err));
	ASSERT_OK(rtnl_link_change(&nl, link.ifindex, &up, &err));
	return link.ifindex;
}

/* ---- devices --------------------------------------------------------------------------------- */

static void a_device_is_as_asked_for(void **state)
{
	static const char *const locals[] = { "192.0.2.10", "2001:db8::10" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct vxlan_spec wanted = spec(locals[i]);
		struct vxlan vxlan;
		struct link link;

		ASSERT_OK(rtnl_vxlan_add(&nl, &wanted, &err));
		assert_int_equal(rtnl_vxlan_add(&nl, &wanted, &err), -EEXIST);
		assert_says("create VXLAN device 'vx0'");
		ASSERT_OK(rtnl_link_get_name(&nl, "vx0", &link, &err));
		assert_string_equal(link.kind, "vxlan");
		assert_memory_equal(link.mac, mac, MAC_LEN);
		assert_int_equal(link.mtu, 1430);
		assert_int_equal(link.flags & IFF_UP, 0);
		ASSERT_OK(rtnl_vxlan_get(&nl, link.ifindex, &vxlan, &err));
		assert_int_equal(vxlan.id, 0x63746e);
		assert_memory_equal(&vxlan.local, &wanted.local, sizeof(wanted.local));
		assert_int_equal(vxlan.port, 4789);
		assert_false(vxlan.learning);
		assert_true(vxlan.own_sums);
		/* in the words of another */
		sh("ip -d link show vx0 | grep -q ' id 6517870 .* dstport 4789 nolearning .*"
		   "noudpcsum noudp6zerocsumtx noudp6zerocsumrx'");
		ASSERT_OK(rtnl_link_del(&nl, link.ifindex, &err));
	}
}

static void anothers_device_is_told_apart(void **state)
{
	struct vxlan vxlan = { .id = 7 };
	struct link link;

	(void)state;
	sh("ip link add vx0 type vxlan id 5 dstport 8472 local 192.0.2.9 learning udpcsum");
	ASSERT_OK(rtnl_link_get_name(&nl, "vx0", &link, &err));
	ASSERT_OK(rtnl_vxlan_get(&nl, link.ifindex, &vxlan, &err));
	assert_int_equal(vxlan.id, 5);
	assert_int_equal(vxlan.port, 8472);
	assert_true(vxlan.learning);
	assert_false(vxlan.own_sums);

	sh("ip link del vx0 && ip link add vx0 type veth");
	ASSERT_OK(rtnl_link_get_name(&nl, "vx0", &link, &err));
	vxlan.id = 7;
	assert_int_equal(rtnl_vxlan_get(&nl, link.ifindex, &vxlan, &err), -EPROTOTYPE);
	assert_int_equal(vxlan.id, 7);
	assert_int_equal(rtnl_vxlan_get(&nl, 4711, &vxlan, &err), -ENODEV);
}

static void the_mtu_of_a_link_is_changed(void **state)
{
	struct link_change change = { .mtu = 1300 };
	int ifindex = vxlan_up("192.0.2.10");
	struct link link;

	(void)state;
	ASSERT_OK(rtnl_link_change(&nl, ifindex, &change, &err));
	ASSERT_OK(rtnl_link_get_index(&nl, ifindex, &link, &err));
	assert_int_equal(link.mtu, 1300);
	assert_int_equal(link.flags & IFF_UP, IFF_UP);
}

static void an_address_goes_as_it_came(void **state)
{
	static const char *const addrs[] = { "10.244.1.0/32", "fd00:10:244:1::/128" };
	int ifindex = vxlan_up("192.0.2.10");
	struct ifaddr *list;
	size_t n;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct ifaddr addr = { .cidr = prefix(addrs[i]), .ifindex = ifindex,
				       .flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE };

		assert_int_equal(rtnl_addr_del(&nl, &addr, &err), -EADDRNOTAVAIL);
		assert_says(addrs[i]);
		ASSERT_OK(rtnl_addr_add(&nl, &addr, &err));
		ASSERT_OK(rtnl_addr_del(&nl, &addr, &err));
		ASSERT_OK(rtnl_addr_list(&nl, ifindex, &list, &n, &err));
		assert_int_equal(n, 0);
		free(list);
	}
}

/* ---- entries --------------------------------------------------------------------------------- */

static struct neigh entry(const char *addr, __u8 last)
{
	struct neigh neigh = { .addr = address(addr), .mac = { 0x02, 0, 0, 0, 1, last },
			       .state = NUD_PERMANENT };

	return neigh;
}

static int by_mac(const void *a, const void *b)
{
	return memcmp(((const struct neigh *)a)->mac, ((const struct neigh *)b)->mac, MAC_LEN);
}

/* The entries of the list are those, in the order of their MACs. */
static void assert_entries(struct neigh *list, size_t n, const struct neigh *wanted, size_t n_wanted)
{
	assert_int_equal(n, n_wanted);
	if (n)
		qsort(list, n, sizeof(*list), by_mac);
	for (size_t i = 0; i < n; i++) {
		assert_memory_equal(list[i].mac, wanted[i].mac, MAC_LEN);
		assert_memory_equal(&list[i].addr, &wanted[i].addr, sizeof(wanted[i].addr));
		assert_true(list[i].state & NUD_PERMANENT);
		assert_int_equal(list[i].other, wanted[i].other);
	}
	free(list);
}

static void forwarding_entries_are_set_replaced_and_deleted(void **state)
{
	struct neigh wanted[] = { entry("192.0.2.11", 1), entry("192.0.2.12", 2) };
	int ifindex = vxlan_up("192.0.2.10"), other;
	struct neigh *list;
	size_t n;

	(void)state;
	sh("ip link add vx1 type vxlan id 5 dstport 8472 local 192.0.2.10 &&"
	   "bridge fdb add 02:00:00:00:09:09 dev vx1 dst 192.0.2.99");
	rtnl_batch_begin(&batch, &nl);
	rtnl_batch_fdb_set(&batch, ifindex, &wanted[0]);
	rtnl_batch_fdb_set(&batch, ifindex, &wanted[1]);
	ASSERT_OK(rtnl_batch_end(&batch, &err));
	ASSERT_OK(rtnl_fdb_list(&nl, ifindex, &list, &n, &err));
	assert_entries(list, n, wanted, 2);

	wanted[1] = entry("192.0.2.13", 2);
	rtnl_batch_begin(&batch, &nl);
	rtnl_batch_fdb_set(&batch, ifindex, &wanted[1]);
	rtnl_batch_fdb_del(&batch, ifindex, &wanted[0]);
	ASSERT_OK(rtnl_batch_end(&batch, &err));
	ASSERT_OK(rtnl_fdb_list(&nl, ifindex, &list, &n, &err));
	assert_entries(list, n, &wanted[1], 1);

	/* By another port: shown, and put right. */
	sh("bridge fdb replace 02:00:00:00:01:02 dev vx0 dst 192.0.2.13 port 9999");
	wanted[1].other = true;
	ASSERT_OK(rtnl_fdb_list(&nl, ifindex, &list, &n, &err));
	assert_entries(list, n, &wanted[1], 1);
	wanted[1].other = false;
	rtnl_batch_begin(&batch, &nl);
	rtnl_batch_fdb_set(&batch, ifindex, &wanted[1]);
	ASSERT_OK(rtnl_batch_end(&batch, &err));
	ASSERT_OK(rtnl_fdb_list(&nl, ifindex, &list, &n, &err));
	assert_entries(list, n, &wanted[1], 1);

	rtnl_batch_begin(&batch, &nl);
	rtnl_batch_fdb_del(&batch, ifindex, &wanted[1]);
	rtnl_batch_fdb_del(&batch, ifindex, &wanted[1]);	/* is gone by then: no error */
	ASSERT_OK(rtnl_batch_end(&batch, &err));
	ASSERT_OK(rtnl_fdb_list(&nl, ifindex, &list, &n, &err));
	assert_entries(list, n, NULL, 0);
	other = ifindex + 1;
	ASSERT_OK(rtnl_fdb_list(&nl, other, &list, &n, &err));
	assert_int_equal(n, 1);	/* another device's are its own */
	free(list);
}

static void neighbours_of_both_families_are_listed(void **state)
{
	struct neigh wanted[] = { entry("10.244.2.0", 1), entry("fd00:10:244:2::", 2) };
	int ifindex = vxlan_up("192.0.2.10");
	struct neigh *list;
	size_t n;

	(void)state;
	sh("ip link add d0 type veth peer name d1 && ip link set d0 up && ip link set d1 up &&"
	   "ip neigh add 10.244.3.0 lladdr 02:00:00:00:09:09 dev d0");
	for (int round = 0; round < 2; round++) {
		rtnl_batch_begin(&batch, &nl);
		for (size_t i = 0; i < 2; i++)
			rtnl_batch_neigh_set(&batch, ifindex, &wanted[i]);
		ASSERT_OK(rtnl_batch_end(&batch, &err));
		ASSERT_OK(rtnl_neigh_list(&nl, ifindex, &list, &n, &err));
		assert_entries(list, n, wanted, 2);
		wanted[0].mac[4] = wanted[1].mac[4] = 7;	/* replaced in the second round */
	}
	rtnl_batch_begin(&batch, &nl);
	for (size_t i = 0; i < 2; i++)
		rtnl_batch_neigh_del(&batch, ifindex, &wanted[i]);
	ASSERT_OK(rtnl_batch_end(&batch, &err));
	sh("test -z \"$(ip neigh show dev vx0 nud permanent)\"");
}

/* ---- many at a time -------------------------------------------------------------------------- */

static struct route route_to(unsigned int i, int oif)
{
	struct route route = {
		.dst = prefix("10.244.0.0/32"), .oif = oif, .protocol = RTPROT_CTNAT_NODES,
		.scope = RT_SCOPE_LINK,
	};

	route.dst.addr = addr_add(&route.dst.addr, i);
	return route;
}

static size_t count_routes(const struct route_filter *filter)
{
	struct route *list;
	size_t n;

	ASSERT_OK(rtnl_route_list(&nl, filter, &list, &n, &err));
	free(list);
	return n;
}

static void a_batch_of_thousands_is_done(void **state)
{
	struct route_filter ours = { .protocol = RTPROT_CTNAT_NODES };
	int ifindex = vxlan_up("192.0.2.10");

	(void)state;
	rtnl_batch_begin(&batch, &nl);
	for (unsigned int i = 0; i < MANY; i++) {
		struct route route = route_to(i, ifindex);

		rtnl_batch_route_add(&batch, &route);
	}
	ASSERT_OK(rtnl_batch_end(&batch, &err));
	assert_int_equal(batch.messages, MANY);
	assert_int_equal(count_routes(&ours), MANY);

	rtnl_batch_begin(&batch, &nl);
	for (unsigned int i = 0; i < MANY; i++) {
		struct route route = route_to(i, ifindex);

		rtnl_batch_route_del(&batch, &route);
	}
	ASSERT_OK(rtnl_batch_end(&batch, &err));
	assert_int_equal(count_routes(&ours), 0);
}

static void a_refused_one_is_named_and_the_others_are_done(void **state)
{
	struct route_filter ours = { .protocol = RTPROT_CTNAT_NODES };
	int ifindex = vxlan_up("192.0.2.10");

	(void)state;
	sh("ip route add 10.244.0.7/32 dev vx0 proto 99");
	rtnl_batch_begin(&batch, &nl);
	for (unsigned int i = 0; i < MANY; i++) {
		struct route route = route_to(i, ifindex);

		rtnl_batch_route_add(&batch, &route);
	}
	assert_int_equal(rtnl_batch_end(&batch, &err), -EEXIST);
	assert_says("set route 10.244.0.7/32: ");
	assert_int_equal(count_routes(&ours), MANY - 1);
	ours.protocol = 99;
	assert_int_equal(count_routes(&ours), 1);

	/* the next batch knows nothing of it */
	rtnl_batch_begin(&batch, &nl);
	ASSERT_OK(rtnl_batch_end(&batch, &err));
	assert_int_equal(batch.messages, 0);
}

static void a_refused_entry_is_named(void **state)
{
	struct neigh bad = entry("192.0.2.11", 1);

	(void)state;
	rtnl_batch_begin(&batch, &nl);
	rtnl_batch_neigh_set(&batch, 4711, &bad);
	assert_int_equal(rtnl_batch_end(&batch, &err), -ENODEV);
	assert_says("set neighbour 192.0.2.11 of link 4711: ");
	rtnl_batch_begin(&batch, &nl);
	rtnl_batch_fdb_set(&batch, 4711, &bad);
	assert_int_equal(rtnl_batch_end(&batch, &err), -ENODEV);
	assert_says("set forwarding entry 02:00:00:00:01:01 of link 4711: ");
}

static void routes_of_others_are_not_deleted(void **state)
{
	static const char *const dsts[] = { "10.244.2.0/24", "fd00:10:244:2::/64" };
	struct route_filter others = { .protocol = 99 };

	(void)state;
	sh("ip link add d0 type veth peer name d1 && ip link set d0 up && ip link set d1 up && ip route add 10.244.2.0/24 dev d0 proto 99 &&"
	   "ip route add fd00:10:244:2::/64 dev d0 proto 99");
	rtnl_batch_begin(&batch, &nl);
	for (size_t i = 0; i < 2; i++) {
		struct route route = { .dst = prefix(dsts[i]), .protocol = RTPROT_CTNAT_NODES,
				       .scope = RT_SCOPE_LINK };

		rtnl_batch_route_del(&batch, &route);
	}
	ASSERT_OK(rtnl_batch_end(&batch, &err));	/* such a one of ours is gone, after all */
	assert_int_equal(count_routes(&others), 2);
}

static void a_route_is_replaced_in_place(void **state)
{
	static const char *const dsts[] = { "10.244.2.0/24", "fd00:10:244:2::/64" };
	static const char *const gateways[2][2] = { { "192.0.2.11", "192.0.2.12" },
						    { "2001:db8::11", "2001:db8::12" } };
	struct route_filter ours = { .protocol = RTPROT_CTNAT_NODES };
	struct route *list;
	size_t n;

	(void)state;
	sh("ip link add d0 type veth peer name d1 && ip link set d0 up && ip link set d1 up && ip addr add 192.0.2.10/24 dev d0 &&"
	   "ip addr add 2001:db8::10/64 dev d0 nodad");
	for (size_t i = 0; i < 4; i++) {
		struct route route = { .dst = prefix(dsts[i / 2]), .protocol = RTPROT_CTNAT_NODES,
				       .gateway = address(gateways[i / 2][i % 2]) };

		rtnl_batch_begin(&batch, &nl);
		rtnl_batch_route_replace(&batch, &route);
		ASSERT_OK(rtnl_batch_end(&batch, &err));
		ASSERT_OK(rtnl_route_list(&nl, &ours, &list, &n, &err));
		assert_int_equal(n, i / 2 + 1);
		assert_memory_equal(&list[i / 2].gateway, &route.gateway, sizeof(route.gateway));
		free(list);
	}
}

static bool has_even_host(const struct route *route, const void *data)
{
	(void)data;
	return !(route->dst.addr.byte[15] & 1);
}

static void a_list_keeps_what_its_reader_wants(void **state)
{
	struct route_filter even = { .keep = has_even_host };
	int ifindex = vxlan_up("192.0.2.10");

	(void)state;
	rtnl_batch_begin(&batch, &nl);
	for (unsigned int i = 0; i < 100; i++) {
		struct route route = route_to(i, ifindex);

		rtnl_batch_route_add(&batch, &route);
	}
	ASSERT_OK(rtnl_batch_end(&batch, &err));
	assert_int_equal(count_routes(&even), 50);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		test(a_device_is_as_asked_for),
		test(anothers_device_is_told_apart),
		test(the_mtu_of_a_link_is_changed),
		test(an_address_goes_as_it_came),
		test(forwarding_entries_are_set_replaced_and_deleted),
		test(neighbours_of_both_families_are_listed),
		test(a_batch_of_thousands_is_done),
		test(a_refused_one_is_named_and_the_others_are_done),
		test(a_refused_entry_is_named),
		test(routes_of_others_are_not_deleted),
		test(a_route_is_replaced_in_place),
		test(a_list_keeps_what_its_reader_wants),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("rtnl_vxlan", tests, NULL, NULL);
}
