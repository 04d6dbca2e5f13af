/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_RTNL_VXLAN_H
#define CTNAT_KERN_RTNL_VXLAN_H

/* VXLAN devices (RFC 7348) whose tunnels are told, not learned: entries of rtnl_neigh.h say which
 * MAC lives behind which host. */
#include <stdbool.h>

#include "abi.h"
#include "base/addr.h"
#include "kern/nl.h"

/* What a device adds to a packet: an Ethernet header (14), VXLAN's (8), UDP's (8) and IP's. */
#define VXLAN_OVERHEAD4 50
#define VXLAN_OVERHEAD6 70

struct vxlan {
	__u32 id;	   /* 24 bits */
	struct addr local; /* source of what it sends, and so its family */
	__u16 port;
	bool learning; /* never of those made here */
	bool own_sums; /* UDP checksums as rtnl_vxlan_add() sets them */
};

struct vxlan_spec {
	const char *name;
	__u8 mac[MAC_LEN];
	__u32 mtu;
	__u32 id;
	struct addr local;
	__u16 port;
};

/*
 * Creates one, down. No UDP checksums over IPv4, as RFC 7348 has it (what is inside has its own,
 * and cards compute them); over IPv6 always, and none accepted without: there they are the only
 * ones over the addresses.
 */
int rtnl_vxlan_add(struct nl *nl, const struct vxlan_spec *spec, struct err *err);

/* -EPROTOTYPE if the link is no VXLAN device. */
int rtnl_vxlan_get(struct nl *nl, int ifindex, struct vxlan *out, struct err *err);

#endif
