/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_CLAIMS_H
#define CTNAT_AGENT_CLAIMS_H

/* Many nodes claim prefixes for their pods; no address can be at two of them. */
#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

enum verdict {
	CLAIM_STANDS,
	CLAIM_OVERLAPS, /* an earlier claim that stands */
	CLAIM_HOLDS,	/* the address of a node: its way would be through itself */
};

struct claim {
	struct cidr cidr;     /* masked */
	size_t owner;	      /* for the caller */
	bool given;	      /* stands, whoever's address it holds */
	enum verdict verdict; /* answer */
	size_t rival;	      /* answer: which claim it overlaps, or whose address it holds */
};

struct bearer {
	struct addr addr;
	size_t owner; /* for the caller */
};

/* Judges the claims, the earlier before the later, and writes their indices to `order`, ascending
 * by prefix (a shorter one before what it contains). Returns 0 or -ENOMEM. */
int claims_settle(struct claim *claims, size_t n, const struct bearer *bearers, size_t n_bearers,
		  size_t *order);

#endif
