/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_TABLE_H
#define CTNAT_BENCH_TABLE_H

/* Established flows: one table a direction, of everybody, and what is required of ctnat there. */
#include "subjects.h"

/* As results_open(). */
int table_open(struct err *err);

/* Measures, notes and judges. everybody_else: also those with many flows of whom nothing is
 * required. */
int table_measure(unsigned int rounds, bool everybody_else, struct err *err);

/* What a packet of one IPv4 UDP flow costs nftables masquerade on its way out, in ns: what other
 * rows are told in. After table_measure(). */
double table_unit(void);

/* Prints what all placements came to. */
void table_say(void);

#endif
