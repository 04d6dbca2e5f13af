// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kern/nl_monitor.h"

static const int route_groups[] = {
	RTNLGRP_LINK,	    RTNLGRP_IPV4_IFADDR,  RTNLGRP_IPV6_IFADDR,
	RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,	  RTNLGRP_IPV4_RULE,
	RTNLGRP_IPV6_RULE,  RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF,
};
static const int ruleset_groups[] = { NFNLGRP_NFTABLES };

int nl_monitor_open(enum nl_monitored what, struct err *err)
{
	bool route = what == NL_MONITOR_ROUTE;
	const int *groups = route ? route_groups : ruleset_groups;
	size_t n = route ? sizeof(route_groups) / sizeof(route_groups[0]) : 1;
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
					route ? NETLINK_ROUTE : NETLINK_NETFILTER);
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return err_set(err, -errno, "open a netlink socket");
	for (size_t i = 0; i < n; i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return err_set(err, -errno, "join netlink group %d", groups[i]);
	return TAKE_FD(fd);
}

int nl_monitor_drain(int fd, struct err *err)
{
	char event[64]; /* of each only that it came */
	int any = 0;

	for (;;) {
		ssize_t n = recv(fd, event, sizeof(event), MSG_TRUNC);

		if (n >= 0 || errno == ENOBUFS)
			any = 1;
		else if (errno == EAGAIN)
			return any;
		else if (errno != EINTR)
			return err_set(err, -errno, "read from a netlink socket");
	}
}
