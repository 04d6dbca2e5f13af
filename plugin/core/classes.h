/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_CLASSES_H
#define CTNAT_CORE_CLASSES_H

/* Which destination has which class, as settings and cluster say: theory in classes.c. */
#include "base/cidrset.h"
#include "core/network.h"

/* All prefixes that net's settings, its cluster and its ranges give a class, each once, ascending
 * by cidr_compare(). The caller frees *out. */
int classes_wanted(const struct network *net, struct classed_cidr **out, size_t *n,
		   struct err *err);

/* The one of that very prefix, or NULL. */
const struct classed_cidr *classes_find(const struct classed_cidr *list, size_t n,
					const struct cidr *cidr);

#endif
