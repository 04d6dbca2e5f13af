/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CNI_VERB_H
#define CTNAT_CNI_VERB_H

/*
 * The verbs of the CNI specification, each in a file of its own name. The request is complete:
 * environment and configuration were read and judged as far as the verb needs them (main.c). On
 * success the verb has written its result, if it has one; on failure it has written nothing.
 */
#include "core/network.h"

typedef int verb_fn(struct request *req, const struct network *net, struct err *err);

verb_fn verb_add;
verb_fn verb_del;
verb_fn verb_check;
verb_fn verb_gc;
verb_fn verb_status;
verb_fn verb_version;

#endif
