/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BASE_CLEANUP_H
#define CTNAT_BASE_CLEANUP_H

/*
 * Ownership that a reader can check without opening a callee: what a function owns is declared with
 * one of these, what it gives away leaves through a TAKE. A function uses these or goto, never
 * both. State in the *kernel* (links, map entries) is not theirs: that is the step table's
 * (core/attachment.c).
 */
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

#define _cleanup_close_ __attribute__((cleanup(cleanup_close)))
#define _cleanup_free_	__attribute__((cleanup(cleanup_free)))

#define TAKE_FD(fd)              \
	({                       \
		int taken_ = (fd); \
		(fd) = -1;       \
		taken_;          \
	})

#define TAKE_PTR(p)                        \
	({                                 \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                \
		taken_;                    \
	})

#endif
