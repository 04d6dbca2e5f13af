// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: only the last message of a talk asks for an ack; what is refused is told of without one.
 * The first refusal of a talk is the one that is reported, as each of them would be if it came
 * alone; those who send compare again with what the kernel has, and see the others then.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "abi.h"
#include "base/addr.h"
#include "kern/rtnl_batch.h"

#define MESSAGE_MAX 512

void rtnl_batch_begin(struct rtnl_batch *batch, struct nl *nl)
{
	batch->nl = nl;
	batch->last = NULL;
	batch->len = 0;
	batch->messages = 0;
	batch->error = 0;
}

static void batch_close_last(struct rtnl_batch *batch)
{
	if (batch->last)
		batch->len += NLMSG_ALIGN(batch->last->nlmsg_len);
}

struct nlmsghdr *rtnl_batch_add(struct rtnl_batch *batch, unsigned int type, unsigned int flags)
{
	struct nlmsghdr *nlh;
	unsigned int seq;

	if (batch->len + 2 * MESSAGE_MAX > sizeof(batch->buf))
		rtnl_batch_flush(batch);
	batch_close_last(batch);
	seq = nl_seq(batch->nl);
	if (!batch->len)
		batch->first_seq = seq;
	nlh = mnl_nlmsg_put_header(batch->buf + batch->len);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = seq;
	batch->last = nlh;
	batch->messages++;
	return nlh;
}

/* ---- refusals -------------------------------------------------------------------------------- */

static const struct nlmsghdr *batch_find(const struct rtnl_batch *batch, unsigned int seq)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)batch->buf;
	int left = (int)batch->len;

	while (mnl_nlmsg_ok(nlh, left)) {
		if (nlh->nlmsg_seq == seq)
			return nlh;
		nlh = mnl_nlmsg_next(nlh, &left);
	}
	return NULL;
}

static void batch_name_route(const struct nlmsghdr *nlh, const char *verb, struct err *err)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	char text[ADDR_STRLEN];
	struct cidr dst = { .len = 0 };

	mnl_attr_for_each(attr, nlh, sizeof(*rtm)) {
		if (mnl_attr_get_type(attr) == RTA_DST)
			nl_get_addr(attr, &dst.addr);
	}
	dst = cidr_from_family_len(&dst.addr, rtm->rtm_dst_len);
	err_wrap(err, "%s route %s", verb, cidr_format(&dst, text));
}

/* A neighbour is known by its address, a forwarding entry by its MAC. */
static void batch_name_neigh(const struct nlmsghdr *nlh, const char *verb, struct err *err)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	bool fdb = ndm->ndm_family == AF_BRIDGE;
	struct addr addr = { { 0 } };
	__u8 mac[MAC_LEN] = { 0 };
	const struct nlattr *attr;
	char text[ADDR_STRLEN];

	mnl_attr_for_each(attr, nlh, sizeof(*ndm)) {
		if (mnl_attr_get_type(attr) == NDA_DST)
			nl_get_addr(attr, &addr);
		else if (mnl_attr_get_type(attr) == NDA_LLADDR)
			nl_get_bytes(attr, mac, sizeof(mac));
	}
	if (fdb)
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
			 mac[2], mac[3], mac[4], mac[5]);
	else
		addr_format(&addr, text);
	err_wrap(err, "%s %s %s of link %d", verb, fdb ? "forwarding entry" : "neighbour", text,
		 ndm->ndm_ifindex);
}

static void batch_name(const struct nlmsghdr *nlh, struct err *err)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWROUTE:
		return batch_name_route(nlh, "set", err);
	case RTM_DELROUTE:
		return batch_name_route(nlh, "delete", err);
	case RTM_NEWNEIGH:
		return batch_name_neigh(nlh, "set", err);
	case RTM_DELNEIGH:
		return batch_name_neigh(nlh, "delete", err);
	}
}

static bool batch_was_gone(const struct nlmsghdr *nlh, int error)
{
	return (nlh->nlmsg_type == RTM_DELROUTE || nlh->nlmsg_type == RTM_DELNEIGH) &&
	       (error == -ESRCH || error == -ENOENT);
}

/* ---- sending --------------------------------------------------------------------------------- */

void rtnl_batch_flush(struct rtnl_batch *batch)
{
	const struct nlmsghdr *refused;
	unsigned int last_seq;
	struct err err;
	int ret;

	if (!batch->last)
		return;
	batch->last->nlmsg_flags |= NLM_F_ACK;
	last_seq = batch->last->nlmsg_seq;
	batch_close_last(batch);
	batch->nl->refused = 0;
	ret = nl_talk_batch(batch->nl, batch->buf, batch->len, batch->first_seq, last_seq, &err);
	if (ret < 0 && !batch->error) {
		refused = batch_find(batch, batch->nl->refused);
		if (refused)
			batch_name(refused, &err);
		if (!refused || !batch_was_gone(refused, ret)) {
			batch->error = ret;
			batch->err = err;
		}
	}
	batch->last = NULL;
	batch->len = 0;
}

int rtnl_batch_end(struct rtnl_batch *batch, struct err *err)
{
	rtnl_batch_flush(batch);
	if (batch->error && err)
		*err = batch->err;
	return batch->error;
}
