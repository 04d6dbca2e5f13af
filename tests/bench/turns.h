/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_TURNS_H
#define CTNAT_BENCH_TURNS_H

/* Measuring several things at once, so that what disturbs one disturbs them all. */
#include <stdbool.h>

#include "inject.h"
#include "lib/samples.h"

/* What the slices of all turns took, of each turn the first, the second and so on: ns of a packet. */
struct times {
	struct samples slice[SLICES];
};

struct entrant {
	struct site *site;
	/* One turn, in the site's node: adds to `ns`. */
	int (*turn)(struct entrant *entrant, struct err *err);
	const void *what;		/* for turn() */
	unsigned int turns;		/* had */
	struct times ns;
	struct times asking, meeting;	/* slices that renew all answers (table.c) */
	double began;			/* now_ns() before the last turn (table.c) */
	unsigned long long frames;	/* of all turns */
	unsigned long long shortened;	/* that took ctnat's short way */
};

/* Of what waits for nothing there are as many times more rounds. */
#define CHEAP 3

/* How far the same thing measured twice may differ. */
#define CONTROL_MIN 0.97
#define CONTROL_MAX 1.03

bool agrees(double control);

/*
 * Rounds in which each has one turn, in a random order. The first two entrants are the control:
 * the same thing, measured twice. While the least of their slices differ by too much there are more
 * rounds, up to twice as many; then it is as it is. Says on stderr how far it is.
 */
int take_turns(struct entrant *entrants, size_t n, unsigned int rounds, const char *what,
	       struct err *err);

/* The slices of one turn, up to SLICES. */
void times_add(struct times *times, const double *ns, size_t n);

/* One turn of injected frames, and TAIL more. Adds nothing if others have carried them. */
int times_inject(struct times *times, const struct stream *stream, unsigned int frames,
		 struct err *err);

/* What is compared: a turn that would consist of the least of its first slices, the least of its
 * second ones, and so on; and of their lower quartiles. */
double least(const struct times *times);
double lower_quartile(const struct times *times);

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
