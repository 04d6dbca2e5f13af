/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_ORIGIN_H
#define CTNAT_CORE_ORIGIN_H

/* Where a packet that somebody asks about comes from. */
#include "core/explain.h"

/* Fills in x->origin, device and sender, from x->packet and `in`. */
int origin_find(struct node *node, const char *in, struct explanation *x, struct err *err);

#endif
