/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_EXITS_H
#define CTNAT_BENCH_EXITS_H

/* What ctnat's programs cost by the reason for which they are left. */
#include "subjects.h"

/* Measures and prints, as parts of `unit` ns. Devices are armed. */
int exits_measure(double unit, struct err *err);

#endif
