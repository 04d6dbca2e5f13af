/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_BPFFS_H
#define CTNAT_KERN_BPFFS_H

/* The directories below /sys/fs/bpf, and the locks that are flock()s on directories there. */
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define BPFFS_PATH   "/sys/fs/bpf"
#define PIN_ROOT     BPFFS_PATH "/ctnat"
#define PIN_RECORDS  PIN_ROOT "/r1"	/* r<ABI_RECORDS> */
#define PIN_DATAPATH PIN_ROOT "/v2"	/* v<ABI_DATAPATH> */
#define PIN_LOCKS    PIN_ROOT "/locks"

/* Mounts bpffs where none is (several processes at once mount one) and makes the directories. */
int bpffs_ensure(struct err *err);

/* An fd that holds an exclusive flock on the directory, made if missing; released by close(), or by
 * death. With wait false: -EWOULDBLOCK if somebody has it. */
int bpffs_lock(const char *dir, bool wait, struct err *err);

/* Which bpffs PIN_ROOT lies in: every mount is an instance of its own. -ENOENT: no PIN_ROOT. */
int bpffs_instance(dev_t *out, struct err *err);

/* Removes PIN_ROOT and all below it. Success if there is none. */
int bpffs_remove(struct err *err);

#endif
