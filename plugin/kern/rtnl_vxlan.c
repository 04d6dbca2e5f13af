// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: there is no default destination (group, remote): a frame for a MAC that nobody told of is
 * dropped, also a broadcast. What is left unsaid is as the kernel has it: outer packets may be
 * fragmented, the outer TTL is the route's, the source port a hash of the inner flow.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "kern/rtnl_vxlan.h"

static void vxlan_put(struct nlmsghdr *nlh, const struct vxlan_spec *spec)
{
	bool v4 = addr_is_v4(&spec->local);

	mnl_attr_put_u32(nlh, IFLA_VXLAN_ID, spec->id);
	nl_put_addr(nlh, v4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, &spec->local);
	mnl_attr_put_u16(nlh, IFLA_VXLAN_PORT, htons(spec->port));
	mnl_attr_put_u8(nlh, IFLA_VXLAN_LEARNING, 0);
	mnl_attr_put_u8(nlh, IFLA_VXLAN_UDP_CSUM, 0);
	mnl_attr_put_u8(nlh, IFLA_VXLAN_UDP_ZERO_CSUM6_TX, 0);
	mnl_attr_put_u8(nlh, IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 0);
}

int rtnl_vxlan_add(struct nl *nl, const struct vxlan_spec *spec, struct err *err)
{
	struct nl_request req;
	struct nlmsghdr *nlh = nl_request(&req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	struct nlattr *info, *data;
	int rc;

	ifi->ifi_family = AF_UNSPEC;
	nl_put_text(nlh, IFLA_IFNAME, spec->name, IFNAMSIZ);
	mnl_attr_put(nlh, IFLA_ADDRESS, MAC_LEN, spec->mac);
	mnl_attr_put_u32(nlh, IFLA_MTU, spec->mtu);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	vxlan_put(nlh, spec);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);

	rc = nl_talk(nl, nlh, NULL, err);
	if (rc < 0)
		err_wrap(err, "create VXLAN device '%s'", spec->name);
	return rc;
}

/* ---- what the kernel says of one ------------------------------------------------------------- */

struct vxlan_answer {
	struct vxlan vxlan;
	__u8 csum4, zero_tx6, zero_rx6, learning;
	bool is_vxlan;
};

static void vxlan_parse_data(struct vxlan_answer *answer, const struct nlattr *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_VXLAN_ID:
			nl_get_bytes(attr, &answer->vxlan.id, sizeof(answer->vxlan.id));
			break;
		case IFLA_VXLAN_LOCAL:
		case IFLA_VXLAN_LOCAL6:
			nl_get_addr(attr, &answer->vxlan.local);
			break;
		case IFLA_VXLAN_PORT:
			nl_get_bytes(attr, &answer->vxlan.port, sizeof(answer->vxlan.port));
			break;
		case IFLA_VXLAN_LEARNING:
			nl_get_bytes(attr, &answer->learning, sizeof(answer->learning));
			break;
		case IFLA_VXLAN_UDP_CSUM:
			nl_get_bytes(attr, &answer->csum4, sizeof(answer->csum4));
			break;
		case IFLA_VXLAN_UDP_ZERO_CSUM6_TX:
			nl_get_bytes(attr, &answer->zero_tx6, sizeof(answer->zero_tx6));
			break;
		case IFLA_VXLAN_UDP_ZERO_CSUM6_RX:
			nl_get_bytes(attr, &answer->zero_rx6, sizeof(answer->zero_rx6));
			break;
		}
	}
}

static void vxlan_parse_info(struct vxlan_answer *answer, const struct nlattr *info)
{
	const struct nlattr *attr, *data = NULL;
	char kind[IFNAME_MAX] = "";

	mnl_attr_for_each_nested(attr, info) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			nl_get_text(attr, kind, sizeof(kind));
		else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			data = attr;
	}
	answer->is_vxlan = !strcmp(kind, "vxlan");
	if (answer->is_vxlan && data)
		vxlan_parse_data(answer, data);
}

static int vxlan_parse(const struct nlmsghdr *nlh, void *data)
{
	struct vxlan_answer *answer = data;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWLINK ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(struct ifinfomsg))
		return -EBADMSG;
	mnl_attr_for_each(attr, nlh, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			vxlan_parse_info(answer, attr);
	}
	return 0;
}

int rtnl_vxlan_get(struct nl *nl, int ifindex, struct vxlan *out, struct err *err)
{
	struct vxlan_answer answer = { .is_vxlan = false };
	struct nl_handler handler = { .each = vxlan_parse, .data = &answer };
	struct nl_request req;
	struct nlmsghdr *nlh = nl_request(&req, RTM_GETLINK, 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	int rc;

	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = ifindex;
	rc = nl_talk(nl, nlh, &handler, err);
	if (rc < 0)
		err_wrap(err, "look up VXLAN device %d", ifindex);
	else if (!answer.is_vxlan)
		rc = err_set(err, -EPROTOTYPE, "look up VXLAN device %d", ifindex);
	if (rc < 0)
		return rc;
	*out = answer.vxlan;
	out->port = ntohs(out->port);
	out->learning = answer.learning;
	out->own_sums = !answer.csum4 && !answer.zero_tx6 && !answer.zero_rx6;
	return 0;
}
