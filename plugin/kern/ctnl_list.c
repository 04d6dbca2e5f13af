// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a dump with a filter is one walk in the kernel for each direction of the address, and
 * what has it in both (a pod that reaches itself) is passed over the second time. The kernel
 * inverts the filter's addresses for IPv6 (see ctnl.c), so there we take the whole family.
 * Whatever comes is compared here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "kern/ctnl_list.h"

#define FILTER_IP_SRC (1u << 0)	/* in CTA_FILTER_*_FLAGS; the kernel does not export it */

static const char *const tcp_states[] = {
	[TCP_CONNTRACK_NONE] = "NONE",
	[TCP_CONNTRACK_SYN_SENT] = "SYN_SENT",
	[TCP_CONNTRACK_SYN_RECV] = "SYN_RECV",
	[TCP_CONNTRACK_ESTABLISHED] = "ESTABLISHED",
	[TCP_CONNTRACK_FIN_WAIT] = "FIN_WAIT",
	[TCP_CONNTRACK_CLOSE_WAIT] = "CLOSE_WAIT",
	[TCP_CONNTRACK_LAST_ACK] = "LAST_ACK",
	[TCP_CONNTRACK_TIME_WAIT] = "TIME_WAIT",
	[TCP_CONNTRACK_CLOSE] = "CLOSE",
	[TCP_CONNTRACK_SYN_SENT2] = "SYN_SENT2",
};

const char *ct_tcp_state(__u8 state)
{
	return state < sizeof(tcp_states) / sizeof(tcp_states[0]) ? tcp_states[state] : "unknown";
}

static struct nlmsghdr *ct_get(struct nl_request *req, unsigned int flags, int family)
{
	struct nlmsghdr *nlh = nl_request(req, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
					  flags);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

/* ---- reading --------------------------------------------------------------------------------- */

static __u16 get_port(const struct nlattr *attr)
{
	__be16 port = 0;

	nl_get_bytes(attr, &port, sizeof(port));
	return ntohs(port);
}

static __u8 get_u8(const struct nlattr *attr)
{
	__u8 value = 0;

	nl_get_bytes(attr, &value, sizeof(value));
	return value;
}

static __u32 get_u32(const struct nlattr *attr)
{
	__u32 value = 0;

	nl_get_bytes(attr, &value, sizeof(value));
	return ntohl(value);
}

static void read_ip(const struct nlattr *nest, struct ct_tuple *out)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		switch (mnl_attr_get_type(attr)) {
		case CTA_IP_V4_SRC:
		case CTA_IP_V6_SRC:
			nl_get_addr(attr, &out->src);
			break;
		case CTA_IP_V4_DST:
		case CTA_IP_V6_DST:
			nl_get_addr(attr, &out->dst);
			break;
		}
	}
}

static void read_proto(const struct nlattr *nest, struct ct_tuple *out, __u8 *proto)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		switch (mnl_attr_get_type(attr)) {
		case CTA_PROTO_NUM:
			*proto = get_u8(attr);
			break;
		case CTA_PROTO_SRC_PORT:
		case CTA_PROTO_ICMP_ID:
		case CTA_PROTO_ICMPV6_ID:
			out->sport = get_port(attr);
			break;
		case CTA_PROTO_DST_PORT:
			out->dport = get_port(attr);
			break;
		case CTA_PROTO_ICMP_TYPE:
		case CTA_PROTO_ICMPV6_TYPE:
			out->dport |= get_u8(attr) << 8;
			break;
		case CTA_PROTO_ICMP_CODE:
		case CTA_PROTO_ICMPV6_CODE:
			out->dport |= get_u8(attr);
			break;
		}
	}
}

static void read_tuple(const struct nlattr *tuple, struct ct_tuple *out, __u8 *proto)
{
	const struct nlattr *nest;

	mnl_attr_for_each_nested(nest, tuple) {
		if (mnl_attr_get_type(nest) == CTA_TUPLE_IP)
			read_ip(nest, out);
		else if (mnl_attr_get_type(nest) == CTA_TUPLE_PROTO)
			read_proto(nest, out, proto);
	}
}

static void read_protoinfo(const struct nlattr *info, struct ct_entry *out)
{
	const struct nlattr *tcp, *attr;

	mnl_attr_for_each_nested(tcp, info) {
		if (mnl_attr_get_type(tcp) != CTA_PROTOINFO_TCP)
			continue;
		mnl_attr_for_each_nested(attr, tcp) {
			if (mnl_attr_get_type(attr) != CTA_PROTOINFO_TCP_STATE)
				continue;
			out->is_tcp = true;
			out->tcp_state = get_u8(attr);
		}
	}
}

static int read_entry(const struct nlmsghdr *nlh, struct ct_entry *out)
{
	const struct nlattr *attr;

	memset(out, 0, sizeof(*out));
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg))
		return -EBADMSG;
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		switch (mnl_attr_get_type(attr)) {
		case CTA_TUPLE_ORIG:
			read_tuple(attr, &out->orig, &out->proto);
			break;
		case CTA_TUPLE_REPLY:
			read_tuple(attr, &out->reply, &out->proto);
			break;
		case CTA_PROTOINFO:
			read_protoinfo(attr, out);
			break;
		case CTA_STATUS:
			out->status = get_u32(attr);
			break;
		case CTA_TIMEOUT:
			out->timeout = get_u32(attr);
			break;
		case CTA_MARK:
			out->mark = get_u32(attr);
			break;
		case CTA_ZONE:
			out->zone = get_port(attr);
			break;
		}
	}
	return 0;
}

/* ---- lists ----------------------------------------------------------------------------------- */

struct walk {
	const struct addr *addr;	/* NULL: all */
	bool second;			/* of the two: what the first one met is passed over */
	ct_visitor fn;
	void *data;
};

static int walk_entry(const struct nlmsghdr *nlh, void *data)
{
	const struct walk *walk = data;
	struct ct_entry entry;
	int ret = read_entry(nlh, &entry);

	if (ret < 0)
		return ret;
	if (walk->addr) {
		bool orig = addr_equal(&entry.orig.src, walk->addr);
		bool reply = addr_equal(&entry.reply.src, walk->addr);

		if (walk->second ? orig || !reply : !orig && !reply)
			return 0;
	}
	return walk->fn(&entry, walk->data);
}

/* Only entries with `addr` as the source of this direction. */
static void put_filter(struct nlmsghdr *nlh, unsigned int tuple, const struct addr *addr)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, tuple);
	struct nlattr *ip = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);

	nl_put_addr(nlh, CTA_IP_V4_SRC, addr);
	mnl_attr_nest_end(nlh, ip);
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, CTA_FILTER);
	mnl_attr_put_u32(nlh, tuple == CTA_TUPLE_ORIG ? CTA_FILTER_ORIG_FLAGS :
							CTA_FILTER_REPLY_FLAGS, FILTER_IP_SRC);
	mnl_attr_nest_end(nlh, nest);
}

/* tuple: whose source the kernel compares; 0: none. */
static int dump(struct nl *nl, struct walk *walk, int family, unsigned int tuple, struct err *err)
{
	const struct nl_handler handler = { .each = walk_entry, .data = walk };
	struct nl_request req;
	struct nlmsghdr *nlh = ct_get(&req, NLM_F_DUMP, family);

	if (tuple)
		put_filter(nlh, tuple, walk->addr);
	return nl_talk(nl, nlh, &handler, err);
}

static int dump_filtered(struct nl *nl, struct walk *walk, struct err *err)
{
	struct walk first = *walk, second = *walk;
	int ret;

	second.second = true;
	ret = dump(nl, &first, AF_INET, CTA_TUPLE_ORIG, err);
	return ret < 0 ? ret : dump(nl, &second, AF_INET, CTA_TUPLE_REPLY, err);
}

int ctnl_each(struct nl *nl, const struct addr *addr, ct_visitor fn, void *data, struct err *err)
{
	struct walk walk = { .addr = addr, .fn = fn, .data = data };
	int ret;

	if (addr && addr_is_v4(addr))
		ret = dump_filtered(nl, &walk, err);
	else
		ret = dump(nl, &walk, addr ? AF_INET6 : AF_UNSPEC, 0, err);
	return ret < 0 ? err_wrap(err, "list conntrack entries") : 0;
}

/* ---- one ------------------------------------------------------------------------------------- */

static void put_tuple(struct nlmsghdr *nlh, const struct ct_tuple *tuple, __u8 proto)
{
	bool v4 = addr_is_v4(&tuple->src);
	struct nlattr *nest = mnl_attr_nest_start(nlh, CTA_TUPLE_ORIG), *part;

	part = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);
	nl_put_addr(nlh, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, &tuple->src);
	nl_put_addr(nlh, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, &tuple->dst);
	mnl_attr_nest_end(nlh, part);
	part = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, proto);
	mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(tuple->sport));
	mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(tuple->dport));
	mnl_attr_nest_end(nlh, part);
	mnl_attr_nest_end(nlh, nest);
}

static int take_entry(const struct nlmsghdr *nlh, void *data)
{
	return read_entry(nlh, data);
}

static bool same_tuple(const struct ct_tuple *a, const struct ct_tuple *b)
{
	return addr_equal(&a->src, &b->src) && addr_equal(&a->dst, &b->dst) &&
	       a->sport == b->sport && a->dport == b->dport;
}

int ctnl_find(struct nl *nl, const struct ct_tuple *tuple, __u8 proto, struct ct_entry *out,
	      bool *reply, struct err *err)
{
	struct ct_entry entry = { .proto = 0 };
	const struct nl_handler handler = { .each = take_entry, .data = &entry };
	struct nl_request req;
	struct nlmsghdr *nlh = ct_get(&req, 0, addr_family(&tuple->src));
	int ret;

	put_tuple(nlh, tuple, proto);
	ret = nl_talk(nl, nlh, &handler, err);
	if (ret < 0) {
		err_wrap(err, "look up a flow in conntrack");
		return ret;
	}
	*out = entry;
	*reply = !same_tuple(&entry.orig, tuple);
	return 0;
}
