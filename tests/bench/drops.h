/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_DROPS_H
#define CTNAT_BENCH_DROPS_H

#include "site.h"

/* What the kernel has dropped, ever, by where. */
struct drops {
	unsigned long long softnet;	/* backlogs of all CPUs, of the whole machine */
	unsigned long long queues;	/* qdiscs of the node and the world */
	unsigned long long programs;	/* what hangs on clsact there, ctnat's own included */
	unsigned long long devices;	/* of the node, the world and the pods */
	unsigned long long sockets;	/* buffers of UDP sockets of the world and the pods */
};

/* The process is in the site's node before and after. */
int drops_read(const struct site *site, const int *pods, size_t n, struct drops *out,
	       struct err *err);

#endif
