// SPDX-License-Identifier: Apache-2.0
#include "cni/verb.h"
#include "core/pod.h"

int verb_del(struct request *req, const struct network *net, struct err *err)
{
	return pod_del(req, net, err);
}
