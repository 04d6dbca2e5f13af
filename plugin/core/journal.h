/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_JOURNAL_H
#define CTNAT_CORE_JOURNAL_H

/* What the plugin did last, kept in maps: it is no daemon, and most runtimes lose its stderr. */
#include "base/err.h"
#include "core/network.h"

/* CLOCK_REALTIME and CLOCK_MONOTONIC, nanoseconds. */
__u64 clock_realtime(void);
__u64 clock_monotonic(void);

/* The place among OUTCOMES of a CNI error code, and what stands there: "0" (success), "11",
 * "other". */
unsigned int outcome_of(unsigned int code);
const char *outcome_name(unsigned int outcome);

/* Counts the verb and writes it down. err NULL: success. started: clock_monotonic() at the
 * beginning. Does nothing where the node has no state, or another node's. Never fails: a journal
 * must not break an ADD. */
void journal_write(const struct request *req, const struct network *net, const struct err *err,
		   __u64 started);

#endif
