// SPDX-License-Identifier: Apache-2.0
/* Theory in bpf/flow.h and bpf/rewrite.h, of which this is the plain reading. */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern/bpfobj.h"
#include "kern/maps.h"
#include "lib/answer.h"
#include "tests/lib/clock.skel.h"

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
	struct flow_key key = { 0 };

	if (ip[0] >> 4 == 4) {
		key.arrival = (__u32)in << 8 | ARRIVAL_V4 | ip[IP4_PROTO];
		key.src = mapped(ip + IP4_SRC);
		key.dst = mapped(ip + IP4_SRC + 4);
		memcpy(&key.sport, ip + IP4_LEN, 4);
	} else {
		key.arrival = (__u32)in << 8 | ip[IP6_NEXT];
		memcpy(&key.src, ip + IP6_SRC, sizeof(key.src));
		memcpy(&key.dst, ip + IP6_SRC + 16, sizeof(key.dst));
		memcpy(&key.sport, ip + IP6_LEN, 4);
	}
	return key;
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
	flow->segment_delta = gain(from, to, offsetof(struct flow_key, arrival));
}

struct answer answer_of(const struct frame *arrives, int in, const struct frame *leaves, int out,
			enum flow_way way)
{
	const struct flow_key to = answer_key(leaves, out);
	struct answer answer = {
		.flow = {
			.key = answer_key(arrives, in),
			.way = way,
			.ifindex = way == WAY_STACK ? 0 : out,
			.mtu = 1500,
			.src = to.src,
			.dst = to.dst,
			.sport = to.sport,
			.dport = to.dport,
		},
		.left = answer_hz(),
	};

	memcpy(answer.flow.dst_mac, leaves->data, MAC_LEN);
	memcpy(answer.flow.src_mac, leaves->data + MAC_LEN, MAC_LEN);
	set_gains(&answer.flow, &answer.flow.key, &to);
	return answer;
}

__u32 answer_now(void)
{
	static struct clock_bpf *clock;
	struct frame f = frame_udp(POD_A4, 1, POD_B4, 1);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.data, .data_size_in = f.len);

	if (!clock)
		clock = clock_bpf__open_and_load();
	assert_non_null(clock);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(clock->progs.read_clock), &opts), 0);
	return clock->bss->now;
}

__s32 answer_hz(void)
{
	static __s32 hz;

	if (!hz)
		hz = bpfobj_kernel_facts().hz;
	return hz;
}

/* As in bpf/places.h: the ports and where it arrives; of IPv4 the last words of the addresses, of IPv6
 * all. */
static __u64 hash_of(const struct flow_key *key)
{
	const __u32 *word = (const void *)key;
	const __u32 *seed = dp_flow_seed;
	__u64 hash = (__u64)(word[8] + seed[8]) * (word[9] + seed[9]);

	if (key->arrival & ARRIVAL_V4)
		hash += (__u64)(word[3] + seed[3]) * (word[7] + seed[7]);
	else
		for (int i = 0; i < 8; i += 2)
			hash += (__u64)(word[i] + seed[i]) * (word[i + 1] + seed[i + 1]);
	return (hash ^ hash >> 32) * 0x9e3779b97f4a7c15;
}

__u32 answer_set(const struct flow_key *key)
{
	return hash_of(key) >> (__builtin_clzll(FLOW_SETS) + 1);
}

static __u8 tag_of(const struct flow_key *key)
{
	return hash_of(key) >> 40 | 1;
}

struct home {
	__u32 index;
	struct flow_set set;
	union flow_tags tags;
};

static struct flow_index whole;

static void read_home(const struct flow_key *key, struct home *home)
{
	home->index = answer_set(key);
	assert_int_equal(map_get(dp.flows, &home->index, &home->set), 0);
	assert_int_equal(map_get(dp.flow_index, &(__u32){ 0 }, &whole), 0);
	home->tags = whole.tags[home->index];
}

/* Where the key lies. FLOW_WAYS: nowhere; then *free is a place for it. */
static int place_of(const struct home *home, const struct flow_key *key, int *free)
{
	for (int i = 0; i < FLOW_WAYS; i++) {
		if (home->tags.tag[i] == tag_of(key) && !memcmp(&home->set.flow[i].key, key, sizeof(*key)))
			return i;
		if (!home->tags.tag[i])
			*free = i;
	}
	return FLOW_WAYS;
}

void answer_put(const struct answer *answer)
{
	const struct flow_key *key = &answer->flow.key;
	struct home home;
	int free = -1, i;

	read_home(key, &home);
	i = place_of(&home, key, &free);
	if (i == FLOW_WAYS)
		i = free;
	assert_int_not_equal(i, -1);
	home.tags.tag[i] = tag_of(key);
	home.set.flow[i] = answer->flow;
	home.set.flow[i].version = 2 + answer->unfinished;
	home.set.flow[i].until = answer_now() + answer->left;
	home.set.flow[i].met = answer_now() - (answer->met_lately ? 0 : 3600 * answer_hz());
	assert_int_equal(map_set(dp.flows, &home.index, &home.set), 0);
	whole.tags[home.index] = home.tags;
	assert_int_equal(map_set(dp.flow_index, &(__u32){ 0 }, &whole), 0);
}

bool answer_get(const struct flow_key *key, struct answer *out)
{
	const struct flow *flow;
	struct home home;
	int free, i;

	read_home(key, &home);
	i = place_of(&home, key, &free);
	if (i == FLOW_WAYS)
		return false;
	flow = &home.set.flow[i];
	*out = (struct answer){
		.flow = *flow,
		.left = flow->until - answer_now(),
		.met_lately = answer_now() - flow->met < (__u32)answer_hz(),
		.unfinished = flow->version & 1,
	};
	out->flow.version = out->flow.until = out->flow.met = 0;
	return true;
}

void epoch_set(int ifindex, __u32 epoch)
{
	assert_int_equal(map_get(dp.flow_index, &(__u32){ 0 }, &whole), 0);
	whole.epoch[ifindex % EPOCHS] = epoch;
	assert_int_equal(map_set(dp.flow_index, &(__u32){ 0 }, &whole), 0);
}

/* ---- ports ------------------------------------------------------------------------------------------ */

void ports_forget(void)
{
	assert_int_equal(map_get(dp.flow_index, &(__u32){ 0 }, &whole), 0);
	memset(whole.ports, 0, sizeof(whole.ports));
	assert_int_equal(map_set(dp.flow_index, &(__u32){ 0 }, &whole), 0);
}

void ports_are(const __u16 *ports, size_t n)
{
	unsigned int set = 0;

	assert_int_equal(map_get(dp.flow_index, &(__u32){ 0 }, &whole), 0);
	for (size_t i = 0; i < sizeof(whole.ports) / sizeof(whole.ports[0]); i++)
		set += __builtin_popcountll(whole.ports[i]);
	assert_int_equal(set, n);
	for (size_t i = 0; i < n; i++) {
		__u16 bit = __builtin_bswap16(ports[i]);

		assert_true(whole.ports[bit / 64] >> bit % 64 & 1);
	}
}
