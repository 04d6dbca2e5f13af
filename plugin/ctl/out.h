/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CTL_OUT_H
#define CTNAT_CTL_OUT_H

/*
 * What a command has to say, once, for people and for programs: it is put together as a tree and
 * printed as JSON, or as lines and aligned tables. Out of memory ends up as less output, never as a
 * crash.
 */
#include <stdbool.h>

#include <linux/types.h>

struct out;

struct out *out_new(void);
void out_free(struct out *out);

/* A value at the place that is open; key NULL within a list. */
void out_text(struct out *out, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void out_number(struct out *out, const char *key, __u64 value);
void out_flag(struct out *out, const char *key, bool value);

/* Opens an object or a list at the place that is open, until out_close(). Of objects in a list, or
 * in an object, people see a table: one row each. */
void out_object(struct out *out, const char *key);
void out_list(struct out *out, const char *key);
void out_close(struct out *out);

/* To stdout. */
void out_print(const struct out *out, bool json);

#endif
