/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CNI_ATTACHMENTS_H
#define CTNAT_CNI_ATTACHMENTS_H

#include <stddef.h>

#include "abi.h"
#include "base/err.h"

/* GC's input: the attachments that are still valid, in an array that the caller frees.
 * CNI_INVALID_CONFIG if the configuration does not say. */
int attachments_parse(const char *config, struct attachment_key **out, size_t *n, struct err *err);

#endif
