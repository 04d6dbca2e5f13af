/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_PLACES_H
#define CTNAT_PLACES_H

/*
 * Where answers lie, and how one is found.
 *
 * `flows` is an array of small sets, and the hash is our own, because on this path a call is what
 * costs most: a look-up in a hash map makes two. A flow may lie in any place of its set: in its
 * own, if that was free, or in one that was, or whose second was over; if there is none, it has to
 * do without an answer. What costs next is memory that no cache holds: so `flow_index` has tags,
 * some bits of the hash of what lies in each place, and a pod's new flow touches but those. A tag
 * is a hint; what lies there is judged by its key.
 *
 * Most of what comes by an uplink is no pod's, and is not even hashed: `ports` has a bit for each
 * port that a pod's flow may come back to. It is set when BPF opens a flow, and when a pod's packet
 * is asked about, whoever opened its flow. Without the bit a packet is the stack's, which is always
 * right, and is not asked about: so no answer for what comes by an uplink, or for what that would
 * void, is without its bit. Nobody clears them; that a pod once used the port costs what it costs
 * below.
 *
 * One CPU at a time writes a place: it makes `version` odd, and even again when it is done. A
 * reader looks at it before and after: a packet that was rewritten by halves of two answers is
 * dropped. `way` and `until` alone are also written in place: "stack" may be said of any flow, and
 * another second of one that is in use.
 */
#include "kfunc_ct.h"
#include "maps.h"
#include "pkt.h"

static __always_inline __u32 jiffies_now(void)
{
	return bpf_jiffies64();
}

static __always_inline __u32 arrival(__u32 ifindex, __u8 proto, bool v4)
{
	return ifindex << 8 | (v4 ? ARRIVAL_V4 : 0) | proto;
}

static __always_inline __u8 flow_proto(const struct flow_key *key)
{
	return key->arrival & ~ARRIVAL_V4;
}

/*
 * What a flow is known by, wherever that lies: in a key, or in the headers of a packet, which so
 * needs no key made of it. Of an address the last word is pointed at: of IPv4's, all that differ.
 * Of IPv6's the other three lie in front of it, and the source in front of the destination.
 */
struct flow_id {
	const __u32 *src, *dst;
	__u32 ports, arrival;	/* as in struct flow_key */
};

static __always_inline struct flow_id id_of(const struct flow_key *key)
{
	return (struct flow_id){ .src = (const void *)&key->src.byte[12],
				 .dst = (const void *)&key->dst.byte[12],
				 .ports = key->ports,
				 .arrival = key->arrival };
}

/* A key's words. */
enum key_word { KEY_SRC4 = 3, KEY_DST4 = 7, KEY_PORTS, KEY_ARRIVAL, KEY_WORDS };

_Static_assert(sizeof(struct flow_key) == KEY_WORDS * sizeof(__u32), "ten words");

static __always_inline __u64 hash_pair(__u32 a, __u32 b, int word_a, int word_b)
{
	return (__u64)(a + flow_seed[word_a]) * (b + flow_seed[word_b]);
}

/* NH (RFC 4418, 5.2.1), with a secret of each load's own: nobody can choose flows that meet. Here
 * and below v4 is a constant wherever it matters what things cost. */
static __always_inline __u64 flow_hash(const struct flow_id *id, bool v4)
{
	__u64 hash = hash_pair(id->ports, id->arrival, KEY_PORTS, KEY_ARRIVAL);
	const __u32 *word = id->src - KEY_SRC4;

	if (v4) {
		hash += hash_pair(*id->src, *id->dst, KEY_SRC4, KEY_DST4);
	} else {
#pragma unroll
		for (int i = 0; i < KEY_PORTS; i += 2)
			hash += hash_pair(word[i], word[i + 1], i, i + 1);
	}
	return (hash ^ hash >> 32) * 0x9e3779b97f4a7c15;
}

/* Where a flow may lie, and the tag that it has there. */
struct flow_home {
	struct flow_set *set;
	union flow_tags *tags;	/* of the set */
	__u8 tag;		/* never 0: that is a free place */
	__u8 own;		/* the place that it takes if that is free: looked at first */
};

/* The number of its set. */
static __always_inline __u32 home_number(__u64 hash)
{
	_Static_assert(FLOW_SETS == 1 << 15, "the number has 15 bits");
	return hash >> 49;
}

static __always_inline bool flow_home(struct flow_index *index, __u64 hash, struct flow_home *home)
{
	__u32 number = home_number(hash);

	home->tag = hash >> 40 | 1;
	home->own = hash >> 37 & (FLOW_WAYS - 1);
	home->tags = &index->tags[home_number(hash)];
	home->set = bpf_map_lookup_elem(&flows, &number);
	return home->set;
}

/* A pod's flow is going to come by an uplink to this port. */
static __always_inline void expect_port(__be16 port)
{
	struct flow_index *index = get_index();

	if (!dry_run && index)
		set_bit(index->ports, port);
}

static __always_inline bool is_key_of(const struct flow_key *key, const struct flow_id *id, bool v4)
{
	const __u64 *addrs = (const void *)(id->src - KEY_SRC4), *own = (const void *)key;
	const __u32 *word = (const void *)key;
	__u32 rest = (word[KEY_PORTS] ^ id->ports) | (word[KEY_ARRIVAL] ^ id->arrival);

	if (v4)
		return !((word[KEY_SRC4] ^ *id->src) | (word[KEY_DST4] ^ *id->dst) | rest);
	return !((own[0] ^ addrs[0]) | (own[1] ^ addrs[1]) | (own[2] ^ addrs[2]) |
		 (own[3] ^ addrs[3]) | rest);
}

static __always_inline bool same_key(const struct flow_key *a, const struct flow_key *b)
{
	const struct flow_id id = id_of(b);

	return is_key_of(a, &id, b->arrival & ARRIVAL_V4);
}

#define EACH_TAG 0x0101010101010101ull	/* one bit of each tag */

/* Of the places that have this tag the last bit each, the first place's for certain. */
static __always_inline __u64 tag_matches(__u64 tags, __u8 tag)
{
	__u64 differs = tags ^ tag * EACH_TAG;

	return (differs - EACH_TAG) & ~differs & EACH_TAG << 7;
}

/* The first place among matches, of which there is one. */
static __always_inline struct flow *first_place(struct flow_set *set, __u64 matches)
{
	__u64 bit = (matches & -matches) >> 7;

	return &set->flow[bit * 0x0001020304050607 >> 56 & (FLOW_WAYS - 1)];
}

/* What is read between two calls is read between them. */
static __always_inline __u32 flow_version(struct flow *flow)
{
	__u32 version;

	barrier();
	version = READ_ONCE(flow->version);
	if (weak_order)		/* twice, or all others would jump over it */
		version = __sync_fetch_and_add(&flow->version, 0);
	barrier();
	return version;
}

/* *version: from before the key was read. */
static __always_inline struct flow *flow_in(const struct flow_home *home, const struct flow_id *id,
					    bool v4, __u32 *version)
{
	__u64 matches = tag_matches(READ_ONCE(home->tags->all), home->tag);
	struct flow *flow;

	if (!matches)
		return NULL;
	flow = first_place(home->set, matches);
	*version = flow_version(flow);
	if (is_key_of(&flow->key, id, v4))
		return flow;
	matches &= matches - 1;		/* two tags may be the same; three are too rare to care */
	if (!matches)
		return NULL;
	flow = first_place(home->set, matches);
	*version = flow_version(flow);
	return is_key_of(&flow->key, id, v4) ? flow : NULL;
}

/*
 * For each packet: an answer, or NULL. *version: for who reads more of it than `way` and `until`.
 * The flow's own place is looked at first. is_pods: it may well be new, so the tag is looked at
 * before, by a branch: of flows that are known the CPU foretells it, and waits for both at once,
 * the tag and what it is the tag of.
 */
static __always_inline struct flow *flow_read(struct flow_index *index, const struct flow_id *id,
					      bool v4, bool is_pods, __u32 *version)
{
	__u64 hash = flow_hash(id, v4);
	struct flow_home home;
	struct flow *flow;

	if (!flow_home(index, hash, &home))
		return NULL;
	flow = &home.set->flow[home.own];
	barrier_var(flow);	/* or it is put together for each field anew */
	if (!is_pods || READ_ONCE(home.tags->tag[home.own]) == home.tag) {
		*version = flow_version(flow);
		if (is_key_of(&flow->key, id, v4))
			return flow;
	}
	return flow_in(&home, id, v4, version);
}

/* What is done once for many packets finds a flow by its key. *home: where it is or may be. */
static __always_inline struct flow *flow_seek(const struct flow_key *key, struct flow_home *home)
{
	const struct flow_id id = id_of(key);
	bool v4 = key->arrival & ARRIVAL_V4;
	__u64 hash = flow_hash(&id, v4);
	struct flow_index *index = get_index();
	__u32 version;

	if (!index || !flow_home(index, hash, home))
		return NULL;
	return flow_in(home, &id, v4, &version);
}

static __always_inline struct flow *flow_find(const struct flow_key *key)
{
	struct flow_home home;

	return flow_seek(key, &home);
}

static __always_inline __u8 *tag_of(const struct flow_home *home, const struct flow *place)
{
	return &home->tags->tag[(place - home->set->flow) & (FLOW_WAYS - 1)];
}

/* Within its second: not after it, nor, as the clock wraps, ages before it. */
static __always_inline bool is_fresh(const struct flow *flow, __u32 now)
{
	return flow->until - now - 1 < hz;
}

/* True: the place is ours to write, until flow_release(). */
static __always_inline bool flow_claim(struct flow *place)
{
	__u32 version = place->version;

	return !dry_run && !(version & 1) &&
	       __sync_val_compare_and_swap(&place->version, version, version + 1) == version;
}

/* (Not by an addition: BPF's is ordered only if somebody wants its result.) */
static __always_inline void flow_release(struct flow *place)
{
	__u32 version = place->version;

	__sync_val_compare_and_swap(&place->version, version, version + 1);
}

/* A place whose answer is over, or NULL. */
static __always_inline struct flow *flow_unused(const struct flow_home *home)
{
	__u32 now = jiffies_now();
	__u64 unused;

	if (!READ_ONCE(home->tags->tag[home->own]))
		return &home->set->flow[home->own];
	unused = tag_matches(READ_ONCE(home->tags->all), 0);
	if (unused)
		return first_place(home->set, unused);
	for (int i = 0; i < FLOW_WAYS; i++) {
		if (!is_fresh(&home->set->flow[i], now))
			return &home->set->flow[i];
	}
	return NULL;
}

/* The place where the flow's answer belongs, ours to write until flow_release(). NULL: there is
 * none, or another CPU writes there just now; the next packet will see to it. */
static __always_inline struct flow *flow_take(const struct flow_key *key)
{
	struct flow_home home = { 0 };
	struct flow *place = flow_seek(key, &home);

	if (!home.set)
		return NULL;
	if (!place)
		place = flow_unused(&home);
	if (!place || !flow_claim(place))
		return NULL;
	place->key = *key;
	*tag_of(&home, place) = home.tag;
	return place;
}

/* An answer that is no more: no packet has such a key. *reverse (may be NULL): the key that the
 * answer of the other direction has. Not 0: there was none, and nothing is done. */
__noinline int flow_delete(const struct flow_key *key, struct flow_key *reverse)
{
	struct flow_home home;
	struct flow *flow;

	flow = key ? flow_seek(key, &home) : NULL;
	if (!flow)
		return -1;
	if (reverse)
		*reverse = (struct flow_key){
			.src = flow->dst,
			.dst = flow->src,
			.sport = flow->dport,
			.dport = flow->sport,
			.arrival = arrival(flow->ifindex, flow_proto(key), addr_is_v4(&key->src)),
		};
	if (!flow_claim(flow))
		return 0;
	if (same_key(&flow->key, key)) {
		flow->key.arrival = 0;
		*tag_of(&home, flow) = 0;
	}
	flow_release(flow);
	return 0;
}

#endif
