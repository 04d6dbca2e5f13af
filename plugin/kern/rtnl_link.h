/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_RTNL_LINK_H
#define CTNAT_KERN_RTNL_LINK_H

/* Links, over a NETLINK_ROUTE socket of the namespace they live in. Raw -errno of the kernel:
 * -ENODEV no such link, -EEXIST name taken (in either namespace, for a veth). */
#include <stdbool.h>

#include "abi.h"
#include "kern/nl.h"

struct link {
	int ifindex;
	int peer_ifindex;		/* IFLA_LINK; 0: none */
	int peer_nsid;			/* IFLA_LINK_NETNSID; -1: none, or the same namespace */
	unsigned int flags;		/* IFF_* */
	unsigned short type;		/* ARPHRD_* */
	__u32 mtu;
	__u8 mac[MAC_LEN];
	char name[IFNAME_MAX];
	char kind[IFNAME_MAX];		/* "veth", "" for hardware */
	char alias[256];
};

struct veth_spec {
	const char *host_name;
	const char *pod_name;
	int pod_netns;			/* fd; the peer is created in there, with its final name */
	__u32 mtu;
	__u8 host_mac[MAC_LEN];
	__u8 pod_mac[MAC_LEN];
};

/* Creates both ends, down. */
int rtnl_veth_add(struct nl *nl, const struct veth_spec *spec, struct err *err);

int rtnl_link_get_name(struct nl *nl, const char *name, struct link *out, struct err *err);
int rtnl_link_get_index(struct nl *nl, int ifindex, struct link *out, struct err *err);

struct link_change {
	bool set_up;		/* change IFF_UP to `up` */
	bool up;
	bool no_linklocal;	/* no IPv6 link-local address of the kernel's making */
	const char *alias;	/* NULL: leave */
	__u32 mtu;		/* 0: leave */
};

/* All of it in one message, except that no_linklocal goes ahead in one of its own. */
int rtnl_link_change(struct nl *nl, int ifindex, const struct link_change *change, struct err *err);
int rtnl_link_del(struct nl *nl, int ifindex, struct err *err);

/* Every link, in one array that the caller frees. */
int rtnl_link_list(struct nl *nl, struct link **out, size_t *n, struct err *err);

#endif
