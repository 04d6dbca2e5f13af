// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/listen.h"
#include "base/addr.h"
#include "base/cleanup.h"

#define BACKLOG 64

static int bad_address(const char *address, struct err *err)
{
	return err_cni(err, CNI_INVALID_CONFIG,
		       "'%.100s': not 'address:port', '[v6 address]:port', ':port' or 'off'",
		       address);
}

static int parse_port(const char *text, in_port_t *out)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !port || port > 65535)
		return -EINVAL;
	*out = htons((in_port_t)port);
	return 0;
}

/* *any: all addresses of both families. */
static int parse_address(const char *address, struct addr *host, in_port_t *port, bool *any,
			 struct err *err)
{
	const char *colon = strrchr(address, ':');
	char text[ADDR_STRLEN];
	size_t len = colon ? (size_t)(colon - address) : 0;
	bool bracketed = len > 2 && address[0] == '[' && colon[-1] == ']';

	if (!colon || strlen(address) >= LISTEN_ADDRESS_MAX || parse_port(colon + 1, port))
		return bad_address(address, err);
	*any = !len;
	if (*any)
		return 0;
	len -= bracketed ? 2 : 0;
	if (len >= sizeof(text))
		return bad_address(address, err);
	memcpy(text, address + bracketed, len);
	text[len] = '\0';
	if (addr_parse(text, host) || bracketed == addr_is_v4(host))
		return bad_address(address, err);
	return 0;
}

int listen_check(const char *address, struct err *err)
{
	struct addr host;
	in_port_t port;
	bool any;

	return parse_address(address, &host, &port, &any, err);
}

static int listen_on(int family, const void *sockaddr, socklen_t len, struct err *err)
{
	_cleanup_close_ int fd =
		socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	static const int yes = 1, no;

	if (fd < 0)
		return err_set(err, -errno, "make a socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    (family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) < 0) ||
	    bind(fd, sockaddr, len) < 0 || listen(fd, BACKLOG) < 0)
		return err_set(err, -errno, "listen");
	return TAKE_FD(fd);
}

static int listen_on_v4(const struct addr *host, in_port_t port, struct err *err)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = port };

	if (host)
		memcpy(&v4.sin_addr, addr_bytes(host, NULL), sizeof(v4.sin_addr));
	return listen_on(AF_INET, &v4, sizeof(v4), err);
}

int listen_open(const char *address, struct err *err)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct addr host;
	bool any;
	int ret = parse_address(address, &host, &v6.sin6_port, &any, err);

	if (ret < 0)
		return ret;
	if (!any && addr_is_v4(&host))
		return listen_on_v4(&host, v6.sin6_port, err);
	if (!any)
		memcpy(&v6.sin6_addr, addr_bytes(&host, NULL), sizeof(v6.sin6_addr));
	ret = listen_on(AF_INET6, &v6, sizeof(v6), err);
	/* a node without IPv6 */
	return (ret == -EAFNOSUPPORT || ret == -EADDRNOTAVAIL) && any
		       ? listen_on_v4(NULL, v6.sin6_port, err)
		       : ret;
}
