// SPDX-License-Identifier: Apache-2.0
/* Theory: a packet socket stays in the namespace that it was made in, so one process holds all ends. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kern/tcattach.h"
#include "lib/ends.h"

struct ends ends;

static const __u8 macs[][MAC_LEN] = {
	{ 2, 0, 0, 0, 0, 2 },		/* peer0's */
	{ 2, 0, 0, 0, 0, 3 },		/* peer1's */
	{ 2, 0, 0, 0, 0, 0xfe },	/* world0's */
	{ 2, 0, 0, 0, 0, 0xfd },
};

static const char topology[] =
	"nft -f - <<-'END'\n"
	"table inet tracking {\n"	/* a rule that asks is what makes the kernel track */
	"	chain forward { type filter hook forward priority 0; ct state new; }\n"
	"}\n"
	"table inet t {\n"
	"	chain pre { type nat hook prerouting priority -100; }\n"
	"	chain post { type nat hook postrouting priority 100; }\n"
	"	chain forward { type filter hook forward priority 0; }\n"
	"}\n"
	"END\n"
	"ip -batch - <<-'END'\n"
	"link set eth1 address 02:00:00:00:00:01\n"
	"neigh replace 10.244.1.5 lladdr 02:00:00:00:00:02 dev host0\n"
	"neigh replace fd00:10:244:1::5 lladdr 02:00:00:00:00:02 dev host0\n"
	"neigh replace 10.244.1.6 lladdr 02:00:00:00:00:03 dev host1\n"
	"neigh replace fd00:10:244:1::6 lladdr 02:00:00:00:00:03 dev host1\n"
	"neigh replace 192.0.2.254 lladdr 02:00:00:00:00:fe dev eth0\n"
	"neigh replace 2001:db8:2::fe lladdr 02:00:00:00:00:fe dev eth0\n"
	"neigh replace 203.0.113.254 lladdr 02:00:00:00:00:fd dev eth1\n"
	"END\n";

static int packet_socket(const char *ifname, bool offloading)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1;

	ll.sll_ifindex = if_nametoindex(ifname);
	assert_true(fd >= 0 && ll.sll_ifindex > 0);
	if (offloading)
		assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (void *)&ll, sizeof(ll)), 0);
	return fd;
}

/* The namespace behind a device, and a socket there. */
struct place {
	const char *ifname, *mac;
	int netns, *end;
};

static struct place places[] = {
	{ "peer0", "02:00:00:00:00:02", -1, &ends.pod_a },
	{ "peer1", "02:00:00:00:00:03", -1, &ends.pod_b },
	{ "world0", "02:00:00:00:00:fe", -1, &ends.world },
	{ "world1", "02:00:00:00:00:fd", -1, &ends.world1 },
};
#define PLACES (sizeof(places) / sizeof(places[0]))

static int open_netns(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY);	/* children shall have it */

	assert_true(fd >= 0);
	return fd;
}

static void move_away(struct place *place, int home)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	place->netns = open_netns();
	run("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	run("ip link set %s address %s netns /proc/self/fd/%d", place->ifname, place->mac, place->netns);
	assert_int_equal(setns(place->netns, CLONE_NEWNET), 0);
	run("ip link set %s up", place->ifname);
	*place->end = packet_socket(place->ifname, false);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
}

static void attach(int ifindex, enum tc_prog in, int in_fd, enum tc_prog out, int out_fd, enum tc_way way)
{
	struct err err = { 0 };

	if (tc_attach(ifindex, in, way, in_fd, &err) || tc_attach(ifindex, out, way, out_fd, &err))
		fail_msg("%s", err.msg);
}

int ends_set_up(void **state)
{
	int home, ret = dp_set_up(state);

	if (ret)
		return ret;
	home = open_netns();
	for (size_t i = 0; i < PLACES; i++)
		move_away(&places[i], home);
	close(home);
	run("%s", topology);
	attach(dp.host0, TC_FROM_POD, dp.from_pod, TC_TO_POD, dp.to_pod, TC_CLSACT);
	attach(dp.host1, TC_FROM_POD, dp.from_pod, TC_TO_POD, dp.to_pod, TC_CLSACT);
	attach(dp.eth0, TC_FROM_UPLINK, dp.from_uplink, TC_TO_UPLINK, dp.to_uplink, TC_TCX);
	attach(dp.eth1, TC_FROM_UPLINK, dp.from_uplink, TC_TO_UPLINK, dp.to_uplink, TC_TCX);
	return 0;
}

int ends_tear_down(void **state)
{
	for (size_t i = 0; i < PLACES; i++) {
		close(*places[i].end);
		close(places[i].netns);
	}
	return dp_tear_down(state);
}

int ends_socket(const char *ifname, bool offloading)
{
	int home = open_netns(), fd = -1;

	for (size_t i = 0; i < PLACES; i++) {
		if (strcmp(places[i].ifname, ifname))
			continue;
		assert_int_equal(setns(places[i].netns, CLONE_NEWNET), 0);
		fd = packet_socket(ifname, offloading);
		assert_int_equal(setns(home, CLONE_NEWNET), 0);
	}
	close(home);
	assert_true(fd >= 0);
	return fd;
}

void send_paged(int fd, struct frame f)
{
	struct tpacket_req ring = { .tp_block_size = 4096, .tp_block_nr = 1, .tp_frame_size = 4096, .tp_frame_nr = 1 };
	int version = TPACKET_V2;
	struct tpacket2_hdr *slot;

	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &ring, sizeof(ring)), 0);
	slot = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(slot != MAP_FAILED);
	memcpy((char *)slot + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll), f.data, f.len);
	slot->tp_len = f.len;
	slot->tp_status = TP_STATUS_SEND_REQUEST;
	/* A drop on egress is told to the sender. */
	assert_true(send(fd, NULL, 0, 0) == (ssize_t)f.len || errno == ENOBUFS);
	munmap(slot, 4096);
}

/* Neither ARP nor neighbour discovery. */
static bool is_traffic(const struct frame *f)
{
	__u8 proto = f->data[12] == 0x08 ? f->data[ETH_LEN + 9] : f->data[ETH_LEN + 6];

	return f->len >= ETH_LEN + IP4_LEN && !memcmp(f->data + MAC_LEN, mac_host, MAC_LEN) &&
	       f->data[13] != 0x06 &&
	       (proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_ICMP);
}

static bool receive_within(int end, struct frame *out, int milliseconds)
{
	struct pollfd readable = { .fd = end, .events = POLLIN };

	while (poll(&readable, 1, milliseconds) == 1) {
		ssize_t len = recv(end, out->data, sizeof(out->data), MSG_DONTWAIT);

		out->len = len > 0 ? len : 0;
		if (is_traffic(out))
			return true;
	}
	return false;
}

bool ends_receive(int end, struct frame *out)
{
	return receive_within(end, out, 1000);
}

void ends_silent(int end)
{
	struct frame f;

	if (receive_within(end, &f, 50))
		fail_msg("a frame of %zu bytes came through", f.len);
}

int ends_reset(void **state)
{
	struct frame f;

	dp_reset(state);
	dp_guards_hear();
	run("nft flush table inet t");
	run("echo 1 >/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal");
	for (size_t i = 0; i < PLACES; i++) {
		while (receive_within(*places[i].end, &f, 0))
			;
	}
	return 0;
}

void ends_send(int end, struct frame f)
{
	assert_int_equal(send(end, f.data, f.len, 0), f.len);
}

void ends_carry(int from, struct frame f, int to, struct frame expected, enum reason reason)
{
	__u64 before[REASON_MAX];
	struct frame got = { 0 };
	bool moved;

	for (int i = 0; i < REASON_MAX; i++)
		before[i] = dp_count(i);
	ends_send(from, f);
	ends_receive(to, &got);
	moved = dp_count(reason) == before[reason] + 1;
	for (int i = 0; i < REASON_MAX && (!got.len || !moved); i++) {
		if (dp_count(i) != before[i])
			print_message("# %s\n", dp_reason(i));
	}
	if (!moved)
		fail_msg("'%s' did not move by one, but what is said above", dp_reason(reason));
	assert_int_equal(got.len, expected.len);
	assert_memory_equal(got.data, expected.data, expected.len);
}

struct frame ends_forwarded(struct frame f, int to)
{
	for (size_t i = 0; i < PLACES; i++) {
		if (*places[i].end == to)
			f = frame_to(f, macs[i]);
	}
	return frame_ttl(frame_from(f, mac_host), 63);
}

void ends_rule(const char *chain, const char *rule)
{
	run("nft 'add rule inet t %s %s'", chain, rule);
}
