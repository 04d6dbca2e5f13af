// SPDX-License-Identifier: Apache-2.0
#include "cni/prevresult.h"
#include "cni/result.h"
#include "cni/verb.h"
#include "core/pod.h"

/* A runtime that could not be told of the pod does not know that it is there: then it shall not be
 * there. */
int verb_add(struct request *req, const struct network *net, struct err *err)
{
	struct attachment_result result = { 0 };
	int ret;

	ret = prevresult_read(req, err);
	if (!ret)
		ret = pod_add(req, net, &result, err);
	if (ret)
		return ret;
	ret = result_add(req, net, &result, err);
	if (ret)
		pod_del(req, net, NULL);
	return ret;
}
