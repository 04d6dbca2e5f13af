/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_POD_H
#define CTNAT_CORE_POD_H

/* What an attachment is: made, unmade, checked. Theory in pod.c. */
#include "base/err.h"
#include "core/delegate.h"
#include "core/network.h"

/* Makes the attachment and the node's base state if need be. On failure nothing of it is left, and
 * *out is untouched. */
int pod_add(const struct request *req, const struct network *net, struct attachment_result *out,
	    struct err *err);

/* Unmakes whatever there is of it. Nothing there is success; so is a missing namespace, bpffs or
 * record. Needs of `net` only the name and the IPAM type. */
int pod_del(const struct request *req, const struct network *net, struct err *err);

/* 0, or CNI_CHECK_FAILED naming the first thing that is not as ADD left it. */
int pod_check(const struct request *req, const struct network *net, struct err *err);

/* Removes the attachments of net->name that are not among valid[0..n), and records without a link.
 * Goes on after a failure and returns the first. */
int pod_gc(const struct request *req, const struct network *net, const struct attachment_key *valid,
	   size_t n, struct err *err);

/* 0: an ADD would succeed. Else CNI_NOT_AVAILABLE or CNI_LIMITED with the reason. */
int pod_status(const struct request *req, const struct network *net, struct err *err);

#endif
