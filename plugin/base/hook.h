/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BASE_HOOK_H
#define CTNAT_BASE_HOOK_H

/*
 * Places at which a test lets the plugin die, or wait. Compiled in only with -DTEST_HOOKS
 * (build/hooks/ctnat); the shipped binary has none. CTNAT_KILL_AT=<point> kills the process there
 * with SIGKILL; CTNAT_STOP_AT=<point> stops it until somebody sends SIGCONT.
 * CTNAT_LIST_HOOKS=<file> appends the name of every point that is passed, so that the test finds
 * them all.
 */
#ifdef TEST_HOOKS
void hook_point(const char *verb, const char *step, const char *moment);
#else
static inline void hook_point(const char *verb, const char *step, const char *moment)
{
	(void)verb;
	(void)step;
	(void)moment;
}
#endif

#endif
