// SPDX-License-Identifier: Apache-2.0
#include "base/hook.h"

#ifdef TEST_HOOKS
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hook_point(const char *verb, const char *step, const char *moment)
{
	const char *kill_at = getenv("CTNAT_KILL_AT"), *stop_at = getenv("CTNAT_STOP_AT");
	const char *list = getenv("CTNAT_LIST_HOOKS");
	char point[128];
	FILE *f;

	snprintf(point, sizeof(point), "%s:%s:%s", verb, step, moment);
	if (list && (f = fopen(list, "a"))) {
		fprintf(f, "%s\n", point);
		fclose(f);
	}
	if (kill_at && !strcmp(kill_at, point))
		raise(SIGKILL);
	if (stop_at && !strcmp(stop_at, point))
		raise(SIGSTOP);
}
#else
typedef int hook_unused;	/* ISO C wants a declaration */
#endif
