// SPDX-License-Identifier: Apache-2.0
/*
 * What the base table does to packets: a pod, a node, and the world behind its uplink.
 *
 *	pod eth0 10.244.1.5 --- pod0  node  eth0 192.0.2.10 --- eth0 192.0.2.1  world 198.51.100.9
 *	         fd00:10:244:1::5                2001:db8::10           2001:db8::1   2001:db8:9::9
 *
 * The world also holds 10.96.0.9, as if a service range were in real use there, and routes pods'
 * addresses to the node: so what leaks arrives, and is seen.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "kern/nft.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PORT 4000		/* of servers */
#define ARRIVES_MS 2000		/* at the latest */
#define LOST_MS 100		/* after that it will not come */

static int node_ns, pod_ns, world_ns;
static struct nl nl;

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct addr_range range(const char *text)
{
	struct cidr c;

	assert_int_equal(cidr_parse(text, &c), 0);
	return (struct addr_range){ cidr_first(&c), cidr_last(&c) };
}

static void shell(const char *command)
{
	if (system(command))
		fail_msg("'%s' failed", command);
}

static int open_ns(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int make_everything(void **state)
{
	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("run", "/run", "tmpfs", 0, NULL), 0);
	shell("ip netns add pod && ip netns add world &&"
	      "ip link add pod0 type veth peer name eth0 netns pod &&"
	      "ip link add eth0 type veth peer name eth0 netns world &&"
	      "ip link set lo up && ip link set pod0 up && ip link set eth0 up &&"
	      "ip -n pod link set eth0 up &&"
	      "ip -n world link set eth0 up && ip -n world link set lo up");
	shell("ip addr add 10.244.1.1/24 dev pod0 &&"
	      "ip addr add fd00:10:244:1::1/64 dev pod0 nodad &&"
	      "ip addr add 192.0.2.10/24 dev eth0 && ip addr add 2001:db8::10/64 dev eth0 nodad &&"
	      "ip route add default via 192.0.2.1 && ip route add default via 2001:db8::1 &&"
	      "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
	shell("ip -n pod addr add 10.244.1.5/24 dev eth0 &&"
	      "ip -n pod route add default via 10.244.1.1 &&"
	      "ip -n pod addr add fd00:10:244:1::5/64 dev eth0 nodad &&"
	      "ip -n pod route add default via fd00:10:244:1::1");
	shell("ip -n world addr add 192.0.2.1/24 dev eth0 &&"
	      "ip -n world addr add 2001:db8::1/64 dev eth0 nodad &&"
	      "for a in 198.51.100.9/32 10.96.0.9/32 203.0.113.9/32 2001:db8:9::9/128; do"
	      " ip -n world addr add $a dev lo; done &&"
	      "ip -n world route add 10.244.0.0/16 via 192.0.2.10 &&"
	      "ip -n world route add fd00:10:244::/48 via 2001:db8::10");
	node_ns = open_ns("/proc/self/ns/net");
	pod_ns = open_ns("/run/netns/pod");
	world_ns = open_ns("/run/netns/world");
	return nl_open(&nl, NETLINK_NETFILTER, NULL);
}

static int unmake_everything(void **state)
{
	(void)state;
	nl_close(&nl);
	close(world_ns);
	close(pod_ns);
	close(node_ns);
	return 0;
}

/* Every test begins without flows. */
static int forget_flows(void **state)
{
	(void)state;
	shell("conntrack -F 2>/dev/null");
	return 0;
}

/* Uplink eth0; what `leave` and the ports are, tests change. */
static void apply(bool guard, __u16 port_min, __u16 port_max)
{
	const struct addr_range pods[] = { range("10.244.1.0/24"), range("fd00:10:244:1::/64") };
	const struct addr_range leave[] = { range("10.244.0.0/16"), range("203.0.113.0/24"),
					    range("fd00:10:244::/48") };
	const struct addr_range services[] = { range("10.96.0.0/12") };
	const struct nft_uplink uplink = { "eth0", address("192.0.2.10"), address("2001:db8::10") };
	const struct nft_spec spec = {
		.pods = pods, .n_pods = COUNT(pods), .leave = leave, .n_leave = COUNT(leave),
		.services = services, .n_services = COUNT(services),
		.uplinks = &uplink, .n_uplinks = 1,
		.port_min = port_min, .port_max = port_max, .guard = guard,
	};
	struct err err = { 0 };

	if (nft_apply(&nl, &spec, &err))
		fail_msg("apply: %s", err.msg);
}

/* ---- sockets in other namespaces ------------------------------------------------------------- */

struct endpoint {
	struct addr addr;
	__u16 port;
};

static struct sockaddr_storage sockaddr_of(const struct endpoint *e, socklen_t *len)
{
	struct sockaddr_storage ss = { .ss_family = addr_family(&e->addr) };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ss;
	size_t n;
	const void *bytes = addr_bytes(&e->addr, &n);

	if (ss.ss_family == AF_INET) {
		v4->sin_port = htons(e->port);
		memcpy(&v4->sin_addr, bytes, n);
		*len = sizeof(*v4);
	} else {
		v6->sin6_port = htons(e->port);
		memcpy(&v6->sin6_addr, bytes, n);
		*len = sizeof(*v6);
	}
	return ss;
}

static struct endpoint endpoint_of(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;
	bool is_v4 = ss->ss_family == AF_INET;

	return (struct endpoint){
		.addr = is_v4 ? addr_from_bytes(AF_INET, &v4->sin_addr) :
				addr_from_bytes(AF_INET6, &v6->sin6_addr),
		.port = ntohs(is_v4 ? v4->sin_port : v6->sin6_port),
	};
}

static int bound(int ns, int type, const char *addr, __u16 port)
{
	struct endpoint e = { address(addr), port };
	socklen_t len;
	struct sockaddr_storage ss = sockaddr_of(&e, &len);
	int on = 1, fd;

	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
	fd = socket(ss.ss_family, type | SOCK_CLOEXEC, 0);
	assert_int_equal(setns(node_ns, CLONE_NEWNET), 0);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

static void wait_at_most(int fd, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
}

static void send_to(int fd, const struct endpoint *to)
{
	socklen_t len;
	struct sockaddr_storage ss = sockaddr_of(to, &len);

	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&ss, len), 1);
}

static void assert_received(int fd, struct endpoint *from)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char buf[16];

	wait_at_most(fd, ARRIVES_MS);
	if (recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&ss, &len) < 0)
		fail_msg("nothing arrived: %s", strerror(errno));
	*from = endpoint_of(&ss);
}

static void assert_silent(int fd)
{
	char buf[256];

	wait_at_most(fd, LOST_MS);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), -1);
}

static void assert_from(const struct endpoint *e, const char *addr)
{
	char text[ADDR_STRLEN];

	assert_string_equal(addr_format(&e->addr, text), addr);
}

/* One datagram from the pod's `from` to the world's `to`, and one back. Says whom the world saw. */
static struct endpoint exchange(const char *from, __u16 from_port, const char *to)
{
	_cleanup_close_ int client = bound(pod_ns, SOCK_DGRAM, from, from_port);
	_cleanup_close_ int server = bound(world_ns, SOCK_DGRAM, to, PORT);
	struct endpoint seen, answered, dst = { address(to), PORT };

	send_to(client, &dst);
	assert_received(server, &seen);
	send_to(server, &seen);
	assert_received(client, &answered);
	assert_from(&answered, to);
	return seen;
}

static unsigned long counted(const char *chain)
{
	char command[256], line[64] = "";
	FILE *f;

	snprintf(command, sizeof(command),
		 "nft list chain inet ctnat %s |"
		 "sed -n 's/.*ip saddr.*packets \\([0-9]*\\).*/\\1/p'", chain);
	f = popen(command, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	pclose(f);
	return strtoul(line, NULL, 10);
}

/* ---- translation ----------------------------------------------------------------------------- */

static void udp_leaves_with_the_uplinks_address(void **state)
{
	struct endpoint seen;

	(void)state;
	apply(true, 1024, 65535);
	seen = exchange("10.244.1.5", 5000, "198.51.100.9");
	assert_from(&seen, "192.0.2.10");
	seen = exchange("fd00:10:244:1::5", 5000, "2001:db8:9::9");
	assert_from(&seen, "2001:db8::10");
}

static void ports_come_from_the_range(void **state)
{
	(void)state;
	apply(true, 2000, 2003);
	for (__u16 port = 53; port < 57; port++) {
		struct endpoint seen = exchange("10.244.1.5", port, "198.51.100.9");

		assert_in_range(seen.port, 2000, 2003);
	}
}

static void tcp_connects(void **state)
{
	_cleanup_close_ int client = bound(pod_ns, SOCK_STREAM, "10.244.1.5", 5001);
	_cleanup_close_ int server = bound(world_ns, SOCK_STREAM, "198.51.100.9", PORT);
	struct endpoint dst = { address("198.51.100.9"), PORT }, peer;
	struct sockaddr_storage ss, from;
	socklen_t len, from_len = sizeof(from);
	int accepted;

	(void)state;
	apply(true, 2000, 2003);
	assert_int_equal(listen(server, 1), 0);
	wait_at_most(server, ARRIVES_MS);
	ss = sockaddr_of(&dst, &len);
	assert_int_equal(connect(client, (struct sockaddr *)&ss, len), 0);
	accepted = accept(server, (struct sockaddr *)&from, &from_len);
	assert_true(accepted >= 0);
	close(accepted);
	peer = endpoint_of(&from);
	assert_from(&peer, "192.0.2.10");
	assert_in_range(peer.port, 2000, 2003);
}

static void icmp_is_answered(void **state)
{
	(void)state;
	apply(true, 1024, 65535);
	shell("ip netns exec pod ping -c 1 -W 2 -q 198.51.100.9 >/dev/null");
	shell("ip netns exec pod ping -c 1 -W 2 -q 2001:db8:9::9 >/dev/null");
	shell("conntrack -L -p icmp 2>/dev/null | grep -q 'dst=192.0.2.10'");
}

static void what_is_left_keeps_the_pods_address(void **state)
{
	struct endpoint seen;

	(void)state;
	apply(true, 1024, 65535);
	seen = exchange("10.244.1.5", 5002, "203.0.113.9");
	assert_from(&seen, "10.244.1.5");
	assert_int_equal(seen.port, 5002);
}

/* Even where the operator forgot to say that they be left. */
static void pods_of_a_delegated_ipam_see_each_other(void **state)
{
	const struct addr other = address("198.51.100.9");
	struct endpoint seen;

	(void)state;
	apply(false, 1024, 65535);
	assert_int_equal(nft_pod_add(&nl, &other, NULL), 0);
	seen = exchange("10.244.1.5", 5008, "198.51.100.9");
	assert_from(&seen, "10.244.1.5");
	assert_int_equal(nft_pod_del(&nl, &other, NULL), 0);
	seen = exchange("10.244.1.5", 5009, "198.51.100.9");
	assert_from(&seen, "192.0.2.10");
}

static void other_devices_masquerade(void **state)
{
	struct endpoint seen;

	(void)state;
	apply(true, 1024, 65535);
	shell("ip link set eth0 down && ip link set eth0 name other && ip link set other up &&"
	      "ip addr add 2001:db8::10/64 dev other nodad && ip route add default via 192.0.2.1");
	seen = exchange("10.244.1.5", 5003, "198.51.100.9");
	shell("ip link set other down && ip link set other name eth0 && ip link set eth0 up &&"
	      "ip addr add 2001:db8::10/64 dev eth0 nodad && ip route add default via 192.0.2.1 &&"
	      "ip route add default via 2001:db8::1");
	assert_from(&seen, "192.0.2.10");
}

static void whoever_translates_first_has_decided(void **state)
{
	struct endpoint seen;

	(void)state;
	apply(true, 1024, 65535);
	shell("nft 'table ip proxy { chain late { type nat hook postrouting priority srcnat;"
	      " udp sport 5004 masquerade to :777; }; }'");
	seen = exchange("10.244.1.5", 5004, "198.51.100.9");
	shell("nft delete table ip proxy");
	assert_int_equal(seen.port, 777);
}

/* 50 new tables under 500 datagrams, each a new flow: none is lost, none has a pod's address. */
static void replacing_the_table_loses_nothing(void **state)
{
	_cleanup_close_ int server = bound(world_ns, SOCK_DGRAM, "198.51.100.9", PORT);
	struct endpoint seen, dst = { address("198.51.100.9"), PORT };

	(void)state;
	for (int i = 0; i < 500; i++) {
		_cleanup_close_ int client = bound(pod_ns, SOCK_DGRAM, "10.244.1.5", 10000 + i);

		if (i % 10 == 0)
			apply(false, 1024, 65535);
		send_to(client, &dst);
		assert_received(server, &seen);
		assert_from(&seen, "192.0.2.10");
	}
}

/* ---- drops ----------------------------------------------------------------------------------- */

static void an_unrouted_service_is_dropped(void **state)
{
	_cleanup_close_ int client = bound(pod_ns, SOCK_DGRAM, "10.244.1.5", 5005);
	_cleanup_close_ int server = bound(world_ns, SOCK_DGRAM, "10.96.0.9", PORT);
	struct endpoint dst = { address("10.96.0.9"), PORT };

	(void)state;
	apply(false, 1024, 65535);
	send_to(client, &dst);
	assert_silent(server);
	assert_int_equal(counted("unrouted"), 1);
}

static void a_service_with_dnat_is_not(void **state)
{
	_cleanup_close_ int client = bound(pod_ns, SOCK_DGRAM, "10.244.1.5", 5006);
	_cleanup_close_ int server = bound(world_ns, SOCK_DGRAM, "198.51.100.9", PORT);
	struct endpoint dst = { address("10.96.0.10"), 53 }, seen, answered;

	(void)state;
	apply(true, 1024, 65535);
	shell("nft 'table ip proxy { chain early { type nat hook prerouting priority dstnat;"
	      " ip daddr 10.96.0.10 udp dport 53 dnat to 198.51.100.9:4000; }; }'");
	send_to(client, &dst);
	assert_received(server, &seen);
	send_to(server, &seen);
	assert_received(client, &answered);
	shell("nft delete table ip proxy");
	assert_from(&seen, "192.0.2.10");
	assert_from(&answered, "10.96.0.10");
}

/* Somebody in a real service range speaks to the pod: the pod may answer, and so may its ICMP
 * errors. */
static void answers_to_a_service_range_pass(void **state)
{
	_cleanup_close_ int pod = bound(pod_ns, SOCK_DGRAM, "10.244.1.5", PORT);
	_cleanup_close_ int peer = bound(world_ns, SOCK_DGRAM, "10.96.0.9", PORT);
	struct endpoint dst = { address("10.244.1.5"), PORT }, closed = { dst.addr, 9 }, seen;
	socklen_t len;
	struct sockaddr_storage ss = sockaddr_of(&closed, &len);

	(void)state;
	apply(false, 1024, 65535);
	send_to(peer, &dst);
	assert_received(pod, &seen);
	send_to(pod, &seen);
	assert_received(peer, &seen);
	assert_from(&seen, "10.244.1.5");

	assert_int_equal(connect(peer, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(send(peer, "x", 1, 0), 1);
	wait_at_most(peer, ARRIVES_MS);
	assert_int_equal(recv(peer, &len, sizeof(len), 0), -1);
	assert_int_equal(errno, ECONNREFUSED);
}

/* A segment that conntrack finds INVALID: no flags at all. */
static void send_null_segment(void)
{
	const struct endpoint dst = { address("198.51.100.9"), 0 };
	struct tcphdr tcp = { .source = htons(5007), .dest = htons(PORT), .doff = sizeof(tcp) / 4 };
	_cleanup_close_ int fd = -1;
	socklen_t len;
	struct sockaddr_storage ss = sockaddr_of(&dst, &len);

	assert_int_equal(setns(pod_ns, CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
	assert_int_equal(setns(node_ns, CLONE_NEWNET), 0);
	assert_true(fd >= 0);
	assert_true(sendto(fd, &tcp, sizeof(tcp), 0, (struct sockaddr *)&ss, len) > 0);
}

static void the_guard_stops_what_nat_does_not_see(void **state)
{
	const struct addr pod = address("10.244.1.5");
	_cleanup_close_ int world = -1;
	unsigned char packet[256];

	(void)state;
	assert_int_equal(setns(world_ns, CLONE_NEWNET), 0);
	world = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
	assert_int_equal(setns(node_ns, CLONE_NEWNET), 0);
	assert_true(world >= 0);

	apply(false, 1024, 65535);
	send_null_segment();
	wait_at_most(world, ARRIVES_MS);
	assert_true(recv(world, packet, sizeof(packet), 0) > 0);
	assert_memory_equal(packet + offsetof(struct iphdr, saddr), addr_bytes(&pod, NULL), 4);

	apply(true, 1024, 65535);
	send_null_segment();
	assert_silent(world);
	assert_int_equal(counted("guard"), 1);
}

#define TEST(name) cmocka_unit_test_setup(name, forget_flows)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(udp_leaves_with_the_uplinks_address),
		TEST(ports_come_from_the_range),
		TEST(tcp_connects),
		TEST(icmp_is_answered),
		TEST(what_is_left_keeps_the_pods_address),
		TEST(pods_of_a_delegated_ipam_see_each_other),
		TEST(other_devices_masquerade),
		TEST(whoever_translates_first_has_decided),
		TEST(replacing_the_table_loses_nothing),
		TEST(an_unrouted_service_is_dropped),
		TEST(a_service_with_dnat_is_not),
		TEST(answers_to_a_service_range_pass),
		TEST(the_guard_stops_what_nat_does_not_see),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nft_packets", tests, make_everything,
					   unmake_everything);
}
