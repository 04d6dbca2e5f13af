// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: an address is a number of 128 bits, and IPv4 is the /96 below ::ffff:0:0. Prefixes,
 * ranges and their arithmetic therefore know no family; only text and the kernel's interfaces do,
 * and those convert here. What follows from it: ::/0 holds every IPv4 address too, as it does in
 * the programs' LPM trie.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"

#define V4_PREFIX_LEN 96

static const __u8 v4_prefix[V4_PREFIX_LEN / 8] = { [10] = 0xff, [11] = 0xff };

/* The number, in two halves that every compiler can add. */
struct u128 {
	uint64_t high, low;
};

static struct u128 number_of(const struct addr *a)
{
	uint64_t half[2];

	memcpy(half, a->byte, sizeof(half));
	return (struct u128){ .high = be64toh(half[0]), .low = be64toh(half[1]) };
}

static struct addr addr_of(struct u128 n)
{
	uint64_t half[2] = { htobe64(n.high), htobe64(n.low) };
	struct addr a;

	memcpy(a.byte, half, sizeof(half));
	return a;
}

/* The bits of a prefix of `len`; a shift by a whole word would be undefined. */
static struct u128 prefix_bits(unsigned int len)
{
	struct u128 bits = { 0, 0 };

	if (len)
		bits.high = len >= 64 ? UINT64_MAX : UINT64_MAX << (64 - len);
	if (len > 64)
		bits.low = len >= 128 ? UINT64_MAX : UINT64_MAX << (128 - len);
	return bits;
}

bool addr_is_v4(const struct addr *a)
{
	return !memcmp(a->byte, v4_prefix, sizeof(v4_prefix));
}

bool addr_is_zero(const struct addr *a)
{
	static const struct addr zero;

	return addr_equal(a, &zero);
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return !addr_compare(a, b);
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	return memcmp(a->byte, b->byte, sizeof(a->byte));
}

int addr_family(const struct addr *a)
{
	return addr_is_v4(a) ? AF_INET : AF_INET6;
}

const void *addr_bytes(const struct addr *a, size_t *len)
{
	size_t skip = addr_is_v4(a) ? sizeof(v4_prefix) : 0;

	if (len)
		*len = sizeof(a->byte) - skip;
	return a->byte + skip;
}

struct addr addr_from_bytes(int family, const void *bytes)
{
	struct addr a;

	if (family == AF_INET) {
		memcpy(a.byte, v4_prefix, sizeof(v4_prefix));
		memcpy(a.byte + sizeof(v4_prefix), bytes, sizeof(a.byte) - sizeof(v4_prefix));
	} else {
		memcpy(a.byte, bytes, sizeof(a.byte));
	}
	return a;
}

int addr_parse(const char *text, struct addr *out)
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	__u8 bytes[sizeof(out->byte)];

	if (inet_pton(family, text, bytes) != 1)
		return -EINVAL;
	*out = addr_from_bytes(family, bytes);
	return 0;
}

const char *addr_format(const struct addr *a, char buf[ADDR_STRLEN])
{
	return inet_ntop(addr_family(a), addr_bytes(a, NULL), buf, ADDR_STRLEN);
}

/* Digits only, no more than needed: strtoul() would take "+8", " 8" and "08". */
static int parse_len(const char *text, unsigned int max, unsigned int *out)
{
	size_t digits = strspn(text, "0123456789");
	unsigned int len = 0;

	if (!digits || digits > 3 || text[digits] || (digits > 1 && text[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		len = len * 10 + (unsigned int)(text[i] - '0');
	if (len > max)
		return -EINVAL;
	*out = len;
	return 0;
}

int cidr_parse(const char *text, struct cidr *out)
{
	const char *slash = strchr(text, '/');
	char host[ADDR_STRLEN];
	struct cidr c;
	bool v4_text;

	if (!slash || (size_t)(slash - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, slash - text);
	host[slash - text] = '\0';
	if (addr_parse(host, &c.addr))
		return -EINVAL;

	v4_text = !strchr(host, ':');
	if (parse_len(slash + 1, v4_text ? 32 : 128, &c.len))
		return -EINVAL;
	if (v4_text)
		c.len += V4_PREFIX_LEN;
	/* ::ffff:10.0.0.0/90 is an IPv4 address with an IPv6 prefix: nobody can mean that. */
	if (addr_is_v4(&c.addr) && c.len < V4_PREFIX_LEN)
		return -EINVAL;
	*out = c;
	return 0;
}

const char *cidr_format(const struct cidr *c, char buf[ADDR_STRLEN])
{
	size_t used;

	addr_format(&c->addr, buf);
	used = strlen(buf);
	snprintf(buf + used, ADDR_STRLEN - used, "/%u", cidr_family_len(c));
	return buf;
}

unsigned int cidr_family_len(const struct cidr *c)
{
	return addr_is_v4(&c->addr) ? c->len - V4_PREFIX_LEN : c->len;
}

struct cidr cidr_from_family_len(const struct addr *a, unsigned int family_len)
{
	return (struct cidr){ .addr = *a, .len = family_len + (addr_is_v4(a) ? V4_PREFIX_LEN : 0) };
}

struct cidr cidr_mask(const struct cidr *c)
{
	return (struct cidr){ .addr = cidr_first(c), .len = c->len };
}

struct cidr cidr_host(const struct addr *a)
{
	return (struct cidr){ .addr = *a, .len = 128 };
}

bool cidr_contains(const struct cidr *c, const struct addr *a)
{
	struct u128 ours = number_of(&c->addr), theirs = number_of(a), bits = prefix_bits(c->len);

	return !((ours.high ^ theirs.high) & bits.high) && !((ours.low ^ theirs.low) & bits.low);
}

bool cidr_overlaps(const struct cidr *a, const struct cidr *b)
{
	return a->len <= b->len ? cidr_contains(a, &b->addr) : cidr_contains(b, &a->addr);
}

int cidr_compare(const struct cidr *a, const struct cidr *b)
{
	return addr_compare(&a->addr, &b->addr) ?: (a->len > b->len) - (a->len < b->len);
}

struct addr cidr_first(const struct cidr *c)
{
	struct u128 n = number_of(&c->addr), bits = prefix_bits(c->len);

	return addr_of((struct u128){ .high = n.high & bits.high, .low = n.low & bits.low });
}

struct addr cidr_last(const struct cidr *c)
{
	struct u128 n = number_of(&c->addr), bits = prefix_bits(c->len);

	return addr_of((struct u128){ .high = n.high | ~bits.high, .low = n.low | ~bits.low });
}

struct addr addr_add(const struct addr *a, unsigned long long n)
{
	struct u128 sum = number_of(a);

	sum.high += __builtin_add_overflow(sum.low, (uint64_t)n, &sum.low);
	return addr_of(sum);
}

unsigned long long addr_distance(const struct addr *first, const struct addr *last)
{
	struct u128 from = number_of(first), to = number_of(last);
	uint64_t low, high;

	high = to.high - from.high - __builtin_sub_overflow(to.low, from.low, &low);
	return high ? UINT64_MAX : low;
}
