/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_CONFLIST_H
#define CTNAT_AGENT_CONFLIST_H

/* The network configuration list: from the operator's template, the node's ranges and what is
 * installed already, to what shall be installed. Text in, text out: no file is touched. Theory in
 * conflist.c. */
#include <stddef.h>

#include "agent/chained.h"
#include "agent/notes.h"
#include "base/addr.h"
#include "base/err.h"

struct conflist_text {
	char *text; /* NULL: there is none; else a NUL comes behind it */
	size_t len;
};

/* Is there a list with an object of ours in it? What has none is not for us to change. */
bool conflist_is_ours(const struct conflist_text *installed);

/* Has it plugins that the template has not? */
bool conflist_has_foreign(const struct conflist_text *installed,
			  const struct conflist_text *template);

/*
 * What shall be installed, which the caller frees; out->text NULL: what is installed says the same.
 * `installed` is a list of ours, or none. CNI_NOT_AVAILABLE: the template leaves the ranges to us,
 * and there are none. CNI_INCOMPATIBLE_VERSION: the plugins speak no common version. Other codes:
 * the template is at fault, and the message names the key.
 */
int conflist_merge(const struct conflist_text *template, const struct conflist_text *installed,
		   const struct cidr *ranges, size_t n_ranges, struct chained *chained,
		   struct conflist_text *out, struct notes *notes, struct err *err);

#endif
