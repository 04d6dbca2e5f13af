// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/show.h"

static const struct {
	const char *name;
	unsigned char proto;
} protos[] = {
	{ "icmp", IPPROTO_ICMP }, { "tcp", IPPROTO_TCP },	{ "udp", IPPROTO_UDP },
	{ "sctp", IPPROTO_SCTP }, { "icmpv6", IPPROTO_ICMPV6 },
};

#define N_PROTOS (sizeof(protos) / sizeof(protos[0]))

void show_addrs(struct out *out, const char *key, const struct addr *addrs, size_t n, bool json)
{
	char all[POD_ADDRS_MAX * ADDR_STRLEN] = "", text[ADDR_STRLEN];
	size_t len = 0;

	if (json)
		out_list(out, key);
	for (size_t i = 0; i < n && i < POD_ADDRS_MAX; i++) {
		addr_format(&addrs[i], text);
		if (json)
			out_text(out, NULL, "%s", text);
		else
			len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s",
						i ? "," : "", text);
	}
	if (json)
		out_close(out);
	else
		out_text(out, key, "%s", all);
}

void show_container(struct out *out, const struct attachment_key *key, bool json)
{
	out_text(out, "container", "%.*s", json ? CONTAINER_ID_MAX : 12, key->container_id);
	out_text(out, "ifname", "%s", key->ifname);
}

const char *show_end(const struct addr *addr, unsigned int port, bool has_port,
		     char buf[END_STRLEN])
{
	char text[ADDR_STRLEN];

	addr_format(addr, text);
	if (!has_port)
		snprintf(buf, END_STRLEN, "%s", text);
	else
		snprintf(buf, END_STRLEN, addr_is_v4(addr) ? "%s:%u" : "[%s]:%u", text, port);
	return buf;
}

const char *show_status(const struct ct_entry *entry)
{
	if (entry->status & IPS_ASSURED)
		return "assured";
	return entry->status & IPS_SEEN_REPLY ? "answered" : "unreplied";
}

const char *show_proto(unsigned int proto, char buf[8])
{
	for (size_t i = 0; i < N_PROTOS; i++)
		if (protos[i].proto == proto)
			return protos[i].name;
	snprintf(buf, 8, "%u", proto);
	return buf;
}

int parse_proto(const char *text, bool v4, unsigned char *out)
{
	unsigned long number;
	char *end;

	if (!strcmp(text, "icmp")) {
		*out = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		return 0;
	}
	for (size_t i = 0; i < N_PROTOS; i++) {
		if (!strcmp(protos[i].name, text)) {
			*out = protos[i].proto;
			return 0;
		}
	}
	number = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || number > 255)
		return -EINVAL;
	*out = (unsigned char)number;
	return 0;
}
