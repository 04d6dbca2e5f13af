/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CTL_QUESTION_H
#define CTNAT_CTL_QUESTION_H

/* The packet that `explain` is asked about, from the command line: SRC DST PROTO [PORT], and its
 * options. */
#include "core/explain.h"
#include "ctl/cmd.h"

int question_parse(const struct node *node, const struct options *options, struct question *q,
		   struct err *err);

#endif
