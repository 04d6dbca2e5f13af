/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_CHECK_H
#define CTNAT_CORE_CHECK_H

/* Is an attachment as ADD left it? */
#include "core/attachment.h"

/* 0, or CNI_CHECK_FAILED naming the first part that is missing or altered. w is open, its namespace
 * too. */
int check_attachment(struct attachment_work *w, struct err *err);

#endif
