/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_ROWS_H
#define CTNAT_BENCH_ROWS_H

/* Rows of their own, each with what is required of it. Each measures, notes and judges; devices
 * are armed before and after. */
#include "subjects.h"

/* First packets: every packet a new UDP flow. */
int rows_first_packets(unsigned int rounds, struct err *err);

/* What crosses the uplink and is no pod's, beside a node without programs there. */
int rows_not_ours(unsigned int rounds, struct err *err);

/* One flow, while others' entries fill the kernel's table. Says what memory they take. */
int rows_full_table(unsigned int rounds, struct err *err);

#endif
