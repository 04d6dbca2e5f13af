/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CNI_PROGRAM_H
#define CTNAT_CNI_PROGRAM_H

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
 * Runs it to its end, however long that takes, with our environment but for `vars`, and our stderr.
 * It reads `input`. Returns its exit status and its output, which the caller frees; -errno, also if
 * a signal killed it or the output is beyond measure.
 */
int program_run(const char *path, const struct program_var *vars, size_t n_vars, const char *input,
		char **output, size_t *len, struct err *err);

#endif
