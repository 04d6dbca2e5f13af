/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_TUNNELS_H
#define CTNAT_AGENT_TUNNELS_H

/* Who has which MAC in the overlay: a hash of the node's name, so that every node can tell every
 * other's, and nothing has to be told to anybody. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/peer.h"

#define PEER_NONE SIZE_MAX
#define PEER_SELF (SIZE_MAX - 1)

struct tunnel {
	__u8 mac[MAC_LEN];
	size_t rival; /* who has the MAC: a peer that comes earlier, PEER_SELF, or PEER_NONE */
	bool used;    /* the caller's: it is wanted, */
	bool used_v6; /* ... also for IPv6 */
};

void tunnel_mac(const char *node_name, __u8 out[MAC_LEN]);
/* The link-local address made of it (EUI-64): they ascend as the MACs do. */
struct addr tunnel_linklocal(const __u8 mac[MAC_LEN]);

/* Fills in tunnels[0..n), one for each peer; by_mac[0..n) are their indices by MAC. */
void tunnels_settle(const struct peer *self, const struct peer *peers, size_t n,
		    struct tunnel *tunnels, size_t *by_mac);

#endif
