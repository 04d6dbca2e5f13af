/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_DRYRUN_H
#define CTNAT_KERN_DRYRUN_H

/*
 * What the pinned programs would do with a packet: a copy of them is asked, which decides by the
 * same maps and changes nothing. Theory in dryrun.c.
 */
#include <stdbool.h>

#include "kern/maps.h"
#include "kern/tcattach.h"

struct bpf_object;

struct dryrun {
	struct bpf_object *obj;		/* NULL: not open */
	const struct maps *maps;	/* the node's */
	int prog[TC_PROGS];		/* -1: not loaded */
	int stats, budgets, guards;	/* its own */
};

#define DRYRUN_FRAME_MAX 256

struct dryrun_frame {
	__u32 ifindex;		/* of the device that it comes or leaves by; not 1, the loopback */
	size_t len;
	__u8 bytes[DRYRUN_FRAME_MAX];	/* from the Ethernet header on */
};

struct dryrun_answer {
	enum reason reason;		/* by which the packet would leave the program */
	bool beside[REASON_MAX];	/* what would be counted, too: `revived` and its like */
	struct addr egress;		/* PASS_INSERTED, PASS_RETRIED: what its source becomes */
	__u16 port;			/* ... host order */
	struct dryrun_frame frame;	/* SHORT_*: as it would leave, and by no device */
};

/* Loads a copy of the programs that are to be asked (bits 1 << TC_*), which takes a tenth of a
 * second or two. `maps` must outlive it. -ENOENT: no programs are pinned (level nftables). */
int dryrun_open(struct dryrun *dry, const struct maps *maps, unsigned int progs, struct err *err);
void dryrun_close(struct dryrun *dry);	/* also of a zeroed one */

int dryrun_ask(struct dryrun *dry, enum tc_prog prog, const struct dryrun_frame *frame,
	       struct dryrun_answer *out, struct err *err);

#endif
