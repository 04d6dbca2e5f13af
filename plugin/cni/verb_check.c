// SPDX-License-Identifier: Apache-2.0
#include "cni/prevresult.h"
#include "cni/verb.h"
#include "core/pod.h"

int verb_check(struct request *req, const struct network *net, struct err *err)
{
	int ret = prevresult_read(req, err);

	return ret ? ret : pod_check(req, net, err);
}
