// SPDX-License-Identifier: Apache-2.0
#include "cni/result.h"
#include "cni/verb.h"

int verb_version(struct request *req, const struct network *net, struct err *err)
{
	(void)req;
	return result_version(net->cni_version, err);
}
