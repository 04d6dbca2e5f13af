/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_TESTS_ANSWER_H
#define CTNAT_TESTS_ANSWER_H

/*
 * Answers of map `flows`, made by hand from two frames: as a packet arrives, and as it is to leave.
 * The differences of the checksums are computed from scratch, and not by the programs' own lines.
 */
#include "lib/datapath.h"

struct answer {
	struct flow flow;	/* but for version, until and met: 0 */
	__s32 left;		/* jiffies until its end */
	bool met_lately;	/* its flow met the stack within the last second; or ages ago */
	bool unfinished;	/* another CPU is writing it */
};

/* Plain UDP or TCP frames; ifindex of where they arrive and leave. MTU 1500, generation 0, good for
 * a second. */
struct answer answer_of(const struct frame *arrives, int in, const struct frame *leaves, int out,
			enum flow_way way);
/* The key of the frame as it arrives there. */
struct flow_key answer_key(const struct frame *arrives, int in);

/* The set that the key lies in. */
__u32 answer_set(const struct flow_key *key);

void answer_put(const struct answer *answer);
/* False: there is none. */
bool answer_get(const struct flow_key *key, struct answer *out);

/* Jiffies a second, and bpf_jiffies64(), lower half. */
__s32 answer_hz(void);
__u32 answer_now(void);

/* What BPF calls the epoch of a device. */
void epoch_set(int ifindex, __u32 epoch);

/* Packets of pods' flows are expected on no port; dp_reset() has them expected on all. */
void ports_forget(void);
/* ... on just these. */
void ports_are(const __u16 *ports, size_t n);

#endif
