/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CNI_PREVRESULT_H
#define CTNAT_CNI_PREVRESULT_H

/* The result of the plugins before us in the chain (ADD), or of the whole chain (CHECK). */
#include "core/network.h"

/*
 * Judges prevResult in req->config before anything is made or checked. ADD: there may be none, but
 * what there is must be extensible. CHECK: it must name this interface in this namespace;
 * req->expected becomes the addresses it gives to it.
 */
int prevresult_read(struct request *req, struct err *err);

#endif
