/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CNI_IPAM_EXEC_H
#define CTNAT_CNI_IPAM_EXEC_H

/* The delegate_fn of core/delegate.h: another IPAM plugin, executed. */
#include "core/delegate.h"

int ipam_exec(enum verb verb, const struct request *req, const struct network *net,
	      struct delegate_result *out, struct err *err);

#endif
