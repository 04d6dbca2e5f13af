// SPDX-License-Identifier: Apache-2.0
#include "lib/asked.h"

struct frame udp4(void)
{
	return frame_udp(POD_A4, 4000, WORLD4, 53);
}

struct frame tcp4(void)
{
	return frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_ACK);
}

void set_sysctl(const char *name, int value)
{
	run("echo %d >/proc/sys/net/netfilter/nf_conntrack_%s", value, name);
}

int asked_reset(void **state)
{
	set_sysctl("tcp_be_liberal", 1);
	set_sysctl("tcp_timeout_established", 1000);
	set_sysctl("udp_timeout_stream", 120);
	return dp_reset(state);
}

/* The frame arrives on a device, is left as it is, and its answer is "stack" for a second (or there
 * is none). */
static void arrives(int prog, int in, struct frame f, enum reason reason, bool noted)
{
	const struct flow_key key = answer_key(&f, in);
	struct answer answer;
	struct ran ran;

	dp_run(prog, (struct __sk_buff){ .ifindex = in }, 0, &f, &ran);
	dp_ran(&ran, reason, REASON_MAX);
	assert_memory_equal(ran.frame.data, f.data, f.len);
	assert_int_equal(answer_get(&key, &answer), noted);
	if (!noted)
		return;
	assert_int_equal(answer.flow.way, WAY_STACK);
	assert_in_range(answer.left, 1, answer_hz());
}

void pod_sends(struct frame f, enum reason reason, bool noted)
{
	arrives(dp.from_pod, dp.host0, f, reason, noted);
}

void world_sends(struct frame f, enum reason reason, bool noted)
{
	arrives(dp.from_uplink, dp.eth0, f, reason, noted);
}

void may(struct frame f)
{
	pod_sends(f, REASON_PASS_ASKED, true);
}

void may_not(struct frame f)
{
	pod_sends(f, REASON_PASS_ESTABLISHED, true);
}
