// SPDX-License-Identifier: Apache-2.0
/*
 * What a packet costs in ctnat, beside its peers: `sudo make bench`.
 *
 * Theory: a time says nothing on another machine, and two runs on one machine differ. So everything
 * is a ratio to what ran in the same seconds (turns.h), and nftables masquerade takes part twice:
 * how far its second row is from 1.00 is what this run cannot tell apart, and outside 0.97 to 1.03
 * a row decides nothing. Frames are injected where a device receives them and counted where they
 * are to arrive, all of them (inject.h). Everybody has a node of its own, with the same devices,
 * addresses and neighbours (site.h), and works on one CPU.
 *
 * Exit status: 0 kept, 1 something was missed, 2 could not be measured, 3 decides nothing.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "exits.h"
#include "memory.h"
#include "rows.h"
#include "sockets.h"
#include "subjects.h"
#include "table.h"
#include "verdict.h"

#define ROUNDS_DEFAULT 22

/* The last CPU: interrupts prefer the first. */
static void choose_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static int measure(unsigned int rounds, struct err *err)
{
	int ret;

	if ((ret = inject_load(err)) || (ret = subjects_make(err)) ||
	    (ret = table_measure(rounds, err)) || (ret = sockets_measure(rounds, err)) ||
	    (ret = rows_first_packets(rounds, err)) || (ret = rows_not_ours(rounds, err)) ||
	    (ret = exits_measure(table_unit(), err)) ||
	    (ret = node_enter(&sites[CTNAT].node, err)) || (ret = memory_say(err)))
		return ret;
	return rows_full_table(rounds, err);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS_DEFAULT;
	struct err err;

	if (rounds < ROUNDS_DEFAULT || rounds > SAMPLES_MAX / 3) {
		fprintf(stderr, "usage: %s [rounds: %d to %d]\n", argv[0], ROUNDS_DEFAULT,
			SAMPLES_MAX / 3);
		return VERDICT_FAILED;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	choose_cpu();
	subjects_say();
	if (measure(rounds, &err) < 0) {
		fprintf(stderr, "bench: %s\n", err.msg);
		return VERDICT_FAILED;
	}
	return verdict_sum();
}
