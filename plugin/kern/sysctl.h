/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_SYSCTL_H
#define CTNAT_KERN_SYSCTL_H

/* Sysctls of the namespace this process is in. Paths are below /proc/sys, with slashes
 * ("net/ipv4/ip_forward"): interface names may hold dots. */
#include <stddef.h>

#include "base/err.h"

/* Instead of /proc/sys, which containers have read-only. The text stays the caller's. */
void sysctl_root(const char *directory);

/* Without the newline. -ENOSPC if it does not fit. */
int sysctl_read(const char *path, char *buf, size_t size, struct err *err);
int sysctl_write(const char *path, const char *value, struct err *err);

#endif
