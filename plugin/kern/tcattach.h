/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_TCATTACH_H
#define CTNAT_KERN_TCATTACH_H

/*
 * Our programs on devices. Where the kernel has tcx (6.6) they are attached by it; before that as a filter of
 * fixed handle and priority on clsact. "Ours" is known by the program's name, whichever version loaded it.
 */
#include <stdbool.h>

#include "abi.h"
#include "base/err.h"

enum tc_hook {
	TC_HOOK_INGRESS,	/* ctnat_from_pod */
	TC_HOOK_EGRESS,		/* ctnat_to_uplink */
};

/* Attaches prog_fd; one of ours that is there is replaced in one step. */
int tc_attach(int ifindex, enum tc_hook hook, int prog_fd, struct err *err);
/* Removes ours, whichever it is. Success if there is none or no such device. */
int tc_detach(int ifindex, enum tc_hook hook, struct err *err);
/* The id of our program there, in *id; -ENOENT if there is none. */
int tc_query(int ifindex, enum tc_hook hook, __u32 *id, struct err *err);

/* Id of a loaded program. */
int prog_id(int prog_fd, __u32 *id);

#endif
