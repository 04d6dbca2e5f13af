/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_RESULTS_H
#define CTNAT_BENCH_RESULTS_H

/*
 * Theory: of two sites that are made alike one is some hundredths faster, as long as it lives: by
 * where the kernel has put what it consists of, and the loader its programs. No number of rounds
 * tells that from what is to be measured. So everything is made anew, several times, each time in a
 * process of its own with which all of it ends (datapath.c); a result is the median of these
 * placements. Results lie in memory that the processes share.
 */
#include <stdbool.h>

#include "turns.h"

#define PLACEMENTS 3
/* Of what costs but hundredths, where a placement matters as much: such rows alone have more. */
#define ROW_PLACEMENTS 7

enum verdict {
	VERDICT_KEPT,			/* exit statuses, too */
	VERDICT_MISSED,
	VERDICT_FAILED,			/* could not be measured */
	VERDICT_INCONCLUSIVE,
};

/* One value for each placement in which a thing was measured. */
struct takes {
	unsigned int n;
	double value[ROW_PLACEMENTS];
};

void takes_add(struct takes *takes, double value);
/* Of two the greater; 0 of none. */
double takes_median(const struct takes *takes);

/* Zeroed memory that all processes share that this one starts. NULL: sets err. */
void *results_memory(size_t size, struct err *err);

/* Before anything is noted, and before the processes start that do. */
int results_open(struct err *err);

/* A ratio, of the least slices and of the lower quartiles. */
struct ratio {
	double least, quartile;
};

struct ratio ratio_of(const struct entrant *a, const struct entrant *b);

/* A row below the title. Texts are copied. */
void note_ratio(const char *title, const char *label, struct ratio ratio);
/* A row for each, beside entrants[0]; that of entrants[1], the control, says if it does not agree. */
void note_ratios(const char *title, const struct entrant *entrants, size_t n);

/* That it is to be at most `limit`, by that which the control of these entrants agrees by; if it
 * does by neither, this placement decides nothing. */
void judge(const struct entrant *entrants, struct ratio ratio, double limit, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Prints all rows, then what was required and what came of it. What decides is the median of the
 * placements whose control holds, which are most of them, or nothing is decided. A miss that means
 * something counts for more than one that does not. */
enum verdict results_say(void);

#endif
