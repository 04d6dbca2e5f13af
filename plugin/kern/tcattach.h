/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_TCATTACH_H
#define CTNAT_KERN_TCATTACH_H

/*
 * Our programs on devices: by tcx (6.6 and newer) or as a filter of fixed handle and priority on
 * clsact. "Ours" is known by the program's name, whichever version loaded it. Neither way is better
 * everywhere:
 *
 *	tcx	shares the device with every qdisc, but to attach waits for an RCU grace
 *		period, with the RTNL held: 5 to 18 ms
 *	clsact	attaches in 0.2 ms, but excludes the `ingress` qdisc of the bandwidth plugin
 *
 * So pods get clsact, and tcx if somebody will shape them; uplinks, which are attached to once, get
 * tcx. On an `ingress` qdisc the kernel takes a filter for the egress and runs it on the ingress:
 * what is not attached by tcx must be on a device whose qdisc is ours or clsact.
 */
#include "abi.h"
#include "base/err.h"

enum tc_prog {
	TC_FROM_POD,		/* ingress of the host's side of a pod's veth */
	TC_TO_POD,		/* its egress */
	TC_FROM_UPLINK,		/* ingress of an uplink */
	TC_TO_UPLINK,		/* its egress: the guard */
	TC_PROGS,
};

enum tc_way {
	TC_TCX,			/* clsact where the kernel has no tcx */
	TC_CLSACT,
};

/* "ctnat_from_pod". */
const char *tc_name(enum tc_prog prog);

/* Attaches prog_fd. One of ours that is there is replaced in one step, by the way
 * it is attached. */
int tc_attach(int ifindex, enum tc_prog prog, enum tc_way way, int prog_fd, struct err *err);
/* Removes ours, whichever it is. Success if there is none or no such device. */
int tc_detach(int ifindex, enum tc_prog prog, struct err *err);
/* The id of our program there and the way it is attached; -ENOENT if there is none. Either of the
 * two may be NULL. */
int tc_query(int ifindex, enum tc_prog prog, __u32 *id, enum tc_way *way, struct err *err);

/* Id of a loaded program. */
int prog_id(int prog_fd, __u32 *id);

#endif
