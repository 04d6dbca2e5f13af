/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CONF_VERSION_H
#define CTNAT_CONF_VERSION_H

/* Versions of the CNI specification: which we speak, and what came with which. */
#include <stdbool.h>

#include "core/network.h"

#define VERSION_NEWEST "1.1.0"

/* Ascending, up to a NULL. */
extern const char *const supported_versions[];

bool version_supported(const char *version);

/* Numeric, part by part ("1.10.0" is newer than "1.9.0"): <0, 0, >0. Missing parts are 0. */
int version_compare(const char *a, const char *b);

/* The first version that has the verb. */
const char *version_of_verb(enum verb verb);

#endif
