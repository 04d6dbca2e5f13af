/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CNI_RESULT_H
#define CTNAT_CNI_RESULT_H

/* The only writer of stdout. */
#include "core/network.h"

/* ADD: prevResult, if req->config has one, and ours appended to it, in the shape of
 * net->cni_version. */
int result_add(const struct request *req, const struct network *net,
	       const struct attachment_result *result, struct err *err);

/* VERSION: what we support. `version` is the one in use. */
int result_version(const char *version, struct err *err);

/* Whatever cannot be written here cannot be said at all. */
void result_error(const char *version, const struct err *error);

#endif
