// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: BPF_PROG_TEST_RUN with the ifindex of a device gives a program what that device's receive
 * path would (packet type, protocol, network namespace), and needs nobody at the other end. So a
 * test is one frame and one reason.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/addr.h"
#include "ctnat.skel.h"
#include "kern/bpfobj.h"
#include "kern/maps.h"
#include "lib/datapath.h"

#define TC_PASS ((__u32)-1)	/* TC_ACT_UNSPEC */
#define TC_DROP 2u		/* TC_ACT_SHOT */
#define TC_REDIRECT 7u		/* TC_ACT_REDIRECT */

struct datapath dp;
const __u32 dp_flow_seed[10] = { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822,
				 0x299f31d0, 0x082efa98, 0xec4e6c89, 0x452821e6, 0x38d01377 };

static struct ctnat_bpf *skel;

static const struct config default_config = {
	.port_min = 1024,
	.port_max = 65535,
	.insert_timeout_ms = 5000,
	.spoof_check = 1,
};

static const char *const reason_names[REASON_MAX] = {
#define REASON_NAME(id, name, what) name,
	REASONS(REASON_NAME)
#undef REASON_NAME
};

/* What people are told becomes of the packet, against what becomes of it. */
static const char *const reason_texts[REASON_MAX] = {
#define REASON_TEXT(id, name, what) what,
	REASONS(REASON_TEXT)
#undef REASON_TEXT
};

void run(const char *fmt, ...)
{
	char command[4096];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	if (system(command))
		fail_msg("'%s' failed", command);
}

static struct addr address(const char *text)
{
	struct addr a = { { 0 } };

	if (text && addr_parse(text, &a))
		fail_msg("no address: '%s'", text);
	return a;
}

/* ---- the node --------------------------------------------------------------------------------------- */

static const char topology[] =
	"ip -batch - <<-'END'\n"
	"link set lo up\n"
	"link add host0 address 02:00:00:00:00:01 type veth peer name peer0 address 02:00:00:00:00:02\n"
	"link add host1 address 02:00:00:00:00:01 type veth peer name peer1\n"
	"link add eth0 address 02:00:00:00:00:01 type veth peer name world0 address 02:00:00:00:00:fe\n"
	"link add eth1 type veth peer name world1\n"
	"addr add 192.0.2.1/24 dev eth0\n"
	"addr add 2001:db8:2::1/64 dev eth0 nodad\n"
	"addr add 203.0.113.1/24 dev eth1\n"
	"addr add 2001:db8:3::1/64 dev eth1 nodad\n"
	"addr add fe80::1/64 dev host0 nodad\n"
	"link set host0 up\n"
	"link set peer0 up\n"
	"link set host1 up\n"
	"link set peer1 up\n"
	"link set eth0 up\n"
	"link set eth1 up\n"
	"link set world0 up\n"
	"link set world1 up\n"
	"route add 10.244.1.5/32 dev host0\n"
	"route add 10.244.1.6/32 dev host1\n"
	"route add fd00:10:244:1::5/128 dev host0\n"
	"route add fd00:10:244:1::6/128 dev host1\n"
	"route add default via 192.0.2.254\n"
	"route add default via 2001:db8:2::fe\n"
	"END\n";

int dp_set_up(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return -1;
	run("mount --make-rprivate / && mount -t sysfs sysfs /sys");
	run("echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad");
	run("%s", topology);
	run("echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding");
	dp.host0 = if_nametoindex("host0");
	dp.host1 = if_nametoindex("host1");
	dp.eth0 = if_nametoindex("eth0");
	dp.eth1 = if_nametoindex("eth1");
	dp_load(LEVEL_FULL, false);
	return 0;
}

int dp_tear_down(void **state)
{
	(void)state;
	ctnat_bpf__destroy(skel);
	skel = NULL;
	return 0;
}

void dp_load(enum datapath_level level, bool race)
{
	const struct kernel_facts facts = bpfobj_kernel_facts();

	ctnat_bpf__destroy(skel);
	skel = ctnat_bpf__open();
	assert_non_null(skel);
	skel->rodata->level = level;
	skel->rodata->hz = facts.hz;
	skel->rodata->kernel_cast = facts.has_cast && !dp.without_cast;
	skel->rodata->test_race = race;
	memcpy(skel->rodata->flow_seed, dp_flow_seed, sizeof(skel->rodata->flow_seed));
	assert_int_equal(ctnat_bpf__load(skel), 0);
	dp.from_pod = bpf_program__fd(skel->progs.ctnat_from_pod);
	dp.to_pod = bpf_program__fd(skel->progs.ctnat_to_pod);
	dp.from_uplink = bpf_program__fd(skel->progs.ctnat_from_uplink);
	dp.to_uplink = bpf_program__fd(skel->progs.ctnat_to_uplink);
	dp.flows = bpf_map__fd(skel->maps.flows);
	dp.flow_index = bpf_map__fd(skel->maps.flow_index);
	dp_reset(NULL);
}

/* ---- the maps --------------------------------------------------------------------------------------- */

int dp_map(const char *name)
{
	return bpf_object__find_map_fd_by_name(skel->obj, name);
}

static void update(struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(map_set(bpf_map__fd(map), key, value), 0);
}

static int forget(const void *key, const void *value, void *data)
{
	(void)value;
	return map_delete(*(int *)data, key);
}

static void empty(struct bpf_map *map)
{
	int fd = bpf_map__fd(map);

	map_each(fd, bpf_map__key_size(map), bpf_map__value_size(map), forget, &fd);
}

void dp_set_config(const struct config *cfg)
{
	dp.cfg = *cfg;
	update(skel->maps.config, &(__u32){ 0 }, cfg);
}

void dp_set_pod(const char *addr, int ifindex, enum record_state state, const char *egress)
{
	const struct addr key = address(addr);
	struct pod pod = { .ifindex = ifindex, .state = state, .egress = address(egress) };

	assert_int_equal(pod_bloom_add(bpf_map__fd(skel->maps.pod_bloom), &key), 0);
	update(skel->maps.pods, &key, &pod);
}

void dp_del_pod(const char *addr)
{
	const struct addr key = address(addr);

	assert_int_equal(map_delete(bpf_map__fd(skel->maps.pods), &key), 0);
}

void dp_set_uplink(int ifindex, const char *v4, const char *v6)
{
	const struct uplink uplink = { .v4 = address(v4), .v6 = address(v6), .flags = UPLINK_ETHERNET };
	const __u32 key = ifindex;

	update(skel->maps.uplinks, &key, &uplink);
}

static void begin_budget(int ifindex)
{
	const __u32 key = ifindex % BUDGETS;

	update(skel->maps.budgets, &key, &(struct budget){ 0 });
}

void dp_set_class(const char *text, enum masq_class class)
{
	struct cidr cidr = { 0 };
	struct cidr_key key;

	assert_int_equal(cidr_parse(text, &cidr), 0);
	assert_int_equal(cidr_bloom_add(bpf_map__fd(skel->maps.cidr_bloom), &cidr), 0);
	key = (struct cidr_key){ .prefixlen = cidr.len, .addr = cidr.addr };
	update(skel->maps.masq_cidrs, &key, &(struct cidr_class){ .class = class, .prefixlen = cidr.len });
}

struct budget dp_budget(int ifindex)
{
	const __u32 key = ifindex % BUDGETS;
	struct budget budget = { 0 };

	map_get(bpf_map__fd(skel->maps.budgets), &key, &budget);
	return budget;
}

/* What is counted by the second has half of one. By the programs' clock: it is up to a tick late. */
static void await_room_in_second(void)
{
	struct timespec now;

	while (!clock_gettime(CLOCK_MONOTONIC_COARSE, &now) && now.tv_nsec > 500000000)
		usleep(1000);
}

int dp_reset(void **state)
{
	(void)state;
	empty(skel->maps.pods);
	empty(skel->maps.masq_cidrs);
	empty(skel->maps.uplinks);
	dp_forget_flows();
	dp_set_config(&default_config);
	dp.guard = (struct guard_watch){ 0 };
	dp_set_pod(POD_A4, dp.host0, STATE_READY, NULL);
	dp_set_pod(POD_A6, dp.host0, STATE_READY, NULL);
	dp_set_pod(POD_B4, dp.host1, STATE_READY, NULL);
	dp_set_pod(POD_B6, dp.host1, STATE_READY, NULL);
	dp_set_uplink(dp.eth0, NODE4, NODE6);
	begin_budget(dp.host0);
	begin_budget(dp.host1);
	dp_set_class("10.244.0.0/16", CLASS_LEAVE);
	dp_set_class("fd00:10:244::/48", CLASS_LEAVE);
	dp_set_class("10.96.0.0/12", CLASS_SERVICE);
	dp_set_class("fd00:10:96::/112", CLASS_SERVICE);
	dp_set_class("169.254.0.0/16", CLASS_KERNEL);
	dp_set_class("198.18.0.0/15", CLASS_KERNEL);
	dp_set_class("2001:db8:18::/48", CLASS_KERNEL);
	ct_do("-F");
	await_room_in_second();
	return 0;
}

/* ---- running ---------------------------------------------------------------------------------------- */

static void read_counters(struct counter out[REASON_MAX])
{
	for (int i = 0; i < REASON_MAX; i++)
		assert_int_equal(stats_read(bpf_map__fd(skel->maps.stats), i, &out[i]), 0);
}

const char *dp_reason(enum reason reason)
{
	return reason_names[reason];
}

__u64 dp_count(enum reason reason)
{
	struct counter counter;

	assert_int_equal(stats_read(bpf_map__fd(skel->maps.stats), reason, &counter), 0);
	return counter.packets;
}

/* A place that has a tag may be in use, no other is. */
void dp_forget_flows(void)
{
	static const struct flow_set none;
	static struct flow_index index;

	assert_int_equal(map_get(dp.flow_index, &(__u32){ 0 }, &index), 0);
	for (__u32 i = 0; i < FLOW_SETS; i++)
		if (index.tags[i].all)
			assert_int_equal(map_set(dp.flows, &i, &none), 0);
	memset(index.tags, 0, sizeof(index.tags));
	memset(index.ports, 0xff, sizeof(index.ports));
	assert_int_equal(map_set(dp.flow_index, &(__u32){ 0 }, &index), 0);
}

void dp_guards_hear(void)
{
	const __u32 uplinks[] = { dp.eth0 % GUARDS, dp.eth1 % GUARDS };

	for (size_t i = 0; i < sizeof(uplinks) / sizeof(uplinks[0]); i++)
		update(skel->maps.guards, &uplinks[i], &dp.guard);
}

void dp_run(int prog, struct __sk_buff ctx, __u32 flags, const struct frame *f, struct ran *ran)
{
	struct counter before[REASON_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->data, .data_size_in = f->len,
		    .data_out = ran->frame.data, .data_size_out = sizeof(ran->frame.data), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .ctx_out = &ran->ctx, .ctx_size_out = sizeof(ran->ctx),
		    .flags = flags);

	dp_guards_hear();	/* in a test run nothing that is let out comes to them */
	read_counters(before);
	assert_int_equal(bpf_prog_test_run_opts(prog, &opts), 0);
	read_counters(ran->moved);
	for (int i = 0; i < REASON_MAX; i++) {
		ran->moved[i].packets -= before[i].packets;
		ran->moved[i].bytes -= before[i].bytes;
	}
	ran->frame.len = opts.data_size_out;
	ran->verdict = opts.retval;
}

static __u32 verdict_of(enum reason reason)
{
	if (strstr(reason_texts[reason], "dropped"))
		return TC_DROP;
	return strncmp(reason_texts[reason], "the short way ", 14) ? TC_PASS : TC_REDIRECT;
}

void dp_ran(const struct ran *ran, enum reason reason, enum reason beside)
{
	for (int i = 0; i < REASON_MAX; i++) {
		__u64 wanted = i == (int)reason || i == (int)beside;

		if (ran->moved[i].packets != wanted || ran->moved[i].bytes != wanted * ran->frame.len)
			fail_msg("expected '%s', but '%s' moved by %llu packets, %llu bytes", reason_names[reason],
				 reason_names[i], ran->moved[i].packets, ran->moved[i].bytes);
	}
	assert_int_equal(ran->verdict, verdict_of(reason));
}

/* The frame, unchanged. */
static void pass_through(int prog, int ifindex, const struct frame *f, struct ran *ran)
{
	dp_run(prog, (struct __sk_buff){ .ifindex = ifindex }, 0, f, ran);
	assert_int_equal(ran->frame.len, f->len);
	assert_memory_equal(ran->frame.data, f->data, f->len);
}

static void expect(int prog, int ifindex, const struct frame *f, enum reason reason, enum reason beside)
{
	struct ran ran;

	pass_through(prog, ifindex, f, &ran);
	dp_ran(&ran, reason, beside);
}

void dp_link_sends(int ifindex, struct frame f, enum reason reason)
{
	expect(dp.from_pod, ifindex, &f, reason, REASON_MAX);
}

void dp_pod_sends(struct frame f, enum reason reason)
{
	dp_link_sends(dp.host0, f, reason);
}

void dp_pod_reopens(struct frame f, enum reason reason)
{
	expect(dp.from_pod, dp.host0, &f, reason, REASON_PASS_REVIVED);
}

void dp_node_sends(struct frame f, enum reason reason)
{
	expect(dp.to_uplink, dp.eth0, &f, reason, REASON_MAX);
}

enum reason dp_pod_tries(struct frame f)
{
	struct ran ran;

	pass_through(dp.from_pod, dp.host0, &f, &ran);
	for (int i = 0; i < REASON_MAX; i++) {
		if (ran.moved[i].packets && i != REASON_PASS_REVIVED)
			return i;
	}
	return REASON_MAX;
}
