// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: STATUS answers "would an ADD succeed?" and a runtime that hears no soon calls the node
 * NotReady and moves its pods. So it says no (50) only for what no later ADD can mend: the datapath
 * that was asked for by name, the base table or bpffs cannot be had, or every address is in use by
 * a living pod; and for the last an operator may choose that a full node is a healthy one
 * (`statusWhenFull`). What is wrong in the configuration, and what a delegate says, keeps its own
 * code. A sysctl that somebody turned back, which no ADD undoes either (forwarding.c), makes it say
 * 51: pods are there, and connected badly or not at all. A node without base state is healthy if
 * the state can be made, so STATUS makes it, as an ADD would; and that tries, once a boot, whether
 * conntrack entries that BPF inserts live on this kernel (node.c).
 */
#include "core/attachment.h"
#include "core/forwarding.h"
#include "core/ipam.h"
#include "core/pod.h"
#include "core/reclaim.h"

static int any_free(struct node *node, const struct request *req, const struct network *net,
		    struct err *err)
{
	char text[ADDR_STRLEN];

	for (size_t i = 0; i < net->n_sets; i++) {
		const struct range_set *set = &net->sets[i];

		if (ipam_free_in_set(&node->maps, set) > 0)
			continue;
		/* counted again in any case: beside many DELs a walk may meet an address twice */
		reclaim_dead(node, net, req, NULL);
		if (ipam_free_in_set(&node->maps, set) > 0)
			continue;
		return err_cni(err, CNI_NOT_AVAILABLE,
			       "every address of %s is in use by a living pod",
			       cidr_format(&set->ranges[0].subnet, text));
	}
	return 0;
}

static int verify_sysctls(const struct node *node, struct err *err)
{
	int ret = sysctls_verify(node, err);

	if (ret < 0 && err->code == CNI_CHECK_FAILED)
		err->code = CNI_LIMITED;
	return ret;
}

int pod_status(const struct request *req, const struct network *net, struct err *err)
{
	struct node node = NODE_CLOSED;
	int ret = node_ensure(&node, net, err);

	if (!ret)
		ret = verify_sysctls(&node, err);
	if (!ret && !net->status_when_full_ok)
		ret = any_free(&node, req, net, err);
	if (!ret && delegates(net))
		ret = req->delegate(VERB_STATUS, req, net, NULL, err);
	if (ret < 0 && err->code == CNI_KERNEL)
		err->code = CNI_NOT_AVAILABLE;
	node_close(&node);
	return ret;
}
