// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the kernel knows no ranges, it knows keys at which membership changes: [first, last] is
 * an element `first`, and an element `last + 1` that bears the flag INTERVAL_END. A range up to
 * the family's last address has no end. Where one range touches the next, an end and a start have
 * the same key; the kernel keeps both, and hands out its elements in an order of its own.
 *
 * So sets are compared as they are, by walking along the keys of both at once.
 */
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "kern/nft_interval.h"
#include "kern/nl.h"

static size_t key_len(const struct nftnl_set *set)
{
	return nftnl_set_get_u32(set, NFTNL_SET_KEY_LEN);
}

/* The key is the end of the 16 bytes. Not addr_bytes(): what follows an IPv6 range may look like
 * IPv4. */
static int add_bound(struct nftnl_set *set, const struct addr *key, unsigned int flags)
{
	struct nftnl_set_elem *elem = nftnl_set_elem_alloc();
	size_t len = key_len(set);

	if (!elem)
		return -ENOMEM;
	nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY, key->byte + sizeof(key->byte) - len, len);
	if (flags)
		nftnl_set_elem_set_u32(elem, NFTNL_SET_ELEM_FLAGS, flags);
	nftnl_set_elem_add(set, elem);
	return 0;
}

int nft_interval_add(struct nftnl_set *set, const struct addr_range *range)
{
	const __u8 *last = range->last.byte + sizeof(range->last.byte) - key_len(set);
	struct addr after = addr_add(&range->last, 1), family_end;
	int ret = add_bound(set, &range->first, 0);

	memset(&family_end, 0xff, sizeof(family_end));
	if (ret || !memcmp(last, &family_end, key_len(set)))
		return ret;
	return add_bound(set, &after, NFT_SET_ELEM_INTERVAL_END);
}

/* ---- comparison ------------------------------------------------------------------------------ */

enum side {
	WHOLE,
	PART,
};

struct bound {
	struct addr key;
	enum side side;
	bool end;
};

struct collect {
	struct nl_array bounds;
	enum side side;
	int family;
};

static int collect_bound(struct nftnl_set_elem *elem, void *data)
{
	struct collect *c = data;
	struct bound *bound = nl_array_add(&c->bounds);
	__u32 len;

	if (!bound)
		return -ENOMEM;
	bound->key = addr_from_bytes(c->family, nftnl_set_elem_get(elem, NFTNL_SET_ELEM_KEY, &len));
	bound->side = c->side;
	bound->end = nftnl_set_elem_is_set(elem, NFTNL_SET_ELEM_FLAGS) &&
		     nftnl_set_elem_get_u32(elem, NFTNL_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END;
	return 0;
}

/* By key; where an end and a start meet, the start first: the set is not left in between. */
static int compare(const void *pa, const void *pb)
{
	const struct bound *a = pa, *b = pb;

	return addr_compare(&a->key, &b->key) ?: a->end - b->end;
}

int nft_interval_covers(struct nftnl_set *whole, struct nftnl_set *part)
{
	struct nftnl_set *const sets[] = { [WHOLE] = whole, [PART] = part };
	struct collect c = {
		.bounds.size = sizeof(struct bound),
		.family = key_len(whole) == 4 ? AF_INET : AF_INET6,
	};
	_cleanup_free_ struct bound *bound = NULL;
	unsigned int depth[] = { 0, 0 };
	int ret = 0;

	for (c.side = WHOLE; c.side <= PART && ret >= 0; c.side++)
		ret = nftnl_set_elem_foreach(sets[c.side], collect_bound, &c);
	bound = c.bounds.items;
	if (ret < 0)
		return ret;
	if (c.bounds.n)
		qsort(bound, c.bounds.n, sizeof(*bound), compare);

	for (size_t i = 0; i < c.bounds.n; i++) {
		unsigned int *d = &depth[bound[i].side];

		if (!bound[i].end)
			++*d;
		else if (*d)	/* nft writes an end at the lowest address, which ends nothing */
			--*d;
		if (i + 1 < c.bounds.n && addr_equal(&bound[i].key, &bound[i + 1].key))
			continue;
		if (depth[PART] && !depth[WHOLE])
			return 0;
	}
	return 1;
}
