// SPDX-License-Identifier: Apache-2.0
/*
 * Arbitrary bytes as a datagram from the kernel. The first byte says which answer is expected, the
 * rest goes to whoever reads that: by inclusion, through the same function that a received datagram
 * goes through.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kern/nl.c"
#include "kern/rtnl_link.c"
#include "kern/rtnl_addr.c"
#include "kern/rtnl_route.c"
#include "kern/rtnl_neigh.c"
#include "kern/rtnl_vxlan.c"
#include "kern/ctnl.c"

/* One talk with any sequence number, and port 0. Returns its result. */
static int hear(const void *buf, size_t len, nl_callback each, void (*restart)(void *), void *data)
{
	struct nl_handler handler = { .each = each, .restart = restart, .data = data };
	struct err err = { .errnum = 0 };
	struct talk talk = { .last_seq = ~0u, .handler = &handler, .err = &err };

	talk_datagram(&talk, buf, (int)len);
	if (talk.interrupted && restart)
		restart(data);
	if (talk.error)
		assert(err.errnum == talk.error && strlen(err.msg) < sizeof(err.msg));
	return talk.error;
}

static void hear_links(const void *buf, size_t len)
{
	struct nl_array links = { .size = sizeof(struct link) };

	hear(buf, len, link_collect, NULL, &links);
	for (size_t i = 0; i < links.n; i++) {
		const struct link *link = (struct link *)links.items + i;

		assert(strlen(link->name) < sizeof(link->name));
		assert(strlen(link->kind) < sizeof(link->kind));
		assert(strlen(link->alias) < sizeof(link->alias));
	}
	free(links.items);
}

static void hear_addrs(const void *buf, size_t len)
{
	struct nl_array addrs = { .size = sizeof(struct ifaddr) };

	hear(buf, len, addr_collect, nl_array_reset, &addrs);
	for (size_t i = 0; i < addrs.n; i++) {
		char text[ADDR_STRLEN];

		cidr_format(&((struct ifaddr *)addrs.items)[i].cidr, text);
		assert(strlen(text) < sizeof(text));
	}
	free(addrs.items);
}

static void hear_routes(const void *buf, size_t len)
{
	static const struct route_filter filters[] = {
		{ .oif = 0 },
		{ .oif = 2, .default_only = true },
	};
	struct route route;

	hear(buf, len, route_take, NULL, &route);
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		struct route_list list = {
			.routes.size = sizeof(struct route), .filter = &filters[i],
		};

		hear(buf, len, route_collect, route_restart, &list);
		for (size_t j = 0; j < list.routes.n; j++)
			assert(route_wanted((struct route *)list.routes.items + j, &filters[i]));
		free(list.routes.items);
	}
}

static void hear_neigh(const void *buf, size_t len)
{
	struct neigh neigh;

	hear(buf, len, neigh_parse, NULL, &neigh);
}

static void hear_neighs(const void *buf, size_t len)
{
	struct neigh_dump dump = { .entries.size = sizeof(struct neigh), .ifindex = 4 };

	hear(buf, len, neigh_collect, neigh_restart, &dump);
	free(dump.entries.items);
}

static void hear_vxlan(const void *buf, size_t len)
{
	struct vxlan_answer answer = { .is_vxlan = false };

	hear(buf, len, vxlan_parse, NULL, &answer);
}

/* Entries of the pod, and the deletions made of them: each must be one whole message that names an
 * entry, for one that names none would flush the table. */
static void hear_entries(const void *buf, size_t len, int family)
{
	static const __u8 bytes[sizeof(struct addr)] = { 10, 244, 1, 5 };
	struct addr addr = addr_from_bytes(family, bytes);
	struct sweep sweep = { .aim = &pod, .addr = &addr, .doomed.size = sizeof(struct doomed) };

	hear(buf, len, sweep_entry, sweep_restart, &sweep);
	for (size_t i = 0; i < sweep.doomed.n; i++) {
		const struct doomed *doomed = (struct doomed *)sweep.doomed.items + i;
		char message[512] __attribute__((aligned(NLMSG_ALIGNTO)));
		const struct nlmsghdr *nlh = (struct nlmsghdr *)message;
		size_t used = doomed_put(message, doomed, family, true, 1);
		const struct nlattr *attr;

		assert(used <= sizeof(message) && nlh->nlmsg_len == used);
		attr = mnl_nlmsg_get_payload_offset(nlh, sizeof(struct nfgenmsg));
		assert(mnl_attr_get_type(attr) == CTA_TUPLE_ORIG);
		assert(mnl_attr_get_type(mnl_attr_next(attr)) == CTA_ID);
	}
	free(sweep.doomed.items);
}

static void hear_totals(const void *buf, size_t len)
{
	struct totals totals = { .entries = 0 };

	hear(buf, len, totals_parse, NULL, &totals);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size - 1;
	char *buf;

	if (!size || len > NL_BUFSIZE)
		return 0;
	/* Memory of its own, so that a read beyond it is seen; the kernel's datagrams are
	 * padded. */
	buf = calloc(1, NLMSG_ALIGN(len) + 1);
	memcpy(buf, data + 1, len);
	switch (data[0] % 9) {
	case 0:
		hear_links(buf, len);
		break;
	case 1:
		hear_addrs(buf, len);
		break;
	case 2:
		hear_routes(buf, len);
		break;
	case 3:
		hear_neigh(buf, len);
		break;
	case 4:
		hear_entries(buf, len, AF_INET);
		break;
	case 5:
		hear_entries(buf, len, AF_INET6);
		break;
	case 6:
		hear_totals(buf, len);
		break;
	case 7:
		hear_neighs(buf, len);
		break;
	case 8:
		hear_vxlan(buf, len);
		break;
	}
	free(buf);
	return 0;
}
