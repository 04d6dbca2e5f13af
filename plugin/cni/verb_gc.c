// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"
#include "cni/attachments.h"
#include "cni/verb.h"
#include "core/pod.h"

int verb_gc(struct request *req, const struct network *net, struct err *err)
{
	_cleanup_free_ struct attachment_key *valid = NULL;
	size_t n;
	int ret;

	ret = attachments_parse(req->config, &valid, &n, err);
	return ret ? ret : pod_gc(req, net, valid, n, err);
}
