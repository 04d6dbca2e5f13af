/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_BPFFS_H
#define CTNAT_KERN_BPFFS_H

/* The directories below /sys/fs/bpf, and the locks that are flock()s on directories there. */
#include <stdbool.h>
#include <sys/types.h>

#include "abi.h"
#include "base/err.h"

#define BPFFS_TEXT(number)  BPFFS_TEXT_(number)
#define BPFFS_TEXT_(number) #number

#define BPFFS_PATH   "/sys/fs/bpf"
#define PIN_ROOT     BPFFS_PATH "/ctnat"
#define PIN_RECORDS  PIN_ROOT "/r" BPFFS_TEXT(ABI_RECORDS)
#define PIN_DATAPATH PIN_ROOT "/v" BPFFS_TEXT(ABI_DATAPATH)
#define PIN_LOCKS    PIN_ROOT "/locks"

/* Mounts bpffs where none is (several processes at once mount one). Makes no directory. */
int bpffs_mount(struct err *err);
/* Makes the directories of this version. */
int bpffs_make_dirs(struct err *err);

/* The highest v<N> there is; 0: none. */
unsigned int bpffs_newest(void);
/* The path of a pin of v<version>. */
#define PIN_PATH_MAX 64
void bpffs_pin_path(unsigned int version, const char *name, char out[PIN_PATH_MAX]);
/* Removes v<version>. Success if there is none. */
int bpffs_remove_version(unsigned int version, struct err *err);

/* An fd that holds an exclusive flock on the directory, made if missing; released by close(), or by
 * death. With wait false: -EWOULDBLOCK if somebody has it. */
int bpffs_lock(const char *dir, bool wait, struct err *err);

/* Which bpffs PIN_ROOT lies in: every mount is an instance of its own. -ENOENT: no PIN_ROOT. */
int bpffs_instance(dev_t *out, struct err *err);

/* Removes PIN_ROOT and all below it. Success if there is none. */
int bpffs_remove(struct err *err);

#endif
