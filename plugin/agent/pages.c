// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "agent/metrics.h"
#include "agent/pages.h"

static void serve_health(void *data, struct serve_page *page)
{
	(void)data;
	page->text = strdup("ok\n");
	page->len = page->text ? strlen(page->text) : 0;
}

/* What is not as it should be, and has not failed, waits for something. */
static const char *how(bool stands, const struct log_state *log, const char *waits)
{
	return stands ? "ok" : log->last[0] ? log->last : waits;
}

static void serve_ready(void *data, struct serve_page *page)
{
	const struct pages *pages = data;
	const struct settle *s = pages->settle;
	static const char api[] = "the API server has not said enough yet";
	bool ready = settle_ready(s);
	int len;

	(void)data;
	page->status = ready ? 200 : 503;
	len = asprintf(&page->text,
		       "plugin: %s\nroutes: %s\nbase state: %s\nnetwork configuration: %s\n",
		       how(s->plugin_stands, &s->plugin_log, "not yet"),
		       how(s->routes_stand, &s->routes_log, api),
		       how(s->base_stands, &s->base_log, api),
		       how(s->conflist_stands, &s->conflist_log, "waits for the rest"));
	page->len = len < 0 ? 0 : len;
	if (len < 0)
		page->text = NULL;
}

static struct metrics_watch watch_of(const struct kube *kube, enum kind kind)
{
	static const char *const resources[] = {
		[KIND_NODE] = "nodes",
		[KIND_SERVICE] = "services",
		[KIND_SERVICE_CIDR] = "servicecidrs",
	};
	struct kube_state state;

	kube_state(kube, kind, &state);
	return (struct metrics_watch){
		.resource = resources[kind],
		.synced = state.synced,
		.connected = state.watching,
		.lists = state.lists,
		.errors = state.errors,
		.last_event = state.last_event * 1000000000ULL,
	};
}

static void serve_metrics(void *data, struct serve_page *page)
{
	const struct pages *pages = data;
	const struct peer *self = cluster_self(pages->cluster);
	struct metrics_watch watches[KINDS];
	struct node node = NODE_CLOSED;
	struct metrics_input in = {
		.version = pages->version,
		.ranges = self ? self->pod_cidrs : NULL,
		.n_ranges = self ? self->n_pod_cidrs : 0,
		.watches = watches,
		.n_watches = KINDS,
		.direct_routes = pages->settle->routes.direct,
		.vxlan_routes = pages->settle->routes.vxlan,
		.base_whole = pages->settle->base_stands,
		.base_repairs = pages->settle->repairs,
		.config_generation = *pages->config_generation,
		.config_good = *pages->config_good,
	};
	struct err err;

	for (enum kind kind = 0; kind < KINDS; kind++)
		watches[kind] = watch_of(pages->kube, kind);
	if (!node_open(&node, NULL))
		in.node = &node;
	page->type = METRICS_TYPE;
	if (metrics_render(&in, &page->text, &page->len, &err) < 0)
		page->text = NULL;
	node_close(&node);
}

struct serve *pages_open(struct pages *pages, struct loop *loop, struct err *err)
{
	pages->paths[0] = (struct serve_path){ "/healthz", serve_health, pages };
	pages->paths[1] = (struct serve_path){ "/readyz", serve_ready, pages };
	pages->paths[2] = (struct serve_path){ "/metrics", serve_metrics, pages };
	return serve_open(loop, pages->paths, 3, err);
}
