/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CONF_JSON_H
#define CTNAT_CONF_JSON_H

/*
 * JSON from outside, read with suspicion. A value knows the way by which it was reached, so whoever
 * rejects one names it as people do: 'ipam.ranges[0][1].subnet: "10.1.2.0/33": not a prefix'.
 *
 * Keys are found whatever their case, as every CNI plugin in Go does (containerd capitalises them).
 * null is as absent. A key that is there twice is an error: readers would disagree on which one
 * counts.
 *
 * Functions that look for a key return 1 if it is there, 0 if not, -errno if it is there and wrong,
 * the out-parameter being untouched but for 1.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct json {
	const void *node;	   /* NULL: no value */
	const struct json *parent; /* NULL: the document; must live as long as this */
	const char *key;	   /* in an object, or the document's name; NULL: in a list */
	size_t index;		   /* in a list */
};

/* Parses all of text[0..len), which must be one object. `what` names it in messages. CNI_DECODE if
 * it cannot be read. */
int json_parse(const char *text, size_t len, const char *what, struct json *out, struct err *err);
void json_free(struct json *document); /* also of a zeroed one */

#define _cleanup_json_ __attribute__((cleanup(json_free)))

/* Is the key there, if only as null? */
bool json_has(const struct json *object, const char *key);

/* The value of any type. */
int json_get(const struct json *object, const char *key, struct json *out, struct err *err);

/* A value of one type. Integers are from 0 to max, which is at most 2^53: JSON's numbers are
 * doubles. */
int json_get_object(const struct json *object, const char *key, struct json *out, struct err *err);
int json_get_list(const struct json *object, const char *key, struct json *out, struct err *err);
int json_get_bool(const struct json *object, const char *key, bool *out, struct err *err);
int json_get_integer(const struct json *object, const char *key, unsigned long long max,
		     unsigned long long *out, struct err *err);
int json_get_string(const struct json *object, const char *key, const char **out, struct err *err);

/* The value at hand, which must be of that type. Returns 0 or -errno. */
int json_object(const struct json *value, struct err *err);
int json_list(const struct json *value, struct err *err);
int json_string(const struct json *value, const char **out, struct err *err);
int json_integer(const struct json *value, unsigned long long max, unsigned long long *out,
		 struct err *err);

/* Of a list or an object; an absent one is empty. */
bool json_is_empty(const struct json *value);
size_t json_count(const struct json *value);

/* An absent list has no items. struct json item = { 0 }; while (json_next(&list, &item)) ... */
bool json_next(const struct json *list, struct json *item);

/* The document with one string of its own changed, as text that the caller frees. NULL if memory is
 * short. */
char *json_with_string(const char *text, const char *key, const char *value);

/* Rejects the first key of the object that is none of these: a slip in writing one must not pass
 * for its default. */
int json_only(const struct json *object, const char *const *keys, size_t n, struct err *err);

/* "path: value: <reason>", with CNI_INVALID_CONFIG or a code of the caller's choice. Returns a
 * negative errno. */
int json_reject(const struct json *value, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int json_reject_code(const struct json *value, unsigned int code, struct err *err, const char *fmt,
		     ...) __attribute__((format(printf, 4, 5)));

/* "path.key: missing: <reason>". */
int json_missing(const struct json *object, const char *key, struct err *err, const char *reason);

#endif
