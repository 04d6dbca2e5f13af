// SPDX-License-Identifier: Apache-2.0
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/journal.h"
#include "kern/maps.h"
#include "kern/netns.h"

static __u64 clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

__u64 clock_realtime(void)
{
	return clock_ns(CLOCK_REALTIME);
}

__u64 clock_monotonic(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static const char *const verb_names[] = {
	[VERB_ADD] = "ADD", [VERB_DEL] = "DEL",	      [VERB_CHECK] = "CHECK",
	[VERB_GC] = "GC",   [VERB_STATUS] = "STATUS", [VERB_VERSION] = "VERSION",
};

const char *verb_name(enum verb verb)
{
	return verb <= VERB_VERSION ? verb_names[verb] : "?";
}

static const unsigned int codes[] = OUTCOME_CODES;

#define CODES (sizeof(codes) / sizeof(codes[0]))
_Static_assert(CODES == OUTCOMES - 1, "the last place is for other codes");

unsigned int outcome_of(unsigned int code)
{
	unsigned int outcome = 0;

	while (outcome < CODES && codes[outcome] != code)
		outcome++;
	return outcome;
}

const char *outcome_name(unsigned int outcome)
{
	static char names[CODES][12];

	if (outcome >= CODES)
		return "other";
	snprintf(names[outcome], sizeof(names[0]), "%u", codes[outcome]);
	return names[outcome];
}

static bool is_this_node(const struct maps *maps)
{
	static const __u32 key;
	unsigned long long cookie;
	struct config config;

	return !map_get(maps->fd[MAP_CONFIG], &key, &config) && config.created &&
	       !netns_cookie(&cookie, NULL) && cookie == config.netns_cookie;
}

void journal_write(const struct request *req, const struct network *net, const struct err *err,
		   __u64 started)
{
	struct journal_entry entry = {
		.time = clock_realtime(),
		.verb = req->verb,
		.code = err ? err->code : 0,
		.duration_us = (clock_monotonic() - started) / 1000,
		.key = req->key,
	};
	struct maps maps = MAPS_CLOSED;
	struct verbs *verbs;
	__u32 slot;

	if (maps_open(&maps, NULL) < 0)
		return;
	verbs = is_this_node(&maps) ? verbs_map(maps.fd[MAP_VERBS]) : NULL;
	if (verbs) {
		snprintf(entry.network, sizeof(entry.network), "%s", net->name);
		snprintf(entry.pod, sizeof(entry.pod), "%s", req->pod_name);
		if (err)
			snprintf(entry.message, sizeof(entry.message), "%.*s",
				 (int)sizeof(entry.message) - 1, err->msg);
		atomic_fetch_add((_Atomic __u64 *)&verbs->ended[req->verb][outcome_of(entry.code)],
				 1);
		entry.sequence = atomic_fetch_add((_Atomic __u64 *)&verbs->journal_head, 1);
		slot = entry.sequence % JOURNAL_SIZE;
		map_set(maps.fd[MAP_JOURNAL], &slot, &entry);
	}
	maps_close(&maps);
}
