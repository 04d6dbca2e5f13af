/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_BPFCONST_H
#define CTNAT_KERN_BPFCONST_H

/*
 * What loaded programs were told before they were loaded: the constants of their .rodata, by name.
 * Whoever runs a copy of them, or looks for a flow where they would, has to know the same.
 */
#include <stddef.h>

#include "base/err.h"

struct btf;

struct bpfconst {
	struct btf *btf;	/* NULL: not open */
	unsigned int section;	/* type id of .rodata */
	char *bytes;
	size_t size;
};

/* Of a loaded program. -ENOENT if it has none. */
int bpfconst_open(struct bpfconst *c, int prog_fd, struct err *err);
void bpfconst_close(struct bpfconst *c);	/* also of a zeroed one */

/* -ENOENT: there is none of that name; -EINVAL: it has another size. */
int bpfconst_get(const struct bpfconst *c, const char *name, void *out, size_t size);

/* The same of an object that is not loaded: where in a section's `bytes` a constant lies. */
int bpfconst_find(const struct btf *btf, unsigned int section, const char *name, size_t size,
		  size_t *offset);

#endif
