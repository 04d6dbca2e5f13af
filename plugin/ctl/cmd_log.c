// SPDX-License-Identifier: Apache-2.0
#include <time.h>

#include "core/inspect.h"
#include "ctl/cmd.h"

static void put_time(struct out *out, __u64 ns)
{
	time_t seconds = ns / 1000000000;
	char text[32];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
	out_text(out, "time", "%s.%03uZ", text, (unsigned int)(ns / 1000000 % 1000));
}

int cmd_log(struct node *node, const struct options *options, struct out *out, struct err *err)
{
	static struct journal_entry entries[JOURNAL_SIZE];
	int n = node_has_state(node) ? inspect_journal(node, entries, err) : 0;

	if (n < 0)
		return n;
	out_list(out, "log");
	for (int i = 0; i < n; i++) {
		const struct journal_entry *e = &entries[i];

		out_object(out, NULL);
		put_time(out, e->time);
		out_text(out, "verb", "%s", verb_name(e->verb));
		out_number(out, "code", e->code);
		out_number(out, "us", e->duration_us);
		/* 12 digits tell containers apart for people; programs get them whole */
		out_text(out, "container", "%.*s", options->json ? CONTAINER_ID_MAX : 12,
			 e->key.container_id);
		out_text(out, "ifname", "%s", e->key.ifname);
		out_text(out, "network", "%s", e->network);
		out_text(out, "pod", "%s", e->pod);
		out_text(out, "message", "%s", e->code ? e->message : "ok");
		out_close(out);
	}
	out_close(out);
	return 0;
}
