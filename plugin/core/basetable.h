/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_BASETABLE_H
#define CTNAT_CORE_BASETABLE_H

/* The base table, made from the maps: so programs and table answer alike for every destination. */
#include "core/node.h"

int table_make(struct node *node, struct err *err);
int table_verify(struct node *node, struct err *err);	/* as nft_verify() */

/* Does the table's set of pod sources hold this address by a range? If not, it must be added by
 * nft_pod_add(). */
bool table_range_holds(const struct node *node, const struct addr *addr);

#endif
