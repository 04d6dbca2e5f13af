// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the table may hold a quarter of a million entries, of which a pod's are a handful, and
 * one deletion too many cuts somebody else's connection. The same holds for the entries that
 * translate to an address which the node has lost. What the kernel offers:
 *
 * - A deletion with a filter (CTA_FILTER): one walk in the kernel, from 6.12 on. A kernel before
 *   that takes the tuple in our message for the name of one entry, and it is lacking destination
 *   and protocol: -EINVAL. So it is safe to ask. Without any tuple it would flush the table.
 * - A dump with a filter (from 5.8 on), and a deletion by tuple and id.
 * - For IPv6 the filter is inverted, in all kernels from 5.8 to at least 6.18: they compare by
 *   !ipv6_addr_cmp(), and select the entries whose address is *not* the one given. A filtered
 *   deletion would spare exactly the pod.
 *
 * So IPv4 asks for the filtered deletion and falls back to the filtered dump; IPv6 dumps its
 * family. Whatever a dump brings is compared here before it is deleted: a filter saves time, it
 * decides nothing. Both directions of one address, in a table of 1,000 and of 250,000 entries:
 * deletions 1 and 180, filtered dumps 30 and 180, one dump of the family 18 and 850. What a full
 * table costs is the walk over cold memory, so the deletions cannot get cheaper than that.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kern/ctnl.h"

/* In CTA_FILTER_*_FLAGS: compare that address. The kernel's header is not exported. */
#define FILTER_IP_SRC (1u << 0)
#define FILTER_IP_DST (1u << 1)

/* What makes an entry one of those that go: the address at this end of one of the tuples, and these
 * bits of its status. */
struct aim {
	unsigned int end;	/* FILTER_IP_SRC or _DST */
	unsigned int tuples[2];	/* 0: no second one */
	__u32 status;		/* IPS_* */
};

static const struct aim pod = { FILTER_IP_SRC, { CTA_TUPLE_ORIG, CTA_TUPLE_REPLY }, 0 };
static const struct aim snat = { FILTER_IP_DST, { CTA_TUPLE_REPLY, 0 }, IPS_SRC_NAT };

/* Every deletion that fails is answered, and an unread answer takes up most of a kilobyte of the
 * socket's 200: no more than about 150 deletions may go together. */
#define BATCH_BYTES 16384

/* An entry may end by itself before it is deleted. Then we look again: it may hide another
 * failure. */
#define SWEEPS 3

/* An entry that is to go: the attributes of the dump that name it in a request, as they came. */
struct doomed {
	size_t len;
	char attrs[152];
};

struct sweep {
	const struct aim *aim;
	const struct addr *addr;
	struct nl_array doomed;
	size_t settled;		/* of doomed: from dumps that are complete */
};

static struct nlmsghdr *ct_request(void *buf, unsigned int type, unsigned int flags, int family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

/* The attribute of that end's address. */
static unsigned int ct_end(unsigned int end, bool v4)
{
	if (v4)
		return end == FILTER_IP_SRC ? CTA_IP_V4_SRC : CTA_IP_V4_DST;
	return end == FILTER_IP_SRC ? CTA_IP_V6_SRC : CTA_IP_V6_DST;
}

/* Only entries that have `addr` at the aim's end of this direction (CTA_TUPLE_ORIG or
 * CTA_TUPLE_REPLY), and its status. */
static void ct_put_filter(struct nlmsghdr *nlh, const struct aim *aim, unsigned int tuple,
			  const struct addr *addr)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, tuple);
	struct nlattr *ip = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);

	nl_put_addr(nlh, ct_end(aim->end, addr_is_v4(addr)), addr);
	mnl_attr_nest_end(nlh, ip);
	mnl_attr_nest_end(nlh, nest);

	if (aim->status) {
		mnl_attr_put_u32(nlh, CTA_STATUS, htonl(aim->status));
		mnl_attr_put_u32(nlh, CTA_STATUS_MASK, htonl(aim->status));
	}
	nest = mnl_attr_nest_start(nlh, CTA_FILTER);
	mnl_attr_put_u32(nlh, tuple == CTA_TUPLE_ORIG ? CTA_FILTER_ORIG_FLAGS :
							CTA_FILTER_REPLY_FLAGS, aim->end);
	mnl_attr_nest_end(nlh, nest);
}

/* ---- reading entries ------------------------------------------------------------------------- */

/* That address of a tuple; all zero if there is none. */
static struct addr ct_tuple_end(const struct nlattr *tuple, unsigned int end)
{
	const struct nlattr *nest, *attr;
	struct addr addr = { 0 };

	mnl_attr_for_each_nested(nest, tuple) {
		if (mnl_attr_get_type(nest) != CTA_TUPLE_IP)
			continue;
		mnl_attr_for_each_nested(attr, nest) {
			if (mnl_attr_get_type(attr) == ct_end(end, true) ||
			    mnl_attr_get_type(attr) == ct_end(end, false))
				nl_get_addr(attr, &addr);
		}
	}
	return addr;
}

static bool is_aimed_at(const struct sweep *sweep, const struct nlattr *tuple)
{
	const struct aim *aim = sweep->aim;
	unsigned int type = mnl_attr_get_type(tuple);
	struct addr addr = ct_tuple_end(tuple, aim->end);

	return (type == aim->tuples[0] || type == aim->tuples[1]) &&
	       addr_equal(&addr, sweep->addr);
}

/* -EBADMSG if there is no room, which no entry of the kernel's comes near. */
static int doomed_add(struct doomed *doomed, const struct nlattr *attr)
{
	size_t len = MNL_ALIGN(attr->nla_len);

	if (len > sizeof(doomed->attrs) - doomed->len)
		return -EBADMSG;
	memcpy(doomed->attrs + doomed->len, attr, attr->nla_len);
	doomed->len += len;
	return 0;
}

static int sweep_entry(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr, *tuple = NULL, *id = NULL, *zone = NULL;
	struct doomed doomed = { .len = 0 }, *slot;
	struct sweep *sweep = data;
	bool aimed_at = false;
	__u32 status = 0;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg))
		return -EBADMSG;
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		switch (mnl_attr_get_type(attr)) {
		case CTA_TUPLE_ORIG:
			tuple = attr;
			aimed_at = aimed_at || is_aimed_at(sweep, attr);
			break;
		case CTA_TUPLE_REPLY:
			aimed_at = aimed_at || is_aimed_at(sweep, attr);
			break;
		case CTA_STATUS:
			nl_get_bytes(attr, &status, sizeof(status));
			break;
		case CTA_ID:
			id = attr;
			break;
		case CTA_ZONE:
			zone = attr;
			break;
		}
	}
	if (!aimed_at || (ntohl(status) & sweep->aim->status) != sweep->aim->status)
		return 0;
	if (!tuple || !id)	/* without a tuple, the deletion would flush the table */
		return -EBADMSG;
	if (doomed_add(&doomed, tuple) || doomed_add(&doomed, id) ||
	    (zone && doomed_add(&doomed, zone)))
		return -EBADMSG;
	slot = nl_array_add(&sweep->doomed);
	if (!slot)
		return -ENOMEM;
	*slot = doomed;
	return 0;
}

static void sweep_restart(void *data)
{
	struct sweep *sweep = data;

	sweep->doomed.n = sweep->settled;
}

/* tuple: as ct_put_filter(), or 0: all of the family. */
static int sweep_dump(struct nl *nl, struct sweep *sweep, unsigned int tuple, struct err *err)
{
	struct nl_handler handler = {
		.each = sweep_entry, .restart = sweep_restart, .data = sweep,
	};
	struct nl_request req;
	struct nlmsghdr *nlh = ct_request(&req, IPCTNL_MSG_CT_GET, NLM_F_DUMP,
					  addr_family(sweep->addr));
	int rc;

	if (tuple)
		ct_put_filter(nlh, sweep->aim, tuple, sweep->addr);
	rc = nl_talk(nl, nlh, &handler, err);
	sweep->settled = sweep->doomed.n;
	return rc;
}

static int sweep_collect(struct nl *nl, struct sweep *sweep, struct err *err)
{
	int rc = 0;

	if (!addr_is_v4(sweep->addr))
		return sweep_dump(nl, sweep, 0, err);
	for (size_t i = 0; !rc && i < 2 && sweep->aim->tuples[i]; i++)
		rc = sweep_dump(nl, sweep, sweep->aim->tuples[i], err);
	return rc;
}

/* ---- deleting them --------------------------------------------------------------------------- */

/* Writes the deletion of one entry at `buf`. Returns its length. */
static size_t doomed_put(void *buf, const struct doomed *doomed, int family, bool ack,
			 unsigned int seq)
{
	struct nlmsghdr *nlh = ct_request(buf, IPCTNL_MSG_CT_DELETE, ack ? NLM_F_ACK : 0, family);

	nlh->nlmsg_seq = seq;
	memcpy(mnl_nlmsg_get_payload_tail(nlh), doomed->attrs, doomed->len);
	nlh->nlmsg_len += doomed->len;
	return nlh->nlmsg_len;
}

/* -ENOENT if nothing else failed, but one was gone already. */
static int sweep_delete(struct nl *nl, const struct sweep *sweep, struct err *err)
{
	char buf[BATCH_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const size_t most = NLMSG_LENGTH(sizeof(struct nfgenmsg)) + sizeof(struct doomed);
	const struct doomed *doomed = sweep->doomed.items;
	int family = addr_family(sweep->addr), result = 0;

	for (size_t i = 0; i < sweep->doomed.n;) {
		unsigned int first = nl->seq + 1;
		bool last = false;
		size_t len = 0;
		int rc;

		while (!last) {
			last = i + 1 == sweep->doomed.n || len + 2 * most > sizeof(buf);
			len += doomed_put(buf + len, &doomed[i++], family, last, nl_seq(nl));
		}
		rc = nl_talk_batch(nl, buf, len, first, nl->seq, err);
		if (rc < 0 && rc != -ENOENT)
			return rc;
		if (rc < 0)
			result = rc;
	}
	return result;
}

/* Dump, compare, delete: for every kernel. */
static int sweep_addr(struct nl *nl, const struct aim *aim, const struct addr *addr,
		      unsigned int *deleted, struct err *err)
{
	int rc = -ENOENT;

	for (int i = 0; i < SWEEPS && rc == -ENOENT; i++) {
		struct sweep sweep = {
			.aim = aim, .addr = addr, .doomed.size = sizeof(struct doomed),
		};

		rc = sweep_collect(nl, &sweep, err);
		if (!rc)
			rc = sweep_delete(nl, &sweep, err);
		*deleted += sweep.doomed.n;
		free(sweep.doomed.items);
	}
	return rc;
}

/* One walk for each direction, in the kernel. */
static int flush_filtered(struct nl *nl, const struct aim *aim, const struct addr *addr,
			  struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < 2 && aim->tuples[i]; i++) {
		struct nl_request req;
		struct nlmsghdr *nlh = ct_request(&req, IPCTNL_MSG_CT_DELETE, 0, addr_family(addr));

		ct_put_filter(nlh, aim, aim->tuples[i], addr);
		rc = nl_talk(nl, nlh, NULL, err);
	}
	return rc;
}

static int flush(struct nl *nl, const struct aim *aim, const struct addr *addr,
		 unsigned int *deleted, struct err *err)
{
	unsigned int count = 0;
	char buf[ADDR_STRLEN];
	int rc = -EINVAL;

	if (addr_is_v4(addr))
		rc = flush_filtered(nl, aim, addr, err);
	if (rc == -EINVAL || rc == -EOPNOTSUPP)
		rc = sweep_addr(nl, aim, addr, &count, err);
	if (rc < 0) {
		err_wrap(err, "delete conntrack entries of %s", addr_format(addr, buf));
		return rc;
	}
	if (deleted)
		*deleted = count;
	return 0;
}

int ctnl_flush_addr(struct nl *nl, const struct addr *addr, unsigned int *deleted, struct err *err)
{
	return flush(nl, &pod, addr, deleted, err);
}

int ctnl_flush_snat(struct nl *nl, const struct addr *addr, unsigned int *deleted, struct err *err)
{
	return flush(nl, &snat, addr, deleted, err);
}

/* ---- counting -------------------------------------------------------------------------------- */

struct totals {
	unsigned int entries, max;
};

static int totals_parse(const struct nlmsghdr *nlh, void *data)
{
	struct totals *totals = data;
	const struct nlattr *attr;
	__u32 value;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg))
		return -EBADMSG;
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		value = 0;
		nl_get_bytes(attr, &value, sizeof(value));
		switch (mnl_attr_get_type(attr)) {
		case CTA_STATS_GLOBAL_ENTRIES:
			totals->entries = ntohl(value);
			break;
		case CTA_STATS_GLOBAL_MAX_ENTRIES:
			totals->max = ntohl(value);
			break;
		}
	}
	return 0;
}

int ctnl_count(struct nl *nl, unsigned int *entries, unsigned int *max, struct err *err)
{
	struct totals totals = { .entries = 0 };
	struct nl_handler handler = { .each = totals_parse, .data = &totals };
	struct nl_request req;
	int rc;

	rc = nl_talk(nl, ct_request(&req, IPCTNL_MSG_CT_GET_STATS, 0, AF_UNSPEC), &handler, err);
	if (rc < 0) {
		err_wrap(err, "count conntrack entries");
		return rc;
	}
	*entries = totals.entries;
	*max = totals.max;
	return 0;
}
