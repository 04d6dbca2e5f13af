// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: where a flow lies follows from a hash with the secret of those programs that are loaded,
 * so it is read from their constants. The map is mapped, not copied (34 MB), and read as the
 * programs read it: the version before and after; an answer that is being written is none.
 * What is over, or was voided, still lies there until its place is needed: said as it is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "kern/bpfconst.h"
#include "kern/bpfobj.h"
#include "kern/flowcache.h"

#define SETS_SIZE (FLOW_SETS * sizeof(struct flow_set))

/* Another CPU writes an answer for less than a microsecond. */
#define READ_TRIES 100

static int read_constants(struct flowcache *cache, struct err *err)
{
	_cleanup_close_ int prog = bpfobj_open(TC_FROM_POD, err);
	struct bpfconst constants;
	int ret;

	if (prog < 0)
		return prog;
	ret = bpfconst_open(&constants, prog, err);
	if (ret < 0)
		return ret;
	ret = bpfconst_get(&constants, "flow_seed", cache->seed, sizeof(cache->seed));
	if (!ret)
		ret = bpfconst_get(&constants, "hz", &cache->hz, sizeof(cache->hz));
	bpfconst_close(&constants);
	return ret < 0 ? err_set(err, ret, "constants of the pinned programs") : 0;
}

static const void *map_whole(int fd, size_t size)
{
	const void *at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

int flowcache_open(struct flowcache *cache, const struct maps *maps, const struct config *config,
		   struct err *err)
{
	int ret;

	memset(cache, 0, sizeof(*cache));
	ret = read_constants(cache, err);
	if (ret < 0)
		return ret;
	cache->generation = config->generation;
	cache->sets = map_whole(maps->fd[MAP_FLOWS], SETS_SIZE);
	if (cache->sets)
		cache->index = map_whole(maps->fd[MAP_FLOW_INDEX], sizeof(*cache->index));
	if (cache->index)
		return 0;
	ret = err_set(err, -errno, "look into map 'flows'");
	flowcache_close(cache);
	return ret;
}

void flowcache_close(struct flowcache *cache)
{
	if (cache->sets)
		munmap((void *)cache->sets, SETS_SIZE);
	if (cache->index)
		munmap((void *)cache->index, sizeof(*cache->index));
	memset(cache, 0, sizeof(*cache));
}

/* As in bpf/places.h. */
static __u64 hash_pair(const struct flowcache *cache, const struct flow_key *key, int a, int b)
{
	const __u32 *word = (const void *)key;

	return (__u64)(word[a] + cache->seed[a]) * (word[b] + cache->seed[b]);
}

static __u32 set_of(const struct flowcache *cache, const struct flow_key *key)
{
	__u64 hash = hash_pair(cache, key, 8, 9);

	_Static_assert(FLOW_SETS == 1 << 15, "the index has 15 bits");
	if (key->arrival & ARRIVAL_V4)
		hash += hash_pair(cache, key, 3, 7);
	else
		for (int i = 0; i < 8; i += 2)
			hash += hash_pair(cache, key, i, i + 1);
	return ((hash ^ hash >> 32) * 0x9e3779b97f4a7c15) >> 49;
}

/* A whole answer, or false. */
static bool read_place(const struct flow *place, struct flow *out)
{
	const volatile __u32 *version = &place->version;

	for (int i = 0; i < READ_TRIES; i++) {
		__u32 before = *version;

		__sync_synchronize();
		memcpy(out, place, sizeof(*out));
		__sync_synchronize();
		if (!(before & 1) && *version == before)
			return true;
	}
	return false;
}

static __u32 epoch_of(const struct flowcache *cache, __u32 ifindex)
{
	return cache->index->epoch[ifindex % EPOCHS];
}

static bool is_current(const struct flowcache *cache, const struct flow *flow, __u32 in)
{
	__u32 generation = cache->generation + epoch_of(cache, in);

	return flow->generation ==
	       generation + (flow->ifindex ? epoch_of(cache, flow->ifindex) : 0);
}

bool flowcache_get(const struct flowcache *cache, const struct flow_query *query, __u32 now,
		   struct flow_answer *out)
{
	const struct flow_key key = {
		.src = query->src,
		.dst = query->dst,
		.sport = htons(query->sport),
		.dport = htons(query->dport),
		.arrival = query->ifindex << 8 | (addr_is_v4(&query->src) ? ARRIVAL_V4 : 0) |
			   query->proto,
	};
	const struct flow_set *set = &cache->sets[set_of(cache, &key)];
	struct flow_answer answer;

	for (int i = 0; i < FLOW_WAYS; i++) {
		if (memcmp(&set->flow[i].key, &key, sizeof(key)) ||
		    !read_place(&set->flow[i], &answer.flow) ||
		    memcmp(&answer.flow.key, &key, sizeof(key)))
			continue;
		answer.current = is_current(cache, &answer.flow, query->ifindex);
		answer.left_ms = (__s64)(__s32)(answer.flow.until - now) * 1000 / cache->hz;
		answer.age_ms = (__u64)(now - answer.flow.met) * 1000 / cache->hz;
		*out = answer;
		return true;
	}
	return false;
}

int flowcache_now(__u32 *now, struct err *err)
{
	static const struct bpf_insn clock[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_jiffies64 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	_cleanup_close_ int prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "ctnat_clock", "GPL",
						 clock, sizeof(clock) / sizeof(clock[0]), NULL);
	char frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame));

	if (prog < 0)
		return err_set(err, prog, "load a program that reads the clock");
	if (bpf_prog_test_run_opts(prog, &opts) < 0)
		return err_set(err, -errno, "read the clock of map 'flows'");
	*now = opts.retval;
	return 0;
}
