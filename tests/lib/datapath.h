/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_TESTS_DATAPATH_H
#define CTNAT_TESTS_DATAPATH_H

/*
 * The datapath alone, on a node without a plugin: the programs, maps filled by hand, and frames run
 * through them by BPF_PROG_TEST_RUN. For cmocka: what goes wrong fails the test that is running.
 *
 *	peer0 --veth-- host0	pod A: 10.244.1.5, fd00:10:244:1::5
 *	peer1 --veth-- host1	pod B: 10.244.1.6, fd00:10:244:1::6
 *	eth0	an uplink, 192.0.2.1/24, 2001:db8:2::1/64, default routes
 *	eth1	no uplink, 203.0.113.1/24, 2001:db8:3::1/64
 *
 * leave: 10.244.0.0/16, fd00:10:244::/48; service: 10.96.0.0/12, fd00:10:96::/112; kernel:
 * 169.254.0.0/16, 198.18.0.0/15, 2001:db8:18::/48; the rest is bpf.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <linux/bpf.h>

#include "abi.h"
#include "lib/cttable.h"
#include "lib/frame.h"

#define POD_A4 "10.244.1.5"
#define POD_A6 "fd00:10:244:1::5"
#define POD_B4 "10.244.1.6"
#define POD_B6 "fd00:10:244:1::6"
#define NODE4 "192.0.2.1"
#define NODE6 "2001:db8:2::1"
#define WORLD4 "198.51.100.1"
#define WORLD6 "2001:db8:51::1"

struct datapath {
	int host0, host1, eth0, eth1;	/* ifindex */
	int from_pod, to_pod;		/* programs */
	int from_uplink, to_uplink;
	int flows, flow_index;	/* maps */
	bool without_cast;		/* a kernel like 6.1: to be set before dp_load() */
	struct config cfg;		/* as the programs see it after dp_reset() */
	struct guard_watch guard;	/* of both uplinks, before each packet; zero after dp_reset() */
};

extern struct datapath dp;
extern const __u32 dp_flow_seed[10];	/* of the programs that dp_load() loads */

/* cmocka's group fixtures: namespaces, devices, programs of level `full`. */
int dp_set_up(void **state);
int dp_tear_down(void **state);
/* Before each test: maps as above, no conntrack entry, begun early in a second (budgets are per
 * second). */
int dp_reset(void **state);

/* Programs of another kind, with maps of their own as above. */
void dp_load(enum datapath_level level, bool race);

void dp_set_config(const struct config *cfg);
void dp_set_pod(const char *addr, int ifindex, enum record_state state, const char *egress);
void dp_del_pod(const char *addr);
void dp_set_uplink(int ifindex, const char *v4, const char *v6);	/* NULL: none of that family */
void dp_set_class(const char *cidr, enum masq_class class);
struct budget dp_budget(int ifindex);

/* Forgets all answers. What comes by an uplink may be a pod's on any port. */
void dp_forget_flows(void);

/* from_pod opens flows only where the uplink's guard sees what it lets out. Forgets for whom it
 * waits. */
void dp_guards_hear(void);

/* What became of a frame. */
struct ran {
	__u32 verdict;
	struct frame frame;
	struct __sk_buff ctx;
	struct counter moved[REASON_MAX];	/* by how much */
};

/* Runs the frame through a program; ctx.ifindex says where it arrives, or leaves. flags:
 * BPF_F_TEST_*. */
void dp_run(int prog, struct __sk_buff ctx, __u32 flags, const struct frame *f, struct ran *ran);
/* Asserts the verdict that the reason implies, and that of all counters exactly its own moved, by
 * one packet and the frame's bytes. beside: a reason that is no exit, and is counted too;
 * REASON_MAX: none. */
void dp_ran(const struct ran *ran, enum reason reason, enum reason beside);

/*
 * Runs the frame through from_pod as received on host0 (or another link), or through to_uplink as
 * sent on eth0. Asserts what dp_ran() does, and that no byte of the frame changed.
 */
void dp_pod_sends(struct frame f, enum reason reason);
void dp_link_sends(int ifindex, struct frame f, enum reason reason);
void dp_pod_reopens(struct frame f, enum reason reason);	/* `revived`, and then reason */
void dp_node_sends(struct frame f, enum reason reason);
/* Without an opinion: what was the reason? */
enum reason dp_pod_tries(struct frame f);

/* Packets counted for the reason since dp_load(), and its name. */
__u64 dp_count(enum reason reason);
const char *dp_reason(enum reason reason);

/* The fd of a map by its name. */
int dp_map(const char *name);

/* A command of the test's own; it must succeed. */
void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
