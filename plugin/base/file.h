/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BASE_FILE_H
#define CTNAT_BASE_FILE_H

/* Whole reads and writes. */
#include <stddef.h>

#include "base/err.h"

/* Everything up to the end, as a string that the caller frees, with a NUL after *len bytes.
 * -EFBIG if there is more than max. */
int file_read_all(int fd, size_t max, char **out, size_t *len, struct err *err);

/* All of it, or -errno. */
int file_write_all(int fd, const void *buf, size_t len, struct err *err);

/* The whole file, as file_read_all(). */
int file_read(const char *path, size_t max, char **out, size_t *len, struct err *err);

/* Whoever started us may have left a standard fd closed, and the next file that is opened would
 * become our stdout: opens /dev/null for each. */
void file_fill_stdio(void);

#endif
