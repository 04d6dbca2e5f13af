// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: map `uplinks` is the list of where guards are, former uplinks included; only to take them
 * off is every device asked, because that must work where the map is gone.
 */
#include "base/cleanup.h"
#include "core/guard.h"
#include "core/programs.h"
#include "kern/rtnl_link.h"

struct guard {
	struct node *node;
	struct err *err;
};

static int attach_one(const void *key, const void *value, void *data)
{
	const struct guard *guard = data;

	return programs_attach(guard->node, *(const __u32 *)key, programs_uplink_kind(value),
			       TC_TCX, guard->err);
}

static int verify_one(const void *key, const void *value, void *data)
{
	const struct uplink *uplink = value;
	const struct guard *guard = data;

	return programs_verify(guard->node, *(const __u32 *)key, programs_uplink_kind(uplink),
			       uplink->name, guard->err);
}

int guard_attach(struct node *node, struct err *err)
{
	struct guard guard = { node, err };

	return map_each(node->maps.fd[MAP_UPLINKS], sizeof(__u32), sizeof(struct uplink),
			attach_one, &guard);
}

int guard_verify(struct node *node, struct err *err)
{
	struct guard guard = { node, err };

	return map_each(node->maps.fd[MAP_UPLINKS], sizeof(__u32), sizeof(struct uplink),
			verify_one, &guard);
}

int guard_detach(struct node *node, struct err *err)
{
	_cleanup_free_ struct link *links = NULL;
	size_t n = 0;
	int ret = rtnl_link_list(&node->rt, &links, &n, err);

	for (size_t i = 0; i < n && !ret; i++)
		ret = programs_detach(links[i].ifindex, err);
	return ret;
}
