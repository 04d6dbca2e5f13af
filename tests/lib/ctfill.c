// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: ctnetlink takes many messages in one datagram and answers only those that fail or that
 * ask for an ack. So the last one of each datagram asks, and a quarter of a million entries take a
 * second or two.
 */
#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "kern/nl.h"
#include "lib/ctfill.h"

#define FIRST_CLIENT	 0x0af48000u	/* 10.244.128.0 */
#define SERVER		 0xcb007101u	/* 203.0.113.1 */
#define SERVER_PORT	 9000
#define FIRST_PORT	 1024
#define FLOWS_PER_CLIENT 60000
#define TIMEOUT		 3600

#define BATCH_BYTES   NL_BUFSIZE
#define MESSAGE_BYTES 512		/* one entry needs less */

static struct nlmsghdr *put_header(void *buf, unsigned int type, unsigned int flags, unsigned int seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = seq;
	nfg->nfgen_family = AF_INET;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

struct end {
	unsigned int addr, port;	/* host order */
};

static void put_tuple(struct nlmsghdr *nlh, unsigned int attr, struct end src, struct end dst)
{
	struct nlattr *tuple = mnl_attr_nest_start(nlh, attr), *part;

	part = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);
	mnl_attr_put_u32(nlh, CTA_IP_V4_SRC, htonl(src.addr));
	mnl_attr_put_u32(nlh, CTA_IP_V4_DST, htonl(dst.addr));
	mnl_attr_nest_end(nlh, part);
	part = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, IPPROTO_UDP);
	mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(src.port));
	mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(dst.port));
	mnl_attr_nest_end(nlh, part);
	mnl_attr_nest_end(nlh, tuple);
}

static size_t put_entry(void *buf, unsigned int i, bool ack, unsigned int seq)
{
	const struct end server = { SERVER, SERVER_PORT };
	const struct end client = { FIRST_CLIENT + i / FLOWS_PER_CLIENT, FIRST_PORT + i % FLOWS_PER_CLIENT };
	struct nlmsghdr *nlh = put_header(buf, IPCTNL_MSG_CT_NEW,
					  NLM_F_CREATE | NLM_F_EXCL | (ack ? NLM_F_ACK : 0), seq);

	put_tuple(nlh, CTA_TUPLE_ORIG, client, server);
	put_tuple(nlh, CTA_TUPLE_REPLY, server, client);
	mnl_attr_put_u32(nlh, CTA_STATUS, htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
	mnl_attr_put_u32(nlh, CTA_TIMEOUT, htonl(TIMEOUT));
	return nlh->nlmsg_len;
}

int ctfill(unsigned int n, struct err *err)
{
	char buf[BATCH_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nl nl = { 0 };
	int ret = nl_open(&nl, NETLINK_NETFILTER, err);

	for (unsigned int i = 0; !ret && i < n;) {
		unsigned int first = nl.seq + 1;
		size_t len = 0;
		bool last;

		do {
			last = i + 1 == n || len + 2 * MESSAGE_BYTES > sizeof(buf);
			len += put_entry(buf + len, i++, last, nl_seq(&nl));
		} while (!last);
		ret = nl_talk_batch(&nl, buf, len, first, nl.seq, err);
	}
	nl_close(&nl);
	return ret ? err_wrap(err, "fill the conntrack table") : 0;
}

int ctfill_flush(struct err *err)
{
	char buf[MESSAGE_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nl nl = { 0 };
	int ret = nl_open(&nl, NETLINK_NETFILTER, err);

	/* Without a tuple it means all of them. */
	if (!ret)
		ret = nl_talk(&nl, put_header(buf, IPCTNL_MSG_CT_DELETE, 0, 0), NULL, err);
	nl_close(&nl);
	return ret ? err_wrap(err, "empty the conntrack table") : 0;
}
