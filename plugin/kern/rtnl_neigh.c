// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kern/rtnl_neigh.h"

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

/* ---- what the kernel says of an entry -------------------------------------------------------- */

static int neigh_parse(const struct nlmsghdr *nlh, void *data)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct neigh *out = data;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm))
		return -EBADMSG;
	out->state = ndm->ndm_state;
	mnl_attr_for_each(attr, nlh, sizeof(*ndm)) {
		switch (mnl_attr_get_type(attr)) {
		case NDA_DST:
			nl_get_addr(attr, &out->addr);
			break;
		case NDA_LLADDR:
			nl_get_bytes(attr, out->mac, sizeof(out->mac));
			break;
		case NDA_PORT:
		case NDA_VNI:
		case NDA_IFINDEX:
			out->other = true;
			break;
		}
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

/* ---- lists ----------------------------------------------------------------------------------- */

struct neigh_dump {
	struct nl_array entries;
	size_t settled;		/* entries of the families that are done */
	int ifindex;
};

static int neigh_collect(const struct nlmsghdr *nlh, void *data)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct neigh_dump *dump = data;
	struct neigh neigh = { .state = NUD_NONE }, *slot;
	int rc = neigh_parse(nlh, &neigh);

	if (rc < 0 || ndm->ndm_ifindex != dump->ifindex)
		return rc;
	slot = nl_array_add(&dump->entries);
	if (!slot)
		return -ENOMEM;
	*slot = neigh;
	return 0;
}

static void neigh_restart(void *data)
{
	struct neigh_dump *dump = data;

	dump->entries.n = dump->settled;
}

/* The kernel wants to hear of the link in the header for forwarding entries, and only there. */
static int neigh_dump_family(struct nl *nl, int family, struct neigh_dump *dump, struct err *err)
{
	struct nl_handler handler = {
		.each = neigh_collect, .restart = neigh_restart, .data = dump,
	};
	struct nl_request req;
	struct nlmsghdr *nlh = nl_request(&req, RTM_GETNEIGH, NLM_F_DUMP);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	int rc;

	ndm->ndm_family = family;
	if (family == AF_BRIDGE)
		ndm->ndm_ifindex = dump->ifindex;
	else
		mnl_attr_put_u32(nlh, NDA_IFINDEX, (__u32)dump->ifindex);
	rc = nl_talk(nl, nlh, &handler, err);
	dump->settled = dump->entries.n;
	return rc;
}

static int neigh_dump_all(struct nl *nl, int ifindex, const int *families, size_t n_families,
			  struct neigh **out, size_t *n, struct err *err)
{
	struct neigh_dump dump = { .entries.size = sizeof(struct neigh), .ifindex = ifindex };
	int rc = 0;

	for (size_t i = 0; !rc && i < n_families; i++)
		rc = neigh_dump_family(nl, families[i], &dump, err);
	if (rc < 0) {
		free(dump.entries.items);
		return rc;
	}
	*out = dump.entries.items;
	*n = dump.entries.n;
	return 0;
}

int rtnl_neigh_list(struct nl *nl, int ifindex, struct neigh **out, size_t *n, struct err *err)
{
	static const int families[] = { AF_INET, AF_INET6 };
	int rc = neigh_dump_all(nl, ifindex, families, 2, out, n, err);

	if (rc < 0)
		err_wrap(err, "list neighbours of link %d", ifindex);
	return rc;
}

int rtnl_fdb_list(struct nl *nl, int ifindex, struct neigh **out, size_t *n, struct err *err)
{
	static const int family = AF_BRIDGE;
	int rc = neigh_dump_all(nl, ifindex, &family, 1, out, n, err);

	if (rc < 0)
		err_wrap(err, "list forwarding entries of link %d", ifindex);
	return rc;
}

/* ---- batches --------------------------------------------------------------------------------- */

static struct nlmsghdr *neigh_batch(struct rtnl_batch *batch, unsigned int type, int family,
				    int ifindex)
{
	bool set = type == RTM_NEWNEIGH;
	struct nlmsghdr *nlh = rtnl_batch_add(batch, type, set ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

	ndm->ndm_family = family;
	ndm->ndm_ifindex = ifindex;
	ndm->ndm_state = set ? NUD_PERMANENT : 0;
	ndm->ndm_flags = family == AF_BRIDGE ? NTF_SELF : 0;
	return nlh;
}

void rtnl_batch_neigh_set(struct rtnl_batch *batch, int ifindex, const struct neigh *neigh)
{
	struct nlmsghdr *nlh =
		neigh_batch(batch, RTM_NEWNEIGH, addr_family(&neigh->addr), ifindex);

	nl_put_addr(nlh, NDA_DST, &neigh->addr);
	mnl_attr_put(nlh, NDA_LLADDR, MAC_LEN, neigh->mac);
}

void rtnl_batch_neigh_del(struct rtnl_batch *batch, int ifindex, const struct neigh *neigh)
{
	struct nlmsghdr *nlh =
		neigh_batch(batch, RTM_DELNEIGH, addr_family(&neigh->addr), ifindex);

	nl_put_addr(nlh, NDA_DST, &neigh->addr);
}

void rtnl_batch_fdb_set(struct rtnl_batch *batch, int ifindex, const struct neigh *entry)
{
	struct nlmsghdr *nlh = neigh_batch(batch, RTM_NEWNEIGH, AF_BRIDGE, ifindex);

	mnl_attr_put(nlh, NDA_LLADDR, MAC_LEN, entry->mac);
	nl_put_addr(nlh, NDA_DST, &entry->addr);
}

/* Whatever hosts it names. */
void rtnl_batch_fdb_del(struct rtnl_batch *batch, int ifindex, const struct neigh *entry)
{
	struct nlmsghdr *nlh = neigh_batch(batch, RTM_DELNEIGH, AF_BRIDGE, ifindex);

	mnl_attr_put(nlh, NDA_LLADDR, MAC_LEN, entry->mac);
}
