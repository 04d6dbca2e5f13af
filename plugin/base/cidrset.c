// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: two prefixes are disjoint, or one lies in the other. Sorted by first address, and the
 * shorter first, they are the opening brackets of a nested text; a stack holds those that are open,
 * and the innermost (the longest prefix) speaks for what lies from the cursor to the next bracket:
 *
 *	10.0.0.0/8    (                        )
 *	10.9.0.0/16       (        )
 *	              aaaaabbbbbbbbbbaaaaaaaaaaa
 *
 * Families are cut out where an interval is written: ::/0 holds IPv4 too (base/addr.c).
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cidrset.h"
#include "base/cleanup.h"

#define PREFIX_LENGTHS 129	/* so many prefixes can be open at once: one of each length */

/* The addresses of a family: ::ffff:0:0/96, and what lies on both sides of it. */
static const struct addr_range all_v4[] = {
	{ { { [10] = 0xff, [11] = 0xff } },
	  { { [10] = 0xff, [11] = 0xff, [12] = 0xff, [13] = 0xff, [14] = 0xff, [15] = 0xff } } },
};
static const struct addr_range all_v6[] = {
	{ { { 0 } },
	  { { [10] = 0xff, [11] = 0xfe, [12] = 0xff, [13] = 0xff, [14] = 0xff, [15] = 0xff } } },
	{ { { [9] = 1 } },
	  { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } } },
};

struct flatten {
	const struct addr_range *space;		/* the family */
	size_t n_space;
	__u32 class;
	struct addr_range *out;
	size_t n, max;
	struct addr cursor;			/* all before it is written */
	bool ended;				/* the cursor is beyond the last address there is */
	const struct classed_cidr *open[PREFIX_LENGTHS];
	size_t depth;
};

static bool before(const struct addr *a, const struct addr *b)
{
	return addr_compare(a, b) < 0;
}

static struct addr predecessor(struct addr a)
{
	for (size_t i = sizeof(a.byte); i-- && !a.byte[i]--;)
		;	/* borrowed from the next byte */
	return a;
}

/* Appends an interval, or prolongs the last one. */
static int append(struct flatten *f, const struct addr_range *range)
{
	if (f->n) {
		struct addr_range *last = &f->out[f->n - 1];
		struct addr next = addr_add(&last->last, 1);

		if (addr_equal(&next, &range->first)) {
			last->last = range->last;
			return 0;
		}
	}
	if (f->n == f->max)
		return -ENOSPC;
	f->out[f->n++] = *range;
	return 0;
}

/* The innermost prefix speaks for what lies from the cursor to `last`, if of the family. */
static int advance(struct flatten *f, const struct addr *last)
{
	const struct classed_cidr *inner = f->open[f->depth - 1];
	int ret = 0;

	if (f->ended || before(last, &f->cursor))
		return 0;
	for (size_t i = 0; inner->class == f->class && i < f->n_space && !ret; i++) {
		const struct addr_range *space = &f->space[i];
		struct addr_range cut = {
			.first = before(&f->cursor, &space->first) ? space->first : f->cursor,
			.last = before(last, &space->last) ? *last : space->last,
		};

		if (!before(&cut.last, &cut.first))
			ret = append(f, &cut);
	}
	f->cursor = addr_add(last, 1);
	f->ended = addr_is_zero(&f->cursor);
	return ret;
}

/* Closes the innermost prefix. */
static int close_prefix(struct flatten *f)
{
	struct addr last = cidr_last(&f->open[f->depth - 1]->cidr);
	int ret = advance(f, &last);

	f->depth--;
	return ret;
}

static int open_prefix(struct flatten *f, const struct classed_cidr *prefix)
{
	struct addr first = cidr_first(&prefix->cidr), up_to = predecessor(first);
	int ret = 0;

	while (f->depth && !ret && !cidr_contains(&f->open[f->depth - 1]->cidr, &first))
		ret = close_prefix(f);
	if (f->depth && !ret && before(&f->cursor, &first))
		ret = advance(f, &up_to);
	f->cursor = first;
	f->open[f->depth++] = prefix;
	return ret;
}

/* By first address, the outer one first, the same one as the caller has them. */
static int compare(const void *pa, const void *pb)
{
	const struct classed_cidr *a = *(const struct classed_cidr *const *)pa;
	const struct classed_cidr *b = *(const struct classed_cidr *const *)pb;

	return cidr_compare(&a->cidr, &b->cidr) ?: (a > b) - (a < b);
}

int cidrset_flatten(const struct classed_cidr *in, size_t n, int family, __u32 class,
		    struct addr_range *out, size_t max)
{
	bool v4 = family == AF_INET;
	struct flatten f = {
		.space = v4 ? all_v4 : all_v6,
		.n_space = v4 ? 1 : 2,
		.class = class,
		.out = out,
		.max = max,
	};
	_cleanup_free_ const struct classed_cidr **sorted = calloc(n ?: 1, sizeof(*sorted));
	int ret = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		sorted[i] = &in[i];
	qsort(sorted, n, sizeof(*sorted), compare);

	/* One prefix of each length at most, or the stack would not hold them. */
	for (size_t i = 0; i < n && !ret; i++)
		if (i + 1 == n || cidr_compare(&sorted[i]->cidr, &sorted[i + 1]->cidr))
			ret = open_prefix(&f, sorted[i]);
	while (f.depth && !ret)
		ret = close_prefix(&f);
	return ret ?: (int)f.n;
}
