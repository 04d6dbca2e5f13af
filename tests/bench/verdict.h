/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_VERDICT_H
#define CTNAT_BENCH_VERDICT_H

/* What was required and what came of it, a line each; and the sum. */
#include <stdbool.h>

#include "turns.h"

enum verdict {
	VERDICT_KEPT,			/* exit statuses, too */
	VERDICT_MISSED,
	VERDICT_FAILED,			/* could not be measured */
	VERDICT_INCONCLUSIVE,
};

/* A ratio, of the least slices and of the lower quartiles. */
struct ratio {
	double least, quartile;
};

struct ratio ratio_of(const struct entrant *a, const struct entrant *b);

/* A row for each, beside entrants[0]. */
void say_ratios(const char *title, const struct entrant *entrants, size_t n);

/* At most `limit`, by that which the control of these entrants agrees by; if it does by neither,
 * the row decides nothing. */
void judge(const struct entrant *entrants, struct ratio ratio, double limit, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* A miss that means something counts for more than one that does not. */
enum verdict verdict_sum(void);

#endif
