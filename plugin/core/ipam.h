/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_IPAM_H
#define CTNAT_CORE_IPAM_H

/* Who has which address: the map `pods`. Theory in ipam.c. */
#include "core/network.h"
#include "kern/maps.h"

/*
 * Takes one address of each set of net, those of net->ips where they were asked for: each lies in a
 * set of its own (the front end has seen to it). All or nothing. -ENOSPC: a set has no free
 * address. -EADDRINUSE: an address that was asked for is taken; *holder, if not NULL, says by whom.
 * Both with CNI_EXHAUSTED and a message.
 */
int ipam_allocate(const struct maps *maps, const struct attachment_key *key,
		  const struct network *net, struct addr *out, size_t *n_out,
		  struct attachment_key *holder, struct err *err);

/* Takes just this address (a delegate chose it). -EADDRINUSE as above. */
int ipam_claim(const struct maps *maps, const struct attachment_key *key, const struct addr *addr,
	       __u32 flags, struct attachment_key *holder, struct err *err);

/* Writes the record of an address that has none. Raw -errno; -EEXIST: it has one. In either case
 * the guard looks at the address from now on. */
int pod_record(const struct maps *maps, const struct addr *addr, const struct pod *pod);

/* Frees the address if it is key's; success if it is free, or somebody else's. */
int ipam_free(const struct maps *maps, const struct attachment_key *key, const struct addr *addr,
	      struct err *err);

/* The addresses that bear key as their owner, by walking the map: for attachments that never became
 * ready. */
int ipam_owned(const struct maps *maps, const struct attachment_key *key,
	       struct addr out[POD_ADDRS_MAX], size_t *n, struct err *err);

/* Free addresses of a set: 0 if there is none. Saturates at UINT64_MAX. */
unsigned long long ipam_free_in_set(const struct maps *maps, const struct range_set *set);

#endif
