/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_SUBJECTS_H
#define CTNAT_BENCH_SUBJECTS_H

/* Who is measured: ctnat in its kinds, its peers, and what no NAT can be better than. */
#include "flows.h"
#include "turns.h"

enum subject {
	NFT,			/* what everybody is compared with */
	NFT_AGAIN,		/* its control */
	ROUTING,
	IPTABLES,
	CTNAT,
	CTNAT_UNCACHED,
	CTNAT_ASSISTED,
	CTNAT_OFF,
	WIRE,
	SUBJECTS,
};

extern struct site sites[SUBJECTS];

const char *subject_label(enum subject subject);

/* A site for each of them, with sinks where frames arrive, and armed. $BUILD/ctnat or $CTNAT is the
 * plugin. Moves the process into namespaces. */
int subjects_make(struct err *err);

/* For rows with frames of sockets: takes the XDP programs off the devices, and puts them back. */
int subjects_disarm(struct err *err);
int subjects_arm(struct err *err);

/* An entrant for the subject, with nothing measured yet. */
struct entrant entrant_of(enum subject subject,
			  int (*turn)(struct entrant *entrant, struct err *err),
			  const void *what);

/* Versions of peers and kernel, CPUs. */
void subjects_say(void);

#endif
