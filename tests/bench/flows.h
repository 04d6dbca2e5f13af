/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_FLOWS_H
#define CTNAT_BENCH_FLOWS_H

/* Flows between the pod of a site and the server in the world, and their being established. */
#include "inject.h"

struct flows {
	bool v6, tcp;
	unsigned int n;		/* up to FLOWS_NEAR, or a multiple of it */
};

/* Source ports that the flows of one port of the server have. */
#define NEAR_FIRST 10000
#define FLOWS_NEAR 50000

/* The pod's packets, as its veth receives them; the server's, as the uplink does. */
struct stream flows_out(const struct site *site, const struct flows *flows);
struct stream flows_in(const struct site *site, const struct flows *flows);

/*
 * Forgets what the sites' conntrack knows, and establishes the flows at each of them: TCP by a
 * handshake, UDP by answers over more than two seconds. Devices are armed. -EPROTO if a site that
 * translates then knows fewer.
 */
int flows_open(struct site *const *sites, size_t n, const struct flows *flows, struct err *err);

#endif
