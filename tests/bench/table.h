/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_TABLE_H
#define CTNAT_BENCH_TABLE_H

/* Established flows: one table a direction, of everybody, and what is required of ctnat there. */
#include "subjects.h"

/* Measures, prints and judges. `rounds` of slices. */
int table_measure(unsigned int rounds, struct err *err);

/* What a packet of one IPv4 UDP flow costs nftables masquerade on its way out, in ns: what other
 * rows are told in. After table_measure(). */
double table_unit(void);

#endif
