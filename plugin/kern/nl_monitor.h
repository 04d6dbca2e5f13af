/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_NL_MONITOR_H
#define CTNAT_KERN_NL_MONITOR_H

/*
 * Being told that something changed in this network namespace: links, addresses, routes, rules and
 * forwarding of both families, or the nftables ruleset. Not what: an event may be lost, so whoever
 * hears of one looks for himself.
 */
#include "base/err.h"

enum nl_monitored {
	NL_MONITOR_ROUTE,	/* rtnetlink */
	NL_MONITOR_RULESET,	/* nftables */
};

/* A non-blocking socket that becomes readable with every event; the caller closes it. */
int nl_monitor_open(enum nl_monitored what, struct err *err);

/* Takes all events that are there. Returns whether there were any, lost ones too; or a negative
 * errno. */
int nl_monitor_drain(int fd, struct err *err);

#endif
