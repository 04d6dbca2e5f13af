// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a veth is born whole. One RTM_NEWLINK names both ends, their MACs and MTU and the pod's
 * namespace, so there is no moment at which the pod's end stands in the node's namespace under a
 * name that could clash there, and nothing to undo but one deletion: either end takes both away.
 */
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "kern/rtnl_link.h"

/* Adds the header; attributes follow. */
static struct nlmsghdr *link_request(struct nl_request *req, unsigned int type, unsigned int flags,
				     int ifindex)
{
	struct nlmsghdr *nlh = nl_request(req, type, flags);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = ifindex;
	return nlh;
}

/* ---- what the kernel says of a link ---------------------------------------------------------- */

static void link_parse_info(struct link *link, const struct nlattr *info)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			nl_get_text(attr, link->kind, sizeof(link->kind));
	}
}

static void link_parse_attr(struct link *link, const struct nlattr *attr)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		nl_get_text(attr, link->name, sizeof(link->name));
		break;
	case IFLA_IFALIAS:
		nl_get_text(attr, link->alias, sizeof(link->alias));
		break;
	case IFLA_ADDRESS:
		nl_get_bytes(attr, link->mac, sizeof(link->mac));
		break;
	case IFLA_MTU:
		nl_get_bytes(attr, &link->mtu, sizeof(link->mtu));
		break;
	case IFLA_LINK:
		nl_get_bytes(attr, &link->peer_ifindex, sizeof(link->peer_ifindex));
		break;
	case IFLA_LINK_NETNSID:
		nl_get_bytes(attr, &link->peer_nsid, sizeof(link->peer_nsid));
		break;
	case IFLA_LINKINFO:
		link_parse_info(link, attr);
		break;
	}
}

static int link_parse(const struct nlmsghdr *nlh, struct link *out)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct link link = { .peer_nsid = -1 };
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi))
		return -EBADMSG;
	link.ifindex = ifi->ifi_index;
	link.flags = ifi->ifi_flags;
	link.type = ifi->ifi_type;
	mnl_attr_for_each(attr, nlh, sizeof(*ifi))
		link_parse_attr(&link, attr);
	*out = link;
	return 0;
}

static int link_take(const struct nlmsghdr *nlh, void *data)
{
	return link_parse(nlh, data);
}

static int link_collect(const struct nlmsghdr *nlh, void *data)
{
	struct link *link = nl_array_add(data);

	return link ? link_parse(nlh, link) : -ENOMEM;
}

/* Statistics are most of what the kernel would say, and cost it a walk over all CPUs. */
static void link_put_terse(struct nlmsghdr *nlh)
{
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

static int link_get(struct nl *nl, struct nlmsghdr *nlh, struct link *out, struct err *err)
{
	struct link link = { .ifindex = 0 };
	struct nl_handler handler = { .each = link_take, .data = &link };
	int rc;

	link_put_terse(nlh);
	rc = nl_talk(nl, nlh, &handler, err);
	if (!rc)
		*out = link;
	return rc;
}

int rtnl_link_get_name(struct nl *nl, const char *name, struct link *out, struct err *err)
{
	struct nl_request req;
	struct nlmsghdr *nlh = link_request(&req, RTM_GETLINK, 0, 0);
	int rc;

	nl_put_text(nlh, IFLA_IFNAME, name, IFNAMSIZ);
	rc = link_get(nl, nlh, out, err);
	if (rc < 0)
		err_wrap(err, "look up link '%s'", name);
	return rc;
}

int rtnl_link_get_index(struct nl *nl, int ifindex, struct link *out, struct err *err)
{
	struct nl_request req;
	int rc = link_get(nl, link_request(&req, RTM_GETLINK, 0, ifindex), out, err);

	if (rc < 0)
		err_wrap(err, "look up link %d", ifindex);
	return rc;
}

int rtnl_link_list(struct nl *nl, struct link **out, size_t *n, struct err *err)
{
	struct nl_array links = { .size = sizeof(struct link) };
	struct nl_handler handler = {
		.each = link_collect, .restart = nl_array_reset, .data = &links,
	};
	struct nl_request req;
	struct nlmsghdr *nlh = link_request(&req, RTM_GETLINK, NLM_F_DUMP, 0);
	int rc;

	link_put_terse(nlh);
	rc = nl_talk(nl, nlh, &handler, err);
	if (rc < 0) {
		free(links.items);
		err_wrap(err, "list links");
		return rc;
	}
	*out = links.items;
	*n = links.n;
	return 0;
}

/* ---- what we say ----------------------------------------------------------------------------- */

static void link_put_end(struct nlmsghdr *nlh, const char *name, const __u8 *mac, __u32 mtu)
{
	nl_put_text(nlh, IFLA_IFNAME, name, IFNAMSIZ);
	mnl_attr_put(nlh, IFLA_ADDRESS, MAC_LEN, mac);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
}

int rtnl_veth_add(struct nl *nl, const struct veth_spec *spec, struct err *err)
{
	struct nl_request req;
	struct nlmsghdr *nlh = link_request(&req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	struct nlattr *info, *data, *peer;
	int rc;

	link_put_end(nlh, spec->host_name, spec->host_mac, spec->mtu);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	/* The other end: a header of its own, zeroed, and the attributes a link has. */
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	link_put_end(nlh, spec->pod_name, spec->pod_mac, spec->mtu);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (__u32)spec->pod_netns);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);

	rc = nl_talk(nl, nlh, NULL, err);
	if (rc < 0)
		err_wrap(err, "create veth '%s' with '%s' in the pod", spec->host_name,
			 spec->pod_name);
	return rc;
}

static int link_make_no_addrs(struct nl *nl, int ifindex, struct err *err)
{
	struct nl_request req;
	struct nlmsghdr *nlh = link_request(&req, RTM_NEWLINK, 0, ifindex);
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	return nl_talk(nl, nlh, NULL, err);
}

int rtnl_link_change(struct nl *nl, int ifindex, const struct link_change *change, struct err *err)
{
	struct nl_request req;
	struct nlmsghdr *nlh = link_request(&req, RTM_NEWLINK, 0, ifindex);
	struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	int rc = 0;

	if (change->set_up) {
		ifi->ifi_change = IFF_UP;
		ifi->ifi_flags = change->up ? IFF_UP : 0;
	}
	if (change->alias)
		nl_put_text(nlh, IFLA_IFALIAS, change->alias, IFALIASZ);
	if (change->mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, change->mtu);

	/* A message of its own: of one that says both, the kernel sets the link up first, and a
	 * link that has a carrier gets its address then. */
	if (change->no_linklocal)
		rc = link_make_no_addrs(nl, ifindex, err);
	if (!rc)
		rc = nl_talk(nl, nlh, NULL, err);
	if (rc < 0)
		err_wrap(err, "change link %d", ifindex);
	return rc;
}

int rtnl_link_del(struct nl *nl, int ifindex, struct err *err)
{
	struct nl_request req;
	int rc = nl_talk(nl, link_request(&req, RTM_DELLINK, 0, ifindex), NULL, err);

	if (rc < 0)
		err_wrap(err, "delete link %d", ifindex);
	return rc;
}
