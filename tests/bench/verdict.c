// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>

#include "verdict.h"

static unsigned int missed, inconclusive;

struct ratio ratio_of(const struct entrant *a, const struct entrant *b)
{
	return (struct ratio){
		.least = least(&a->ns) / least(&b->ns),
		.quartile = lower_quartile(&a->ns) / lower_quartile(&b->ns),
	};
}

void say_ratios(const char *title, const struct entrant *entrants, size_t n)
{
	printf("\n%-60s  least  quartile\n", title);
	for (size_t i = 0; i < n; i++) {
		struct ratio ratio = ratio_of(&entrants[i], &entrants[0]);

		printf("  %-60s %4.2f  %4.2f\n", entrants[i].site->label, ratio.least,
		       ratio.quartile);
	}
}

void judge(const struct entrant *entrants, struct ratio ratio, double limit, const char *fmt, ...)
{
	struct control control = control_of(entrants);
	double value = control.by_quartile ? ratio.quartile : ratio.least;
	bool kept = value <= limit;
	char what[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	missed += control.holds && !kept;
	inconclusive += !control.holds;
	printf("%s  %-56s %5.2f  (%s %.2f; control %.2f%s)\n",
	       !control.holds ? "????" : kept ? "PASS" : "FAIL", what, value,
	       kept ? "at most" : "misses", limit,
	       control.by_quartile ? control.quartile : control.least,
	       control.by_quartile ? ", quartiles" : "");
}

enum verdict verdict_sum(void)
{
	if (missed)
		return VERDICT_MISSED;
	return inconclusive ? VERDICT_INCONCLUSIVE : VERDICT_KEPT;
}
