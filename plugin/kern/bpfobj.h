/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_BPFOBJ_H
#define CTNAT_KERN_BPFOBJ_H

/* The BPF objects embedded in the binary: maps.bpf.o, ctnat.bpf.o, selftest.bpf.o. Opening and
 * loading them is the first ADD's business alone: everybody else opens pins. Call under the node's
 * lock. */
#include <stddef.h>

#include "kern/bpffs.h"
#include "kern/maps.h"
#include "kern/tcattach.h"

/* Creates the maps that are not pinned yet, pins them, and opens all. */
int bpfobj_make_maps(struct maps *out, struct err *err);

/*
 * Loads the programs at the best level from `wanted` (LEVEL_NONE: try full, then assisted) and pins
 * them. Each takes the place of an older pin in one step: whoever opens it finds one or the other.
 * *level is what was reached; LEVEL_NFTABLES loads nothing and is success. reason says in words why
 * it is not full ("" if it is). A level that was wanted by name and does not load is an error.
 */
int bpfobj_load(enum datapath_level wanted, enum datapath_level *level, char *reason, size_t size,
		struct err *err);

/* An fd of the pinned program, or -ENOENT. */
int bpfobj_open(enum tc_prog prog, struct err *err);

/* Puts the pinned program on the device as tc_attach() does. -ENOENT: none is pinned. */
int bpfobj_attach(int ifindex, enum tc_prog prog, enum tc_way way, struct err *err);

/* Is it the pinned program that the device carries? -ENOENT: none of ours is there, or none is
 * pinned; -ESTALE: it is another version's. */
int bpfobj_verify(int ifindex, enum tc_prog prog, struct err *err);

/* What the programs are told of the kernel before they are loaded. */
struct kernel_facts {
	__u32 hz;		/* jiffies a second */
	bool has_cast;		/* bpf_rdonly_cast(), 6.2 and newer */
};
struct kernel_facts bpfobj_kernel_facts(void);

/*
 * Does an entry that BPF inserts live (it looks expired at once on 6.3 to 6.5.5 and some 6.1.y)?
 * Loads a program that tries, and runs it in a network namespace of its own. 0: it does; negative:
 * it does not, for the reason in *err.
 */
int bpfobj_selftest(struct err *err);

/* For who loads a copy of the programs (dryrun.c): the object as it is embedded, and what libbpf
 * and the verifier said last of a failure, since bpfobj_listen(). They print nothing then. */
const void *bpfobj_elf(size_t *size);
void bpfobj_listen(void);
const char *bpfobj_complaint(void);

const char *level_name(enum datapath_level level);	/* "full", "assisted", "nftables", "auto" */

#endif
