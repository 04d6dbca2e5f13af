// SPDX-License-Identifier: Apache-2.0
/*
 * What a packet costs in ctnat, beside its peers: `sudo make bench`.
 *
 * Theory: a time says nothing on another machine, and two runs on one machine differ. So everything
 * is a ratio to what ran in the same seconds (turns.h), and nftables masquerade takes part twice:
 * how far its second row is from 1.00 is what this run cannot tell apart, and outside 0.97 to 1.03
 * a row decides nothing. Frames are injected where a device receives them and counted where they
 * are to arrive, all of them (inject.h). Everybody has a node of its own, with the same devices,
 * addresses and neighbours (site.h), and works on one CPU. All of it is made and measured several
 * times, because it matters where things come to lie in memory (results.h).
 *
 * Exit status: 0 kept, 1 something was missed, 2 could not be measured, 3 decides nothing.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exits.h"
#include "memory.h"
#include "results.h"
#include "rows.h"
#include "sockets.h"
#include "subjects.h"
#include "table.h"

#define ROUNDS_DEFAULT 8		/* of each placement */

/* The last CPU: interrupts prefer the first. */
static void choose_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Of what nothing is required, and what has room enough, one placement will do. */
static int measure(unsigned int rounds, int placement, struct err *err)
{
	int whole = placement - (ROW_PLACEMENTS - PLACEMENTS);	/* before the first: rows alone */
	bool first = whole == 0, last = whole == PLACEMENTS - 1;
	int ret;

	if ((ret = inject_load(err)) || (ret = subjects_make(err)))
		return ret;
	if (whole < 0)
		return rows_not_ours(CHEAP * rounds, err);
	if ((ret = table_measure(rounds, first, err)))
		return ret;
	if (first && (ret = sockets_measure(CHEAP * rounds, err)))
		return ret;
	if ((ret = rows_first_packets(CHEAP * rounds, err)) ||
	    (ret = rows_not_ours(CHEAP * rounds, err)) || !last)
		return ret;
	if ((ret = exits_measure(table_unit(), err)) ||
	    (ret = node_enter(&sites[CTNAT].node, err)) || (ret = memory_say(err)))
		return ret;
	return rows_full_table(CHEAP * rounds, err);
}

/* All that is made ends with the process. */
static int measure_in_child(unsigned int rounds, int placement)
{
	pid_t parent = getpid(), child = fork();
	int status = -1;
	struct err err;

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(VERDICT_FAILED);
		if (!measure(rounds, placement, &err))
			exit(VERDICT_KEPT);
		fprintf(stderr, "bench: %s\n", err.msg);
		exit(VERDICT_FAILED);
	}
	if (child > 0)
		waitpid(child, &status, 0);
	return status ? -1 : 0;
}

static enum verdict bench(unsigned int rounds)
{
	struct err err;

	if (results_open(&err) || table_open(&err)) {
		fprintf(stderr, "bench: %s\n", err.msg);
		return VERDICT_FAILED;
	}
	for (int i = 0; i < ROW_PLACEMENTS; i++) {
		fprintf(stderr, "placement %d of %d\n", i + 1, ROW_PLACEMENTS);
		if (measure_in_child(rounds, i)) {
			fprintf(stderr, "bench: placement %d could not be measured\n", i + 1);
			return VERDICT_FAILED;
		}
	}
	table_say();
	return results_say();
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS_DEFAULT;

	if (rounds < ROUNDS_DEFAULT || rounds > SAMPLES_MAX / CHEAP) {
		fprintf(stderr, "usage: %s [rounds of each placement: %d to %d]\n", argv[0],
			ROUNDS_DEFAULT, SAMPLES_MAX / CHEAP);
		return VERDICT_FAILED;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	choose_cpu();
	subjects_say();
	return bench(rounds);
}
