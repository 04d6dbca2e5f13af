// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: two prefixes are disjoint, or one contains the other. So the different ones, sorted, are
 * a forest: what contains a prefix is among its ancestors, of which there are at most 128, and what
 * it contains has told all of its ancestors. That makes 10,000 claims a matter of sorting them.
 *
 * A claim is judged by those before it that stand, so the outcome is the same on every node that
 * knows the same claims in the same order, and a newcomer that comes later in that order takes
 * nothing away from anybody.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* qsort_r */
#endif
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "agent/claims.h"
#include "base/cleanup.h"

#define NONE SIZE_MAX

/* A prefix that somebody claims. */
struct prefix {
	struct cidr cidr;
	size_t parent; /* the longest prefix that contains it */
	size_t owner;  /* the claim that stands */
	size_t below;  /* a claim inside it that stands */
	size_t bearer; /* somebody whose address it holds */
};

struct forest {
	struct prefix *prefix; /* sorted */
	size_t n;
	size_t *of_claim;
};

static int by_prefix(const void *a, const void *b, void *data)
{
	const struct claim *claims = data;
	const struct cidr *x = &claims[*(const size_t *)a].cidr;
	const struct cidr *y = &claims[*(const size_t *)b].cidr;
	int diff = addr_compare(&x->addr, &y->addr);

	return diff ? diff : (int)x->len - (int)y->len;
}

/* Where cidr belongs, if it is not less than any that is there. */
static size_t grow(struct forest *forest, const struct cidr *cidr)
{
	size_t parent = forest->n ? forest->n - 1 : NONE;

	if (forest->n && forest->prefix[parent].cidr.len == cidr->len &&
	    addr_equal(&forest->prefix[parent].cidr.addr, &cidr->addr))
		return parent;
	while (parent != NONE && !cidr_contains(&forest->prefix[parent].cidr, &cidr->addr))
		parent = forest->prefix[parent].parent;
	forest->prefix[forest->n] = (struct prefix){
		.cidr = *cidr,
		.parent = parent,
		.owner = NONE,
		.below = NONE,
		.bearer = NONE,
	};
	return forest->n++;
}

static void note_bearer(struct forest *forest, const struct bearer *bearers, size_t bearer)
{
	const struct addr *addr = &bearers[bearer].addr;
	size_t low = 0, high = forest->n, at;

	/* the last one that does not begin behind the address: it, or one around it, or none */
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (addr_compare(&forest->prefix[middle].cidr.addr, addr) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (at = low ? low - 1 : NONE; at != NONE; at = forest->prefix[at].parent) {
		struct prefix *prefix = &forest->prefix[at];

		if (prefix->bearer == NONE && cidr_contains(&prefix->cidr, addr))
			prefix->bearer = bearer;
	}
}

/* The claim that stands in the way of one for `prefix`, or NONE. */
static size_t find_rival(const struct forest *forest, size_t prefix)
{
	size_t at = prefix;

	if (forest->prefix[prefix].below != NONE)
		return forest->prefix[prefix].below;
	while (at != NONE && forest->prefix[at].owner == NONE)
		at = forest->prefix[at].parent;
	return at == NONE ? NONE : forest->prefix[at].owner;
}

static void judge(struct forest *forest, struct claim *claims, size_t claim)
{
	size_t at = forest->of_claim[claim];
	const struct prefix *prefix = &forest->prefix[at];
	struct claim *c = &claims[claim];

	if (prefix->bearer != NONE && !c->given) {
		c->verdict = CLAIM_HOLDS;
		c->rival = prefix->bearer;
		return;
	}
	c->rival = find_rival(forest, at);
	c->verdict = c->rival == NONE ? CLAIM_STANDS : CLAIM_OVERLAPS;
	if (c->verdict != CLAIM_STANDS)
		return;
	forest->prefix[at].owner = claim;
	while ((at = forest->prefix[at].parent) != NONE)
		forest->prefix[at].below = claim;
}

int claims_settle(struct claim *claims, size_t n, const struct bearer *bearers, size_t n_bearers,
		  size_t *order)
{
	_cleanup_free_ struct prefix *prefix = calloc(n + 1, sizeof(*prefix));
	_cleanup_free_ size_t *of_claim = calloc(n + 1, sizeof(*of_claim));
	struct forest forest = { .prefix = prefix, .of_claim = of_claim };

	if (!prefix || !of_claim)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	qsort_r(order, n, sizeof(*order), by_prefix, claims);
	for (size_t i = 0; i < n; i++)
		of_claim[order[i]] = grow(&forest, &claims[order[i]].cidr);
	for (size_t i = 0; i < n_bearers; i++)
		note_bearer(&forest, bearers, i);
	for (size_t i = 0; i < n; i++)
		judge(&forest, claims, i);
	return 0;
}
