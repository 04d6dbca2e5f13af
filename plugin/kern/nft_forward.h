/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_NFT_FORWARD_H
#define CTNAT_KERN_NFT_FORWARD_H

/* Does somebody's firewall drop whatever it does not know on its way through the node? */
#include <stddef.h>

#include "kern/nl.h"

/* 1 and the chain's name ("ip filter FORWARD") if there is a base chain at the forward hook whose
 * policy is to drop, whatever its rules; 0 if there is none. Not seen: those of iptables-legacy. */
int nft_forward_dropped(struct nl *nl, char *out, size_t size, struct err *err);

#endif
