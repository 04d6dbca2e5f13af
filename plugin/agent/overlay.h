/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_OVERLAY_H
#define CTNAT_AGENT_OVERLAY_H

/* The VXLAN device by which this node reaches those that a plain route does not. */
#include <stdbool.h>

#include "base/addr.h"
#include "kern/nl.h"

#define OVERLAY_NAME "ctnat.vx"
#define OVERLAY_ID   0x63746e /* "ctn": flannel's is 1, Calico's 4096 */
#define OVERLAY_PORT 4789     /* RFC 7348 */

/* What the device shall be. */
struct overlay_device {
	struct addr local;  /* an address of this node: its family is the tunnels' */
	__u8 mac[MAC_LEN];  /* tunnel_mac() */
	__u32 mtu;	    /* 0: not known now; a device that is there keeps its own */
	bool v6;	    /* carries IPv6 */
	struct addr own[2]; /* on the device, IPv4 and IPv6: what the node itself sends from */
};

/* Bytes that a tunnel over the family of `local` adds to a packet. */
__u32 overlay_overhead(const struct addr *local);

/*
 * Makes the device what it shall be; one that cannot become it is made anew, without entries.
 * *ifindex is the device's, or 0 if there is none; it is also set when something else failed.
 * Addresses that it had stay until overlay_trim(): routes may still use them.
 */
int overlay_ensure(struct nl *rt, const struct overlay_device *device, int *ifindex,
		   struct err *err);
int overlay_trim(struct nl *rt, const struct overlay_device *device, int ifindex, struct err *err);

/* Takes it away, with its routes and entries. A link of that name which is no VXLAN device is
 * somebody else's, and stays. */
int overlay_remove(struct nl *rt, struct err *err);

#endif
