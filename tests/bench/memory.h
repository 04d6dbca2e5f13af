/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_MEMORY_H
#define CTNAT_BENCH_MEMORY_H

#include "base/err.h"

/* Prints how much memory each pinned map of the current node has, by the kernel's own account. */
int memory_say(struct err *err);

#endif
