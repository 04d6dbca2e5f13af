// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/flowlist.h"
#include "core/packet.h"
#include "core/roster.h"
#include "ctl/cmd.h"
#include "ctl/show.h"

static void put_tuple(struct out *out, const char *key, const struct ct_tuple *tuple, bool ports)
{
	char src[END_STRLEN], dst[END_STRLEN];

	out_text(out, key, "%s > %s", show_end(&tuple->src, tuple->sport, ports, src),
		 show_end(&tuple->dst, tuple->dport, ports, dst));
}

static const char *way_name(enum flow_way way)
{
	return way == WAY_WIRE ? "wire" : way == WAY_PEER ? "pod" : "stack";
}

/* Void, or good for a second after conntrack was asked. */
static void put_side(struct out *out, const char *key, const struct flow_side *side, bool json)
{
	const struct flow_answer *answer = &side->answer;
	const char *way = way_name(answer->flow.way);
	__s64 age = 1000 - answer->left_ms;

	if (json) {
		out_object(out, key);
		out_text(out, "way", "%s", side->answered ? way : "none");
		if (side->answered) {
			out_number(out, "age_ms", age > 0 ? (__u64)age : 0);
			out_flag(out, "fresh", answer->left_ms > 0);
			out_flag(out, "void", !answer->current);
		}
		out_close(out);
	} else if (!side->answered) {
		out_text(out, key, "%s", "");
	} else {
		out_text(out, key, "%s, %.1f s%s", way, (double)(age > 0 ? age : 0) / 1000,
			 answer->current ? "" : ", void");
	}
}

static void put_flow(struct out *out, const struct flow_row *row, bool json)
{
	const struct ct_entry *e = &row->entry;
	bool ports = packet_has_ports(e->proto);
	char buf[8];

	out_object(out, NULL);
	out_text(out, "proto", "%s", show_proto(e->proto, buf));
	put_tuple(out, "original", &e->orig, ports);
	put_tuple(out, "reply", &e->reply, ports);
	out_text(out, "state", "%s", e->is_tcp ? ct_tcp_state(e->tcp_state) : "");
	out_number(out, "timeout", e->timeout);
	out_text(out, "status", "%s", show_status(e));
	put_side(out, "original_way", &row->orig, json);
	put_side(out, "reply_way", &row->reply, json);
	out_close(out);
}

/* All addresses of the pod that is meant, of whichever interface; or of that interface alone. */
static int find_addrs(struct node *node, const char *text, struct addr out[], size_t max, size_t *n,
		      struct err *err)
{
	_cleanup_free_ struct roster_entry *pods = NULL;
	const struct roster_entry *pod;
	size_t n_pods = 0;
	struct addr addr;
	int ret = roster_list(node, &pods, &n_pods, err);

	if (ret < 0)
		return ret;
	*n = 0;
	pod = roster_find(pods, n_pods, text, err);
	if (!pod)
		return -EINVAL;
	if (!addr_parse(text, &addr)) {
		out[(*n)++] = addr;
		return 0;
	}
	for (size_t i = 0; i < n_pods; i++)
		for (__u32 j = 0; j < pods[i].record.n_addrs && *n < max; j++)
			if (!strcmp(pods[i].key.container_id, pod->key.container_id))
				out[(*n)++] = pods[i].record.addrs[j];
	if (!*n)
		return err_cni(err, CNI_INVALID_ENV, "pod '%s' has no address", text);
	return 0;
}

int cmd_flows(struct node *node, const struct options *options, struct out *out, struct err *err)
{
	struct addr addrs[4 * POD_ADDRS_MAX];
	struct flow_list list = { .rows = NULL };
	size_t n = 0;
	int ret = 0;

	if (node_has_records(node) && options->pod)
		ret = find_addrs(node, options->pod, addrs, sizeof(addrs) / sizeof(addrs[0]), &n,
				 err);
	if (!ret && node_has_state(node))
		ret = flowlist_read(node, addrs, n, options->limit, &list, err);
	if (ret < 0)
		return ret;
	if (options->json)
		out_number(out, "more", list.more);
	else if (list.more)
		out_text(out, "more", "%lu entries are not shown: --limit, at most 10000",
			 list.more);
	out_list(out, "flows");
	for (size_t i = 0; i < list.n; i++)
		put_flow(out, &list.rows[i], options->json);
	out_close(out);
	free(list.rows);
	return 0;
}
