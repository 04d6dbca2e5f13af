/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_TESTS_CTFILL_H
#define CTNAT_TESTS_CTFILL_H

/* A full connection tracking table, for the namespace this process is in. */
#include "base/err.h"

/*
 * Inserts n confirmed, assured UDP entries that live for an hour, from addresses in 10.244.128.0/17
 * to 203.0.113.1. The kernel's limit counts for each namespace, but only the first one may set it:
 * -ENOMEM if it is below n.
 */
int ctfill(unsigned int n, struct err *err);

/* Empties the table. */
int ctfill_flush(struct err *err);

#endif
