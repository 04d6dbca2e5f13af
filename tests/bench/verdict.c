// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>

#include "verdict.h"

static unsigned int missed, inconclusive;

void judge(const struct entrant *entrants, double value, double limit, const char *fmt, ...)
{
	bool sure = control_holds(entrants), kept = value <= limit;
	char what[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	missed += sure && !kept;
	inconclusive += !sure;
	printf("%s  %-60s %5.2f  ", !sure ? "????" : kept ? "PASS" : "FAIL", what, value);
	if (kept)
		printf("(at most %.2f", limit);
	else
		printf("(misses %.2f", limit);
	printf("; control %.2f)\n", control_of(entrants));
}

enum verdict verdict_sum(void)
{
	if (missed)
		return VERDICT_MISSED;
	return inconclusive ? VERDICT_INCONCLUSIVE : VERDICT_KEPT;
}
