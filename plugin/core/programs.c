// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "core/programs.h"
#include "kern/bpfobj.h"

/* In the order in which they are attached: whatever judges comes before whatever trusts it. */
static const struct {
	const char *what;
	size_t n;
	enum tc_prog progs[2];
} kinds[] = {
	[DEVICE_POD] = { "host interface", 2, { TC_FROM_POD, TC_TO_POD } },
	[DEVICE_ETHERNET] = { "uplink", 2, { TC_TO_UPLINK, TC_FROM_UPLINK } },
	[DEVICE_UPLINK] = { "uplink", 1, { TC_TO_UPLINK } },
};

static bool has_programs(const struct node *node)
{
	return node->config.level < LEVEL_NFTABLES;
}

enum device_kind programs_uplink_kind(const struct uplink *uplink)
{
	return uplink->flags & UPLINK_ETHERNET ? DEVICE_ETHERNET : DEVICE_UPLINK;
}

int programs_attach(const struct node *node, int ifindex, enum device_kind kind, enum tc_way way,
		    struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < kinds[kind].n && !ret; i++) {
		enum tc_prog prog = kinds[kind].progs[i];

		ret = has_programs(node) ? bpfobj_attach(ifindex, prog, way, err)
					 : tc_detach(ifindex, prog, err);
	}
	return ret;
}

int programs_verify(const struct node *node, int ifindex, enum device_kind kind, const char *name,
		    struct err *err)
{
	for (size_t i = 0; i < kinds[kind].n && has_programs(node); i++) {
		enum tc_prog prog = kinds[kind].progs[i];

		if (bpfobj_verify(ifindex, prog, NULL) < 0)
			return err_cni(err, CNI_CHECK_FAILED,
				       "%s '%s' does not carry the TC program %s", kinds[kind].what,
				       name, tc_name(prog));
	}
	return 0;
}

int programs_detach(int ifindex, struct err *err)
{
	int ret = 0;

	for (enum tc_prog prog = 0; prog < TC_PROGS && !ret; prog++)
		ret = tc_detach(ifindex, prog, err);
	return ret;
}

bool programs_stand(struct node *node)
{
	static const __u32 config_key;
	__u32 generation = node->config.generation;
	struct config now;

	if (map_get(node->maps.fd[MAP_CONFIG], &config_key, &now) < 0)
		return false;
	node->config = now;
	/* 0: somebody is building, or died at it */
	return now.generation == generation && now.nft_generation;
}
