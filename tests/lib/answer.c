// SPDX-License-Identifier: Apache-2.0
/* Theory in bpf/flow.h and bpf/rewrite.h, of which this is the plain reading. */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <string.h>
#include <time.h>

#include "kern/maps.h"
#include "lib/answer.h"

#define IP4_PROTO	9	/* offsets in the headers */
#define IP4_SRC		12
#define IP6_NEXT	6
#define IP6_SRC		8

static struct addr mapped(const __u8 *ip)
{
	struct addr a = { .byte = { [10] = 0xff, [11] = 0xff } };

	memcpy(&a.byte[12], ip, 4);
	return a;
}

struct flow_key answer_key(const struct frame *f, int in)
{
	const __u8 *ip = f->data + ETH_LEN;
	struct flow_key key = { .ifindex = in };

	if (ip[0] >> 4 == 4) {
		key.proto = ip[IP4_PROTO];
		key.src = mapped(ip + IP4_SRC);
		key.dst = mapped(ip + IP4_SRC + 4);
		memcpy(&key.sport, ip + IP4_LEN, 4);
	} else {
		key.proto = ip[IP6_NEXT];
		memcpy(&key.src, ip + IP6_SRC, sizeof(key.src));
		memcpy(&key.dst, ip + IP6_SRC + 16, sizeof(key.dst));
		memcpy(&key.sport, ip + IP6_LEN, 4);
	}
	return key;
}

/* As flow_tag() in bpf/flow.h. */
static __u32 tag_of(const struct flow_key *key)
{
	const __u32 *src = (const void *)&key->src, *dst = (const void *)&key->dst;

	return (src[3] ^ src[2]) + (dst[3] ^ dst[2]) * 3 + ((__u32)key->sport << 16 | key->dport) * 5 +
	       key->ifindex * 7 + key->proto;
}

/* What a ones' complement sum over `old` gains if `new` takes its place, of `len` bytes. */
static __u16 gain(const void *old, const void *new, size_t len)
{
	__u32 sum = 0;
	__u16 word;

	for (size_t i = 0; i < len; i += 2) {
		memcpy(&word, (const char *)new + i, 2);
		sum += word;
		memcpy(&word, (const char *)old + i, 2);
		sum += 0xffff - word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? 0 : sum;
}

static void set_gains(struct flow *flow, const struct flow_key *from, const struct flow_key *to)
{
	struct {
		struct addr src, dst;
		__u8 ttl, proto;
		__be16 pad;
	} old = { from->src, from->dst, 64, 6, 0 }, new = { to->src, to->dst, 63, 6, 0 };

	flow->header_delta = gain(&old, &new, sizeof(old));
	flow->address_delta = gain(&old, &new, 2 * sizeof(struct addr));
	/* addresses and ports follow each other in the key */
	flow->segment_delta = gain(from, to, offsetof(struct flow_key, ifindex));
}

struct answer answer_of(const struct frame *arrives, int in, const struct frame *leaves, int out,
			enum flow_way way)
{
	const struct flow_key to = answer_key(leaves, out);
	struct answer answer = {
		.key = answer_key(arrives, in),
		.flow = {
			.until = answer_now() + 10000000000,
			.way = way,
			.ifindex = way == WAY_STACK ? 0 : out,
			.mtu = 1500,
			.sport = to.sport,
			.dport = to.dport,
			.src = to.src,
			.dst = to.dst,
		},
	};

	answer.flow.tag = answer.flow.tag_again = tag_of(&answer.key);
	memcpy(answer.flow.dst_mac, leaves->data, MAC_LEN);
	memcpy(answer.flow.src_mac, leaves->data + MAC_LEN, MAC_LEN);
	set_gains(&answer.flow, &answer.key, &to);
	return answer;
}

void answer_put(const struct answer *answer)
{
	assert_int_equal(map_set(dp.flows, &answer->key, &answer->flow), 0);
}

bool answer_get(const struct flow_key *key, struct flow *out)
{
	return map_get(dp.flows, key, out) == 0;
}

__u64 answer_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

void epoch_set(int ifindex, __u32 epoch)
{
	const __u32 slot = ifindex % EPOCHS;

	assert_int_equal(map_set(dp.epochs, &slot, &epoch), 0);
}
