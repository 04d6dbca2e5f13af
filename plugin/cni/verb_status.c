// SPDX-License-Identifier: Apache-2.0
#include "cni/verb.h"
#include "core/pod.h"

int verb_status(struct request *req, const struct network *net, struct err *err)
{
	return pod_status(req, net, err);
}
