/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_PROGRAM_H
#define CTNAT_KERN_PROGRAM_H

/* Another program: found, fed, listened to. No shell. */
#include <stddef.h>

#include "base/err.h"

/* The executable regular file `name` (no path) in the first of the directories "a:b:c" that has
 * one. Returns 0, or -ENOENT without a message. */
int program_find(const char *name, const char *dirs, char *path, size_t size);

struct program_var {
	const char *name, *value;
};

/*
 * Runs it to its end, with our environment but for `vars`, and our stderr. It reads `input`.
 * limit_ms 0: however long that takes. Else it must have ended by then, with no more to say than a
 * pipe takes (64 KiB), or it and what it started are killed: -ETIMEDOUT. Returns its exit status
 * and its output, which the caller frees; -errno, also if a signal killed it or the output is
 * beyond measure.
 */
int program_run(const char *path, const struct program_var *vars, size_t n_vars, const char *input,
		unsigned int limit_ms, char **output, size_t *len, struct err *err);

#endif
