// SPDX-License-Identifier: Apache-2.0
/* Source ports: kept, chosen, contended, exhausted. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "lib/datapath.h"

#define RANGE_FIRST	40000
#define RANGE_SIZE	16

static void use_range(__u16 first, __u16 last)
{
	struct config cfg = dp.cfg;

	cfg.port_min = first;
	cfg.port_max = last;
	cfg.insert_timeout_ms = 60000;	/* outlives the assertions on a slow machine */
	dp_set_config(&cfg);
}

/* A socket of the node, bound; TCP ones listen. */
static int node_socket(int type, const char *text, __u16 port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	bool is_v4 = !strchr(text, ':');
	int fd = socket(is_v4 ? AF_INET : AF_INET6, type, 0);

	assert_true(fd >= 0);
	inet_pton(is_v4 ? AF_INET : AF_INET6, text, is_v4 ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr);
	assert_int_equal(bind(fd, is_v4 ? (void *)&v4 : (void *)&v6, is_v4 ? sizeof(v4) : sizeof(v6)), 0);
	assert_true(type == SOCK_DGRAM || !listen(fd, 1));
	return fd;
}

static void a_port_outside_the_range_is_replaced(void **state)
{
	(void)state;
	use_range(RANGE_FIRST, RANGE_FIRST);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
	dp_pod_sends(frame_udp(POD_A6, 4000, WORLD6, 53), REASON_PASS_INSERTED);
	ct_expect("src=%s dst=%s sport=53 dport=%d", WORLD4, NODE4, RANGE_FIRST);
	ct_expect("src=%s dst=%s sport=53 dport=%d", WORLD6, NODE6, RANGE_FIRST);
	use_range(1024, 65535);
	dp_pod_sends(frame_udp(POD_A4, 1023, WORLD4, 54), REASON_PASS_INSERTED);
	dp_pod_sends(frame_udp(POD_A4, 1024, WORLD4, 55), REASON_PASS_INSERTED);
	dp_pod_sends(frame_udp(POD_A4, 65535, WORLD4, 56), REASON_PASS_INSERTED);
	ct_expect("sport=55 dport=1024");
	ct_expect("sport=56 dport=65535");
}

static void two_pods_may_use_one_port(void **state)
{
	(void)state;
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
	dp_link_sends(dp.host1, frame_udp(POD_B4, 4000, WORLD4, 53), REASON_PASS_RETRIED);
	dp_link_sends(dp.host1, frame_udp(POD_B4, 4000, WORLD4, 54), REASON_PASS_INSERTED);
	dp_pod_sends(frame_tcp(POD_A6, 4000, WORLD6, 80, FLAG_SYN), REASON_PASS_INSERTED);
	dp_link_sends(dp.host1, frame_tcp(POD_B6, 4000, WORLD6, 80, FLAG_SYN), REASON_PASS_RETRIED);
	assert_int_equal(ct_entries(), 5);
	ct_expect("src=%s dst=%s sport=4000 dport=53", POD_A4, WORLD4);
	ct_expect("src=%s dst=%s sport=4000 dport=53", POD_B4, WORLD4);
}

/* The node's own flow, and one that the base table masqueraded, have their ports too. */
static void nobodys_live_port_is_stolen(void **state)
{
	(void)state;
	use_range(RANGE_FIRST, RANGE_FIRST + 1);
	ct_do("-I -p udp -s %s -d %s --sport %d --dport 53 -t 60", NODE4, WORLD4, RANGE_FIRST);
	dp_pod_sends(frame_udp(POD_A4, RANGE_FIRST, WORLD4, 53), REASON_PASS_RETRIED);
	ct_expect("src=%s dst=%s sport=53 dport=%d", WORLD4, NODE4, RANGE_FIRST + 1);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_EXHAUSTED);
	assert_int_equal(ct_entries(), 2);
}

static void the_nodes_listeners_keep_their_ports(void **state)
{
	int sockets[] = {
		node_socket(SOCK_DGRAM, NODE4, 4000),
		node_socket(SOCK_STREAM, "0.0.0.0", 4001),
		node_socket(SOCK_DGRAM, "::", 4002),	/* both families */
		node_socket(SOCK_STREAM, NODE6, 4003),
	};

	(void)state;
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_RETRIED);
	dp_pod_sends(frame_tcp(POD_A4, 4001, WORLD4, 80, FLAG_SYN), REASON_PASS_RETRIED);
	dp_pod_sends(frame_udp(POD_A4, 4002, WORLD4, 53), REASON_PASS_RETRIED);
	dp_pod_sends(frame_udp(POD_A6, 4002, WORLD6, 53), REASON_PASS_RETRIED);
	dp_pod_sends(frame_tcp(POD_A6, 4003, WORLD6, 80, FLAG_SYN), REASON_PASS_RETRIED);
	/* The other protocol's port, and another address's, are free. */
	dp_pod_sends(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_SYN), REASON_PASS_INSERTED);
	dp_pod_sends(frame_udp(POD_A4, 4001, WORLD4, 53), REASON_PASS_INSERTED);
	dp_pod_sends(frame_udp(POD_A4, 4003, WORLD4, 53), REASON_PASS_INSERTED);
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++)
		close(sockets[i]);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 54), REASON_PASS_INSERTED);
}

/* The limit is one of a second: on a busy machine it may end meanwhile, and then it is all done again. */
static void who_finds_no_port_pays_too(void **state)
{
	static const enum reason expected[] = { REASON_PASS_INSERTED, REASON_PASS_EXHAUSTED, REASON_PASS_EXHAUSTED,
						REASON_PASS_LIMITED };
	enum reason reasons[4];
	struct config cfg;
	__u32 second = 0;

	for (int tries = 0; tries < 10; tries++) {
		dp_reset(state);
		cfg = dp.cfg;
		cfg.port_min = cfg.port_max = RANGE_FIRST;
		cfg.insert_limit = 3;
		dp_set_config(&cfg);
		for (int i = 0; i < 4; i++) {
			reasons[i] = dp_pod_tries(frame_udp(POD_A4, 4000 + i, WORLD4, 53));
			if (!i)
				second = dp_budget(dp.host0).second;
		}
		if (dp_budget(dp.host0).second == second)
			break;
	}
	assert_memory_equal(reasons, expected, sizeof(expected));
	assert_int_equal(dp_budget(dp.host0).inserts, 3);
}

static void fill_range(const char *pod, const char *world)
{
	/* Each finds a port while there is one, however few. */
	for (int i = 0; i < 20; i++) {
		enum reason reason = dp_pod_tries(frame_udp(pod, 5000 + i, world, 53));

		if (i < RANGE_SIZE)
			assert_true(reason == REASON_PASS_INSERTED || reason == REASON_PASS_RETRIED);
		else
			assert_int_equal(reason, REASON_PASS_EXHAUSTED);
	}
	assert_int_equal(ct_entries(), RANGE_SIZE);
	for (int i = 0; i < RANGE_SIZE; i++)
		ct_expect("src=%s dst=%s sport=53 dport=%d", world, strchr(world, ':') ? NODE6 : NODE4, RANGE_FIRST + i);
}

static void a_small_range_is_used_to_its_end(void **state)
{
	(void)state;
	use_range(RANGE_FIRST, RANGE_FIRST + RANGE_SIZE - 1);
	fill_range(POD_A4, WORLD4);
	ct_do("-F");
	fill_range(POD_A6, WORLD6);
	/* Another destination has all ports again. */
	dp_pod_sends(frame_udp(POD_A6, RANGE_FIRST, WORLD6, 54), REASON_PASS_INSERTED);
}

static int entries_kept(void)
{
	FILE *file = fopen("/proc/sys/net/netfilter/nf_conntrack_count", "r");
	int n = -1;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &n), 1);
	fclose(file);
	return n;
}

/* It still stands in the table until somebody looks it up, or the kernel's collector passes (then:
 * once more). */
static void an_expired_entry_gives_up_its_port(void **state)
{
	(void)state;
	use_range(RANGE_FIRST, RANGE_FIRST);
	for (int i = 0; i < 10; i++) {
		ct_do("-F");
		ct_do("-I -p udp -s %s -d %s --sport %d --dport 53 -t 1", NODE4, WORLD4, RANGE_FIRST);
		dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_EXHAUSTED);
		usleep(1010000);
		if (entries_kept() == 1) {
			dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
			return;
		}
	}
	skip();
}

static void the_loser_of_a_race_uses_the_winners_entry(void **state)
{
	struct config cfg = dp.cfg;

	(void)state;
	dp_load(LEVEL_FULL, true);
	/* very likely new, and so inserted unasked */
	dp_pod_sends(frame_tcp(POD_A6, 4000, WORLD6, 80, FLAG_SYN), REASON_PASS_ESTABLISHED);
	dp_pod_sends(frame_udp(POD_A6, 4000, WORLD6, 53), REASON_PASS_ESTABLISHED);
	/* looked up before */
	cfg.short_way = SHORT_OFF;
	dp_set_config(&cfg);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_RACED);
	assert_int_equal(ct_entries(), 3);
	ct_expect("src=%s dst=%s sport=4000 dport=53 [UNREPLIED] src=%s dst=%s sport=53 dport=4000",
		  POD_A4, WORLD4, WORLD4, NODE4);
	ct_expect("src=%s dst=%s sport=4000 dport=53 [UNREPLIED] src=%s dst=%s sport=53 dport=4000",
		  POD_A6, WORLD6, WORLD6, NODE6);
	ct_expect("src=%s dst=%s sport=4000 dport=80 [UNREPLIED] src=%s dst=%s sport=80 dport=4000",
		  POD_A6, WORLD6, WORLD6, NODE6);
	/* The winner paid. */
	assert_int_equal(dp_budget(dp.host0).inserts, 0);
	dp_load(LEVEL_FULL, false);
}

#define EACH(test) cmocka_unit_test_setup(test, dp_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(a_port_outside_the_range_is_replaced),
		EACH(two_pods_may_use_one_port),
		EACH(nobodys_live_port_is_stolen),
		EACH(the_nodes_listeners_keep_their_ports),
		EACH(a_small_range_is_used_to_its_end),
		EACH(who_finds_no_port_pays_too),
		EACH(an_expired_entry_gives_up_its_port),
		EACH(the_loser_of_a_race_uses_the_winners_entry),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, dp_set_up, dp_tear_down);
}
