/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_MAPS_H
#define CTNAT_MAPS_H

/*
 * All maps, typed, so that `bpftool map dump` prints names. What lies in them and who writes it:
 * abi.h and the table in README.md. User space pins them by name; the programs find them through
 * libbpf's reuse of pins.
 */
#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PODS_MAX);
	__type(key, struct addr);
	__type(value, struct pod);
} pods SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pod_bloom);
} pod_bloom SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ATTACHMENTS_MAX);
	__type(key, struct attachment_key);
	__type(value, struct attachment);
} attachments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CIDRS_MAX);
	__type(key, struct cidr_key);
	__type(value, struct cidr_class);
} masq_cidrs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cidr_bloom);
} cidr_bloom SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, UPLINKS_MAX);
	__type(key, __u32);
	__type(value, struct uplink);
} uplinks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

/* An array: links come and go, and nobody has to clean up behind them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BUDGETS);
	__type(key, __u32);
	__type(value, struct budget);
} budgets SEC(".maps");

/* Mmapable: then its values begin with a page, and a flow is two cache lines, not three. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FLOW_SETS);
	__type(key, __u32);
	__type(value, struct flow_set);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GUARDS);
	__type(key, __u32);
	__type(value, struct guard_watch);
} guards SEC(".maps");

/* Mmapable: the plugin adds to epochs with C11 atomics, or one of two DELs might be lost. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_index);
} flow_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, REASON_MAX);
	__type(key, __u32);
	__type(value, struct counter);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct verbs);
} verbs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, JOURNAL_SIZE);
	__type(key, __u32);
	__type(value, struct journal_entry);
} journal SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SYSCTLS_MAX);
	__type(key, struct sysctl_key);
	__type(value, struct sysctl_value);
} sysctls SEC(".maps");

static __always_inline struct config *get_config(void)
{
	return bpf_map_lookup_elem(&config, &(__u32){ 0 });
}

static __always_inline struct flow_index *get_index(void)
{
	return bpf_map_lookup_elem(&flow_index, &(__u32){ 0 });
}

static __always_inline __u32 epoch_in(const struct flow_index *index, __u32 ifindex)
{
	return READ_ONCE(index->epoch[ifindex % EPOCHS]);
}

static __always_inline __u32 epoch_of(__u32 ifindex)
{
	const struct flow_index *index = get_index();

	return index ? epoch_in(index, ifindex) : 0;
}

/* Where in a set of bits this one lies. Bounded for the verifier alone: before 6.13 or so it knows
 * nothing of a number whose bytes were swapped, or that a 32-bit "or" put together. */
static __always_inline __u64 word_of_bit(__u16 n)
{
	__u64 word = n / 64;

	barrier_var(word);
	return word & 0xffff / 64;
}

static __always_inline bool has_bit(const __u64 *bits, __u16 n)
{
	return bits[word_of_bit(n)] >> n % 64 & 1;
}

/* For good. One that is set is only read: other CPUs keep it in their caches. */
static __always_inline void set_bit(__u64 *bits, __u16 n)
{
	if (!has_bit(bits, n))
		__sync_fetch_and_or(&bits[word_of_bit(n)], 1ull << n % 64);
}

#endif
