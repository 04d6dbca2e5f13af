// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "kern/rtnl_neigh.h"

struct neigh {
	__u8 mac[MAC_LEN];
	unsigned int state;	/* NUD_* */
};

static struct nlmsghdr *neigh_request(struct nl_request *req, unsigned int type, unsigned int flags,
				      int ifindex, const struct addr *addr)
{
	struct nlmsghdr *nlh = nl_request(req, type, flags);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

	ndm->ndm_family = addr_family(addr);
	ndm->ndm_ifindex = ifindex;
	nl_put_addr(nlh, NDA_DST, addr);
	return nlh;
}

int rtnl_neigh_set(struct nl *nl, int ifindex, const struct addr *addr, const __u8 mac[MAC_LEN],
		   struct err *err)
{
	struct nl_request req;
	struct nlmsghdr *nlh = neigh_request(&req, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE,
					     ifindex, addr);
	struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	char buf[ADDR_STRLEN];
	int rc;

	ndm->ndm_state = NUD_PERMANENT;
	mnl_attr_put(nlh, NDA_LLADDR, MAC_LEN, mac);
	rc = nl_talk(nl, nlh, NULL, err);
	if (rc < 0)
		err_wrap(err, "set neighbour %s of link %d", addr_format(addr, buf), ifindex);
	return rc;
}

int rtnl_neigh_reserve(struct nl *nl, int ifindex, const struct addr *addr, struct err *err)
{
	struct nl_request req;
	struct nlmsghdr *nlh = neigh_request(&req, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE,
					     ifindex, addr);
	struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	char buf[ADDR_STRLEN];
	int rc;

	ndm->ndm_state = NUD_NONE;
	ndm->ndm_flags = NTF_EXT_LEARNED;
	rc = nl_talk(nl, nlh, NULL, err);
	if (rc < 0)
		err_wrap(err, "reserve neighbour %s of link %d", addr_format(addr, buf), ifindex);
	return rc;
}

static int neigh_parse(const struct nlmsghdr *nlh, void *data)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct neigh *out = data;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm))
		return -EBADMSG;
	out->state = ndm->ndm_state;
	mnl_attr_for_each(attr, nlh, sizeof(*ndm)) {
		if (mnl_attr_get_type(attr) == NDA_LLADDR)
			nl_get_bytes(attr, out->mac, sizeof(out->mac));
	}
	return 0;
}

int rtnl_neigh_get(struct nl *nl, int ifindex, const struct addr *addr, __u8 mac[MAC_LEN],
		   unsigned int *state, struct err *err)
{
	struct neigh neigh = { .state = NUD_NONE };
	struct nl_handler handler = { .each = neigh_parse, .data = &neigh };
	struct nl_request req;
	char buf[ADDR_STRLEN];
	int rc;

	rc = nl_talk(nl, neigh_request(&req, RTM_GETNEIGH, 0, ifindex, addr), &handler, err);
	if (rc < 0) {
		err_wrap(err, "look up neighbour %s of link %d", addr_format(addr, buf), ifindex);
		return rc;
	}
	memcpy(mac, neigh.mac, sizeof(neigh.mac));
	*state = neigh.state;
	return 0;
}
