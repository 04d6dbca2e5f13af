/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_TURNS_H
#define CTNAT_BENCH_TURNS_H

/* Measuring several things at once, so that what disturbs one disturbs them all. */
#include <stdbool.h>

#include "lib/samples.h"
#include "site.h"

struct entrant {
	struct site *site;
	/* One slice, in the site's node: *ns of one packet. */
	int (*slice)(struct entrant *entrant, double *ns, struct err *err);
	const void *what;		/* for slice() */
	struct samples ns;
	struct samples asking, meeting;	/* slices that renew all answers (table.c) */
	double began;			/* now_ns() before the last slice (table.c) */
	unsigned long long frames;	/* of all slices */
	unsigned long long shortened;	/* that took ctnat's short way */
};

/* How far the same thing measured twice may differ. */
#define CONTROL_MIN 0.97
#define CONTROL_MAX 1.03

/*
 * Rounds in which each has one slice, in a random order. The first two entrants are the control:
 * the same thing, measured twice. While the least of their slices differ by too much there are more
 * rounds, up to twice as many; then it is as it is. Says on stderr how far it is.
 */
int take_turns(struct entrant *entrants, size_t n, unsigned int rounds, const char *what,
	       struct err *err);

/* What is compared: the least of all slices, and the lower quartile. */
double least(const struct samples *ns);
double lower_quartile(const struct samples *ns);

/*
 * Which of the two the control agrees by: the least, else the quartile, else neither. entrants[0]
 * and [1] are the control; what the others come to has no say.
 */
struct control {
	bool holds, by_quartile;
	double least, quartile;		/* of entrants[1] beside entrants[0] */
};

struct control control_of(const struct entrant *entrants);

double now_ns(void);

#endif
