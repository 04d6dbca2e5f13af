// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: 46 bits are hash. Among 5,000 nodes two have the same with a probability of 2 in 10
 * million; then the overlay reaches the first of them by name, on every node but these two.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* qsort_r */
#endif
#include <stdlib.h>
#include <string.h>

#include "agent/tunnels.h"
#include "core/identity.h"

void tunnel_mac(const char *node_name, __u8 out[MAC_LEN])
{
	__u64 hash = hash_bytes(HASH_SEED, node_name, strlen(node_name));

	/* byte by byte: nodes need not have one byte order */
	for (size_t i = 0; i < MAC_LEN; i++)
		out[i] = hash >> (8 * i);
	out[0] = (out[0] & 0xfc) | 0x02; /* locally administered, not multicast */
}

struct addr tunnel_linklocal(const __u8 mac[MAC_LEN])
{
	return (struct addr){ { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 0x02, mac[1], mac[2], 0xff,
				0xfe, mac[3], mac[4], mac[5] } };
}

static int compare(const void *a, const void *b, void *data)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	const struct tunnel *tunnels = data;
	int diff = memcmp(tunnels[x].mac, tunnels[y].mac, MAC_LEN);

	return diff ? diff : x < y ? -1 : x > y;
}

void tunnels_settle(const struct peer *self, const struct peer *peers, size_t n,
		    struct tunnel *tunnels, size_t *by_mac)
{
	__u8 own[MAC_LEN];
	size_t first = PEER_NONE;

	tunnel_mac(self->name, own);
	for (size_t i = 0; i < n; i++) {
		tunnel_mac(peers[i].name, tunnels[i].mac);
		by_mac[i] = i;
	}
	qsort_r(by_mac, n, sizeof(*by_mac), compare, tunnels);
	for (size_t i = 0; i < n; i++) {
		struct tunnel *tunnel = &tunnels[by_mac[i]];

		tunnel->rival = PEER_NONE;
		if (!memcmp(tunnel->mac, own, MAC_LEN))
			tunnel->rival = PEER_SELF;
		else if (first != PEER_NONE && !memcmp(tunnel->mac, tunnels[first].mac, MAC_LEN))
			tunnel->rival = first;
		else
			first = by_mac[i];
	}
}
