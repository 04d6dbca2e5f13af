/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BASE_ADDR_H
#define CTNAT_BASE_ADDR_H

/*
 * Addresses, prefixes and ranges of both families as one type (see bpf/abi.h: 16 bytes, network
 * order, IPv4 mapped). Nothing here allocates or fails except where it says so.
 */
#include <stdbool.h>
#include <stddef.h>

#include "abi.h"

#define ADDR_STRLEN 64		/* fits any address, and any prefix */

struct cidr {
	struct addr addr;	/* as given: host bits may be set unless cidr_mask() was called */
	unsigned int len;	/* of 128: an IPv4 /24 is 120 */
};

bool addr_is_v4(const struct addr *a);
bool addr_is_zero(const struct addr *a);
bool addr_equal(const struct addr *a, const struct addr *b);
int addr_compare(const struct addr *a, const struct addr *b);	/* numeric order, as memcmp() */
int addr_family(const struct addr *a);				/* AF_INET or AF_INET6 */

/* The family's own bytes: 4 or 16 of them, network order; *len is set if not NULL. */
const void *addr_bytes(const struct addr *a, size_t *len);
/* From 4 or 16 bytes in network order. */
struct addr addr_from_bytes(int family, const void *bytes);

/* "10.244.1.5" or "fd00::5". Returns 0 or -EINVAL. No ports, zones, spaces, leading zeros in IPv4.
 * "::ffff:10.244.1.5" is another way to write the first. */
int addr_parse(const char *text, struct addr *out);
/* Writes at most ADDR_STRLEN bytes, returns buf. */
const char *addr_format(const struct addr *a, char buf[ADDR_STRLEN]);

/* "10.244.1.0/24". Host bits are kept. Returns 0 or -EINVAL, also without a prefix. */
int cidr_parse(const char *text, struct cidr *out);
const char *cidr_format(const struct cidr *c, char buf[ADDR_STRLEN]);
/* As people write it: 24 for the IPv4 prefix of 120 bits. */
unsigned int cidr_family_len(const struct cidr *c);
/* The other way round: 24 and an IPv4 address give the prefix of 120 bits. */
struct cidr cidr_from_family_len(const struct addr *a, unsigned int family_len);
struct cidr cidr_mask(const struct cidr *c);			/* host bits cleared */
struct cidr cidr_host(const struct addr *a);			/* /32 or /128 */
/* False across families, unless c covers both as ::/0 does. */
bool cidr_contains(const struct cidr *c, const struct addr *a);
bool cidr_overlaps(const struct cidr *a, const struct cidr *b);
/* An order for sorting: by address, the shorter prefix before what lies in it. */
int cidr_compare(const struct cidr *a, const struct cidr *b);
struct addr cidr_first(const struct cidr *c);			/* all host bits 0 */
struct addr cidr_last(const struct cidr *c);			/* all host bits 1 */

/* a + n, wrapping within 128 bits; last - first, never less than 0, at most UINT64_MAX. */
struct addr addr_add(const struct addr *a, unsigned long long n);
unsigned long long addr_distance(const struct addr *first, const struct addr *last);

#endif
