/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BASE_REPLACE_H
#define CTNAT_BASE_REPLACE_H

/*
 * A file in the place of another: who opens the name finds the old one or the new one, whole, and
 * so does who opens it after a power cut. Theory in replace.c.
 */
#include <limits.h>
#include <sys/types.h>

#include "base/err.h"

struct replacement {
	int dir;  /* the caller's */
	int lock; /* -1: not begun */
	char name[NAME_MAX + 1], temp[NAME_MAX + 1];
};

#define REPLACEMENT_NONE              \
	{                             \
		.dir = -1, .lock = -1 \
	}

/* Writes the bytes, and has them on disk, as `.<name>.new` in the directory. -EAGAIN
 * (CNI_TRY_AGAIN): another process is about to replace this very file. End with
 * replace_abandon(). */
int replace_begin(struct replacement *r, int dir, const char *name, const void *bytes, size_t len,
		  mode_t mode, struct err *err);

/* From now on that is the file. */
int replace_commit(struct replacement *r, struct err *err);

/* Also of one that was committed, or has failed. */
void replace_abandon(struct replacement *r);

#define _cleanup_replace_ __attribute__((cleanup(replace_abandon)))

/* All of it in one. */
int replace_file(int dir, const char *name, const void *bytes, size_t len, mode_t mode,
		 struct err *err);

/* Removes what somebody who died while he replaced this file has left. */
void replace_sweep(int dir, const char *name);

#endif
