/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CONF_VALUE_H
#define CTNAT_CONF_VALUE_H

/* JSON values that stand for addresses, names, marks and words. Each returns 0, or rejects the
 * value by its path. */
#include "base/addr.h"
#include "conf/json.h"

/* "10.244.1.5" or "fd00::5". */
int value_addr(const struct json *value, struct addr *out, struct err *err);
/* "10.244.1.0/24", without host bits: who writes 10.244.1.5/24 may have meant either. */
int value_cidr(const struct json *value, struct cidr *out, struct err *err);
/* An address and its prefix: "10.244.1.5/24". */
int value_address(const struct json *value, struct cidr *out, struct err *err);
/* An address that a prefix may follow, which is of no interest: "10.244.1.5" or "10.244.1.5/24". */
int value_host(const struct json *value, struct addr *out, struct err *err);
/* One that an interface can have. */
int value_mac(const struct json *value, __u8 out[MAC_LEN], struct err *err);
/* By the specification's rule for names, fitting `size` bytes with its NUL. */
int value_name(const struct json *value, char *out, size_t size, struct err *err);
int value_ifname(const struct json *value, char out[IFNAME_MAX], struct err *err);
/* Bits of a mark: an integer, or a string such as "0x80", for JSON knows no hexadecimal numbers. */
int value_mask(const struct json *value, __u32 *out, struct err *err);
/* One of n words; *out is its place among them. */
int value_word(const struct json *value, const char *const *words, size_t n, size_t *out,
	       struct err *err);

/* The same of a key: 1, 0 if it is not there, or -errno. */
int value_get_word(const struct json *object, const char *key, const char *const *words, size_t n,
		   size_t *out, struct err *err);

/* The same from plain text (CNI_ARGS): 0 or -EINVAL. */
int host_parse(const char *text, struct addr *out);

#endif
