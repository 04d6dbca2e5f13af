// SPDX-License-Identifier: Apache-2.0
/*
 * Dry runs: what a copy of the programs says would become of a frame, and what then does become of
 * it, are the same; and the question leaves nothing behind: no entry, no time-out, no answer, no
 * budget, no count.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "core/identity.h"
#include "kern/bpffs.h"
#include "kern/ctnl_list.h"
#include "kern/dryrun.h"
#include "lib/asked.h"

static struct maps maps = MAPS_CLOSED;
static struct nl nf;
static struct dryrun dry;

/* ---- what may not change ---------------------------------------------------------------------------- */

static const struct {
	enum map_id id;
	size_t key, value;
	__u32 n;	/* of an array */
} kept[] = {
	{ MAP_PODS, sizeof(struct addr), sizeof(struct pod), 0 },
	{ MAP_MASQ_CIDRS, sizeof(struct cidr_key), sizeof(struct cidr_class), 0 },
	{ MAP_UPLINKS, sizeof(__u32), sizeof(struct uplink), 0 },
	{ MAP_CONFIG, sizeof(__u32), sizeof(struct config), 1 },
	{ MAP_POD_BLOOM, sizeof(__u32), sizeof(struct pod_bloom), 1 },
	{ MAP_CIDR_BLOOM, sizeof(__u32), sizeof(struct cidr_bloom), 1 },
	{ MAP_BUDGETS, sizeof(__u32), sizeof(struct budget), BUDGETS },
	{ MAP_FLOWS, sizeof(__u32), sizeof(struct flow_set), FLOW_SETS },
	{ MAP_GUARDS, sizeof(__u32), sizeof(struct guard_watch), GUARDS },
	{ MAP_FLOW_INDEX, sizeof(__u32), sizeof(struct flow_index), 1 },
};

#define N_KEPT (sizeof(kept) / sizeof(kept[0]))

struct hashing {
	__u64 hash;
	size_t i;
};

/* Of 36 MB. */
static __u64 hash_words(__u64 hash, const char *bytes, size_t len)
{
	__u64 word;

	for (; len >= sizeof(word); bytes += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15;
		hash ^= hash >> 32;
	}
	return hash_bytes(hash, bytes, len);
}

static int hash_value(const void *key, const void *value, void *data)
{
	struct hashing *h = data;

	h->hash = hash_words(hash_words(h->hash, key, kept[h->i].key), value, kept[h->i].value);
	return 0;
}

/* An array's values at once. */
static __u64 hash_array(size_t i)
{
	static char values[FLOW_SETS * sizeof(struct flow_set)];
	static __u32 keys[FLOW_SETS];
	__u32 n = kept[i].n, next;

	assert_true(n * kept[i].value <= sizeof(values));
	assert_int_equal(bpf_map_lookup_batch(maps.fd[kept[i].id], NULL, &next, keys, values, &n, NULL), 0);
	return hash_words(HASH_SEED, values, n * kept[i].value);
}

static __u64 hash_map(size_t i)
{
	struct hashing h = { HASH_SEED, i };

	assert_int_equal(map_each(maps.fd[kept[i].id], kept[i].key, kept[i].value, hash_value, &h), 0);
	return h.hash;
}

struct state {
	__u64 maps[N_KEPT];
	__u64 counters[REASON_MAX];
	__u64 entries;		/* all of conntrack's, but for the seconds that are left: */
	unsigned long seconds;
	char statistics[4096];	/* conntrack's own: inserts, deletions */
};

static int add_entry(const struct ct_entry *entry, void *data)
{
	struct ct_entry lasting = *entry;
	struct state *s = data;

	lasting.timeout = 0;
	s->entries += hash_bytes(HASH_SEED, &lasting, sizeof(lasting));
	s->seconds += entry->timeout;
	return 0;
}

static void read_state(struct state *s)
{
	FILE *file = fopen("/proc/net/stat/nf_conntrack", "r");

	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < N_KEPT; i++)
		s->maps[i] = kept[i].n ? hash_array(i) : hash_map(i);
	for (int i = 0; i < REASON_MAX; i++)
		s->counters[i] = dp_count(i);
	assert_int_equal(ctnl_each(&nf, NULL, add_entry, s, NULL), 0);
	assert_non_null(file);
	assert_true(fread(s->statistics, 1, sizeof(s->statistics) - 1, file) > 0);
	fclose(file);
}

static void assert_same(const struct state *a, const struct state *b)
{
	for (size_t i = 0; i < N_KEPT; i++)
		if (a->maps[i] != b->maps[i])
			fail_msg("map '%s' changed", map_name(kept[i].id));
	for (int i = 0; i < REASON_MAX; i++)
		if (a->counters[i] != b->counters[i])
			fail_msg("'%s' was counted", dp_reason(i));
	assert_true(a->entries == b->entries);
	assert_string_equal(a->statistics, b->statistics);
	assert_in_range(b->seconds, a->seconds > 50 ? a->seconds - 50 : 0, a->seconds);	/* refreshed: more */
}

/* ---- asking, and trying ----------------------------------------------------------------------------- */

static void ask(enum tc_prog prog, int ifindex, const struct frame *f, struct dryrun_answer *out)
{
	struct dryrun_frame frame = { .ifindex = ifindex, .len = f->len };
	struct err err = { .code = 0 };

	assert_true(f->len <= sizeof(frame.bytes));
	memcpy(frame.bytes, f->data, f->len);
	if (dryrun_ask(&dry, prog, &frame, out, &err) < 0)
		fail_msg("%s", err.msg);
}

static void ask_and_compare(enum tc_prog prog, int ifindex, const struct frame *f, struct dryrun_answer *out)
{
	static struct state before, after;

	dp_guards_hear();
	read_state(&before);
	ask(prog, ifindex, f, out);
	read_state(&after);
	assert_same(&before, &after);
}

static int prog_fd(enum tc_prog prog)
{
	const int fds[] = { [TC_FROM_POD] = dp.from_pod,
			    [TC_TO_POD] = dp.to_pod,
			    [TC_FROM_UPLINK] = dp.from_uplink,
			    [TC_TO_UPLINK] = dp.to_uplink };

	return fds[prog];
}

/* To compare takes a moment: not where question and answer must come within a second. */
static bool hurry;

/* Asks, and then lets it happen. */
static struct dryrun_answer agrees(enum tc_prog prog, int ifindex, struct frame f, enum reason wanted)
{
	struct dryrun_answer answer;
	struct ran ran;

	if (hurry) {
		dp_guards_hear();
		ask(prog, ifindex, &f, &answer);
	} else {
		ask_and_compare(prog, ifindex, &f, &answer);
	}
	dp_run(prog_fd(prog), (struct __sk_buff){ .ifindex = ifindex }, 0, &f, &ran);
	for (int i = 0; i < REASON_MAX; i++) {
		bool said = i == (int)answer.reason || answer.beside[i];

		if (said != !!ran.moved[i].packets)
			fail_msg("'%s' was said to be the reason, and '%s' %s", dp_reason(answer.reason),
				 dp_reason(i), said ? "was not counted" : "was counted");
	}
	if (answer.reason != wanted)
		fail_msg("expected '%s', not '%s'", dp_reason(wanted), dp_reason(answer.reason));
	if (ran.verdict == 7) {	/* redirected: as it was said */
		assert_int_equal(answer.frame.len, ran.frame.len);
		assert_memory_equal(answer.frame.bytes, ran.frame.data, ran.frame.len);
	}
	return answer;
}

static struct dryrun_answer pod(struct frame f, enum reason wanted)
{
	return agrees(TC_FROM_POD, dp.host0, f, wanted);
}

static void world(struct frame f, enum reason wanted)
{
	agrees(TC_FROM_UPLINK, dp.eth0, f, wanted);
}

static void translates(const struct dryrun_answer *answer, const char *egress, int port)
{
	struct addr addr;

	assert_int_equal(addr_parse(egress, &addr), 0);
	assert_memory_equal(&answer->egress, &addr, sizeof(addr));
	assert_int_equal(answer->port, port);
}

/* Entries that BPF inserts live for longer than it takes to compare. */
static void set_config(struct config cfg)
{
	cfg.insert_timeout_ms = 60000;
	dp_set_config(&cfg);
}

static int reset(void **state)
{
	int ret = asked_reset(state);

	hurry = false;
	set_config(dp.cfg);
	return ret;
}

/* ---- set-up ----------------------------------------------------------------------------------------- */

/* The pinned programs are those of the laboratory. */
static int set_up(void **state)
{
	struct err err;

	if (dp_set_up(state))
		return -1;
	run("mount -t bpf bpf /sys/fs/bpf && mkdir -p " PIN_DATAPATH);
	assert_int_equal(bpf_obj_pin(dp.from_pod, PIN_DATAPATH "/from_pod"), 0);
	for (int i = 0; i < MAP_MAX; i++)
		maps.fd[i] = dp_map(map_name(i));
	assert_int_equal(nl_open(&nf, NETLINK_NETFILTER, &err), 0);
	if (dryrun_open(&dry, &maps, ~0u, &err) < 0)
		fail_msg("%s", err.msg);
	return 0;
}

static int tear_down(void **state)
{
	dryrun_close(&dry);
	nl_close(&nf);
	return dp_tear_down(state);
}

/* ---- what begins ------------------------------------------------------------------------------------ */

static void first_packets(void **state)
{
	struct dryrun_answer answer;

	(void)state;
	answer = pod(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
	translates(&answer, NODE4, 4000);
	answer = pod(frame_tcp(POD_A6, 4000, WORLD6, 80, FLAG_SYN), REASON_PASS_INSERTED);
	translates(&answer, NODE6, 4000);
	assert_int_equal(ct_entries(), 2);
	dp_set_pod(POD_A4, dp.host0, STATE_READY, "203.0.113.1");
	answer = pod(frame_udp(POD_A4, 4001, WORLD4, 53), REASON_PASS_INSERTED);
	translates(&answer, "203.0.113.1", 4001);
}

static void every_class_and_shape(void **state)
{
	static const struct {
		const char *to4, *to6;
		enum reason reason;
	} classes[] = {
		{ "10.244.9.9", "fd00:10:244:9::9", REASON_PASS_LEAVE },
		{ "10.96.0.10", "fd00:10:96::10", REASON_PASS_SERVICE },
		{ "169.254.169.254", "2001:db8:18::1", REASON_PASS_KERNEL },
		{ NODE4, NODE6, REASON_PASS_LOCAL },
		{ "203.0.113.9", "2001:db8:3::9", REASON_PASS_NO_UPLINK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		pod(frame_udp(POD_A4, 4000, classes[i].to4, 53), classes[i].reason);
		pod(frame_tcp(POD_A6, 4000, classes[i].to6, 80, FLAG_SYN), classes[i].reason);
	}
	pod(frame_icmp(POD_A4, WORLD4, 8), REASON_PASS_STACK);
	pod(frame_icmp(POD_A6, WORLD6, 128), REASON_PASS_STACK);
	pod(frame_fragment(frame_udp(POD_A4, 1, WORLD4, 1), 0x2000), REASON_PASS_STACK);
	pod(frame_ttl(frame_udp(POD_A4, 1, WORLD4, 1), 1), REASON_PASS_STACK);
	pod(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_ACK), REASON_PASS_NOT_SYN);
	pod(frame_to(frame_udp(POD_A4, 1, WORLD4, 1), mac_foreign), REASON_PASS_NOT_OURS);
	assert_int_equal(ct_entries(), 0);
}

static void who_may_not_speak(void **state)
{
	(void)state;
	pod(frame_udp(POD_B4, 4000, WORLD4, 53), REASON_DROP_SPOOFED);
	pod(frame_udp(WORLD6, 4000, POD_B6, 53), REASON_DROP_SPOOFED);
	pod(frame_udp("10.244.1.1", 67, "255.255.255.255", 68), REASON_DROP_ROGUE_DHCP);
	pod(frame_nd(POD_A6, "ff02::1", 136, POD_B6), REASON_DROP_SPOOFED_ND);
	pod(frame_udp("fe80::7", 1, WORLD6, 1), REASON_DROP_LINK_LOCAL);
	dp_set_pod(POD_A4, dp.host0, STATE_DYING, NULL);
	pod(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_DROP_DYING);
}

/* ---- ports and limits ------------------------------------------------------------------------------- */

static void ports_that_are_taken(void **state)
{
	struct config cfg = dp.cfg;
	struct dryrun_answer answer;

	(void)state;
	cfg.port_min = 40000;
	cfg.port_max = 40001;
	dp_set_config(&cfg);
	ct_do("-I -p udp -s " NODE4 " -d " WORLD4 " --sport 40000 --dport 53 -t 60");
	answer = pod(frame_udp(POD_A4, 40000, WORLD4, 53), REASON_PASS_RETRIED);
	translates(&answer, NODE4, 40001);
	pod(frame_udp(POD_A4, 40001, WORLD4, 53), REASON_PASS_EXHAUSTED);
	answer = pod(frame_udp(POD_A6, 40001, WORLD6, 53), REASON_PASS_INSERTED);
	translates(&answer, NODE6, 40001);
	assert_int_equal(ct_entries(), 3);
}

/* False: the machine was too slow, and the next second has begun. */
static bool limited_within_a_second(const struct config *cfg)
{
	const struct frame f = frame_udp(POD_A4, 4002, WORLD4, 53);
	struct dryrun_answer answer;

	dp_reset(NULL);
	set_config(*cfg);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
	dp_pod_sends(frame_udp(POD_A4, 4001, WORLD4, 53), REASON_PASS_INSERTED);
	ask(TC_FROM_POD, dp.host0, &f, &answer);
	return answer.reason == REASON_PASS_LIMITED;
}

static void limits_that_are_reached(void **state)
{
	struct config cfg = dp.cfg;

	(void)state;
	cfg.insert_limit = 2;
	dp_set_config(&cfg);
	for (int i = 0; i < 5; i++) {	/* questions cost nothing */
		const struct frame f = frame_udp(POD_A4, 4000, WORLD4, 53);
		struct dryrun_answer answer;

		ask_and_compare(TC_FROM_POD, dp.host0, &f, &answer);
		assert_int_equal(answer.reason, REASON_PASS_INSERTED);
	}
	hurry = true;
	for (int i = 0; i < 5 && !limited_within_a_second(&cfg); i++)
		;
	pod(frame_udp(POD_A4, 4002, WORLD4, 53), REASON_PASS_LIMITED);
}

/* ---- what conntrack knows --------------------------------------------------------------------------- */

static void flows_that_are_known(void **state)
{
	const struct frame in = tcp4();
	struct answer stack = answer_of(&in, dp.host0, &in, dp.host0, WAY_STACK);

	(void)state;
	ct_do("-I " UDP4 "-u SEEN_REPLY -t 60");
	pod(udp4(), REASON_PASS_ESTABLISHED);
	ct_do("-I " UDP6 "-t 60");
	pod(frame_udp(POD_A6, 4000, WORLD6, 53), REASON_PASS_ESTABLISHED);
	ct_do("-I " TCP4 "ESTABLISHED " ASSURED "-t 600");
	world(frame_tcp(WORLD4, 80, NODE4, 4000, FLAG_ACK), REASON_PASS_ASKED);
	world(frame_tcp(WORLD4, 80, NODE4, 4000, FLAG_FIN | FLAG_ACK), REASON_UPLINK_PASS);
	stack.left = -10;	/* for another second it would be "stack" */
	answer_put(&stack);
	pod(tcp4(), REASON_PASS_ASKED);
	/* a FIN voids what is known, once */
	pod(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_FIN | FLAG_ACK), REASON_PASS_ESTABLISHED);
	pod(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_FIN | FLAG_ACK), REASON_PASS_ESTABLISHED);
	hurry = true;
	pod(tcp4(), REASON_PASS_ASKED);
	pod(tcp4(), REASON_PASS_CACHED);
	world(frame_tcp(WORLD4, 80, NODE4, 4000, FLAG_ACK), REASON_PASS_ASKED);
	world(frame_tcp(WORLD4, 80, NODE4, 4000, FLAG_ACK), REASON_UPLINK_CACHED);
	world(frame_udp(WORLD4, 53, NODE4, 4001), REASON_UPLINK_PASS);
}

/* The entry that would be ended still has both its tuples. */
static void flows_that_begin_again(void **state)
{
	static const char *const states[] = { "TIME_WAIT", "CLOSE" };
	struct dryrun_answer answer;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		reset(NULL);
		ct_do("-I " TCP4 "%s " ASSURED "-t 60", states[i]);
		answer = pod(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_SYN), REASON_PASS_INSERTED);
		assert_true(answer.beside[REASON_PASS_REVIVED]);
		translates(&answer, NODE4, 4000);
		/* A SYN again: its entry has no reply. */
		answer = pod(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_SYN), REASON_PASS_ESTABLISHED);
		assert_false(answer.beside[REASON_PASS_REVIVED]);
	}
}

static void flows_whose_address_is_lost(void **state)
{
	const struct frame f = frame_udp(POD_A4, 4000, WORLD4, 53);
	struct dryrun_answer answer;

	(void)state;
	run("ip addr add 192.0.2.77/24 dev eth0");
	dp_set_uplink(dp.eth0, "192.0.2.77", NULL);
	dp_pod_sends(f, REASON_PASS_INSERTED);
	run("ip addr del 192.0.2.77/24 dev eth0");
	dp_set_uplink(dp.eth0, NODE4, NODE6);
	answer = pod(f, REASON_PASS_INSERTED);
	assert_true(answer.beside[REASON_ENDED_EGRESS]);
	translates(&answer, NODE4, 4000);
}

/* ---- the short way ---------------------------------------------------------------------------------- */

static void the_short_way(void **state)
{
	const struct frame in = udp4(), out = frame_udp(NODE4, 4000, WORLD4, 53);
	const struct frame back = frame_udp(WORLD4, 53, NODE4, 4000), home = frame_udp(WORLD4, 53, POD_A4, 4000);
	struct answer answer = answer_of(&back, dp.eth0, &home, dp.host0, WAY_PEER);

	(void)state;
	ct_do("-I " UDP4 ASSURED "-t 60");
	/* Its second is over: it would be renewed, and its entry refreshed. */
	answer.left = -10;
	answer_put(&answer);
	world(back, REASON_SHORT_IN);
	/* ... or taken back, for there is no entry any more. */
	answer_put(&answer);
	ct_do("-F");
	world(back, REASON_UPLINK_PASS);
	hurry = true;
	answer.left = answer_hz();
	answer_put(&answer);
	world(back, REASON_SHORT_IN);
	answer = answer_of(&in, dp.host0, &out, dp.eth0, WAY_WIRE);
	answer_put(&answer);
	pod(in, REASON_SHORT_OUT);
}

/* ---- the guard -------------------------------------------------------------------------------------- */

static void what_leaves(void **state)
{
	(void)state;
	agrees(TC_TO_UPLINK, dp.eth0, frame_udp(NODE4, 1, WORLD4, 1), REASON_GUARD_NOT_POD);
	agrees(TC_TO_UPLINK, dp.eth0, frame_udp(POD_A4, 1, "10.244.9.9", 1), REASON_GUARD_PASS);
	agrees(TC_TO_UPLINK, dp.eth0, frame_udp(POD_A6, 1, WORLD6, 1), REASON_DROP_LEAK);
	agrees(TC_TO_POD, dp.host0, frame_udp(WORLD4, 1, POD_A4, 1), REASON_POD_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(first_packets, reset),
		cmocka_unit_test_setup(every_class_and_shape, reset),
		cmocka_unit_test_setup(who_may_not_speak, reset),
		cmocka_unit_test_setup(ports_that_are_taken, reset),
		cmocka_unit_test_setup(limits_that_are_reached, reset),
		cmocka_unit_test_setup(flows_that_are_known, reset),
		cmocka_unit_test_setup(flows_that_begin_again, reset),
		cmocka_unit_test_setup(flows_whose_address_is_lost, reset),
		cmocka_unit_test_setup(the_short_way, reset),
		cmocka_unit_test_setup(what_leaves, reset),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
