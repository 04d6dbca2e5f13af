/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_SERVE_H
#define CTNAT_AGENT_SERVE_H

/* An HTTP server in the loop, for a few pages that are made when they are asked for. GET and HEAD;
 * each request has a connection of its own. Theory in serve.c. */
#include <stddef.h>

#include "agent/loop.h"
#include "base/err.h"

struct serve_page {
	unsigned int status; /* 200 unless the function says otherwise */
	const char *type;    /* of the content; "text/plain; charset=utf-8" unless it does */
	char *text;	     /* from malloc(); serve frees it. NULL: 500 */
	size_t len;
};

struct serve_path {
	const char *path; /* "/metrics"; a query behind it is ignored */
	void (*fn)(void *data, struct serve_page *page);
	void *data;
};

struct serve;

/* Serves nothing until it is told where. The paths must live as long; the process must ignore
 * SIGPIPE. NULL: *err says why. */
struct serve *serve_open(struct loop *loop, const struct serve_path *paths, size_t n_paths,
			 struct err *err);

/*
 * Where to listen: "192.0.2.1:9464", "[2001:db8::1]:9464", ":9464" (all addresses of both
 * families), "" or "off" (nowhere). May be changed at any time: requests that are being answered
 * are not disturbed, and if the new address cannot be had, the old one is served on. CNI_INVALID_
 * CONFIG: it is no address.
 */
int serve_listen(struct serve *serve, const char *address, struct err *err);

void serve_close(struct serve *serve); /* also of NULL */

#endif
