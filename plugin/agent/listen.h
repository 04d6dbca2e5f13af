/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_LISTEN_H
#define CTNAT_AGENT_LISTEN_H

#include "base/err.h"

#define LISTEN_ADDRESS_MAX 128

/* A TCP socket that listens, and does not block, at "192.0.2.1:9464", "[2001:db8::1]:9464" or
 * ":9464" (all addresses of both families). CNI_INVALID_CONFIG: none of these; -EADDRINUSE etc. as
 * the kernel says. */
int listen_open(const char *address, struct err *err);

/* Is it one of these? Else CNI_INVALID_CONFIG. */
int listen_check(const char *address, struct err *err);

#endif
