// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"
#include "core/routelist.h"
#include "ctl/cmd.h"

static void put_addr(struct out *out, const char *key, const struct addr *addr)
{
	char text[ADDR_STRLEN];

	out_text(out, key, "%s", addr_is_zero(addr) ? "" : addr_format(addr, text));
}

int cmd_routes(struct node *node, const struct options *options, struct out *out, struct err *err)
{
	_cleanup_free_ struct listed_route *routes = NULL;
	char text[ADDR_STRLEN];
	size_t n = 0;
	int ret = routelist_read(node, &routes, &n, err);

	(void)options;
	if (ret < 0)
		return ret;
	out_list(out, "routes");
	for (size_t i = 0; i < n; i++) {
		const struct route *route = &routes[i].route;

		out_object(out, NULL);
		out_text(out, "destination", "%s", cidr_format(&route->dst, text));
		out_text(out, "device", "%s", routes[i].device);
		put_addr(out, "gateway", &route->gateway);
		put_addr(out, "source", &route->prefsrc);
		out_number(out, "metric", route->metric);
		out_number(out, "mtu", route->mtu);
		out_number(out, "protocol", route->protocol);
		out_text(out, "for", "%s", routes[i].purpose);
		out_close(out);
	}
	out_close(out);
	return 0;
}
