// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "kern/rtnl_addr.h"

static struct nlmsghdr *addr_request(struct nl_request *req, unsigned int type, unsigned int flags,
				     const struct ifaddr *addr)
{
	struct nlmsghdr *nlh = nl_request(req, type, flags);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	ifa->ifa_family = addr_family(&addr->cidr.addr);
	ifa->ifa_prefixlen = cidr_family_len(&addr->cidr);
	ifa->ifa_scope = addr->scope;
	ifa->ifa_index = (__u32)addr->ifindex;
	/* Both, or the kernel takes an IPv6 address for that of a far end. */
	nl_put_addr(nlh, IFA_LOCAL, &addr->cidr.addr);
	nl_put_addr(nlh, IFA_ADDRESS, &addr->cidr.addr);
	return nlh;
}

int rtnl_addr_add(struct nl *nl, const struct ifaddr *addr, struct err *err)
{
	struct nl_request req;
	struct nlmsghdr *nlh = addr_request(&req, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, addr);
	char buf[ADDR_STRLEN];
	int rc;

	mnl_attr_put_u32(nlh, IFA_FLAGS, addr->flags);
	rc = nl_talk(nl, nlh, NULL, err);
	if (rc < 0)
		err_wrap(err, "add address %s to link %d", cidr_format(&addr->cidr, buf),
			 addr->ifindex);
	return rc;
}

int rtnl_addr_del(struct nl *nl, const struct ifaddr *addr, struct err *err)
{
	struct nl_request req;
	char buf[ADDR_STRLEN];
	int rc = nl_talk(nl, addr_request(&req, RTM_DELADDR, 0, addr), NULL, err);

	if (rc < 0)
		err_wrap(err, "delete address %s of link %d", cidr_format(&addr->cidr, buf),
			 addr->ifindex);
	return rc;
}

/* Returns 1, 0 if the message is about another family, or -EBADMSG. */
static int addr_parse_message(const struct nlmsghdr *nlh, struct ifaddr *out)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct addr local = { 0 }, address = { 0 };
	const struct nlattr *attr;
	struct ifaddr result;

	if (nlh->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa))
		return -EBADMSG;
	if (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6)
		return 0;

	result = (struct ifaddr){
		.ifindex = (int)ifa->ifa_index, .scope = ifa->ifa_scope, .flags = ifa->ifa_flags,
	};
	mnl_attr_for_each(attr, nlh, sizeof(*ifa)) {
		switch (mnl_attr_get_type(attr)) {
		case IFA_LOCAL:
			nl_get_addr(attr, &local);
			break;
		case IFA_ADDRESS:
			nl_get_addr(attr, &address);
			break;
		case IFA_FLAGS:
			nl_get_bytes(attr, &result.flags, sizeof(result.flags));
			break;
		}
	}
	/* Where there is a far end, IFA_ADDRESS is its address; else IPv6 sends no IFA_LOCAL. */
	result.cidr = cidr_from_family_len(addr_is_zero(&local) ? &address : &local,
					   ifa->ifa_prefixlen);
	*out = result;
	return 1;
}

static int addr_collect(const struct nlmsghdr *nlh, void *data)
{
	struct ifaddr parsed, *slot;
	int rc = addr_parse_message(nlh, &parsed);

	if (rc <= 0)
		return rc;
	slot = nl_array_add(data);
	if (!slot)
		return -ENOMEM;
	*slot = parsed;
	return 0;
}

int rtnl_addr_list(struct nl *nl, int ifindex, struct ifaddr **out, size_t *n, struct err *err)
{
	struct nl_array addrs = { .size = sizeof(struct ifaddr) };
	struct nl_handler handler = {
		.each = addr_collect, .restart = nl_array_reset, .data = &addrs,
	};
	struct nl_request req;
	struct nlmsghdr *nlh = nl_request(&req, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	int rc;

	ifa->ifa_family = AF_UNSPEC;
	ifa->ifa_index = (__u32)ifindex;
	rc = nl_talk(nl, nlh, &handler, err);
	if (rc < 0) {
		free(addrs.items);
		err_wrap(err, "list addresses of link %d", ifindex);
		return rc;
	}
	*out = addrs.items;
	*n = addrs.n;
	return 0;
}
