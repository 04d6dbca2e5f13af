// SPDX-License-Identifier: Apache-2.0
/*
 *	serve ADDRESS [RANGE...]
 *
 * Stands in for ctnatd: opens the state of the node it is in and serves /metrics, with these pod
 * ranges, and pages that tests ask for. Prints "ready". An address that comes on stdin is the next
 * one to listen at: prints "ok", or why not. "quit" ends it.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent/metrics.h"
#include "agent/serve.h"

#define LARGE (4 << 20)

static struct node node = NODE_CLOSED;
static struct loop loop;
static struct serve *server;

static const struct metrics_watch watches[] = {
	{ "nodes", true, true, 1, 0, 1763730000123456789 },
	{ "ser\"vi\\ces\n", false, false, 7, 6, 0 },
};

static void metrics(void *data, struct serve_page *page)
{
	struct err err = { 0 };

	page->type = METRICS_TYPE;
	if (metrics_render(data, &page->text, &page->len, &err) == 0)
		return;
	page->status = 500;
	page->type = "text/plain";
	page->text = strdup(err.msg);
	page->len = strlen(err.msg);
}

static void large(void *data, struct serve_page *page)
{
	(void)data;
	page->text = calloc(1, LARGE);
	page->len = LARGE;
}

static void unready(void *data, struct serve_page *page)
{
	(void)data;
	page->status = 503;
	page->text = strdup("no podCIDR yet\n");
	page->len = strlen(page->text);
}

static void nothing(void *data, struct serve_page *page)
{
	(void)data;
	(void)page;
}

static void read_address(struct loop_source *source, uint32_t events)
{
	char line[256];
	struct err err = { 0 };
	ssize_t n = read(source->fd, line, sizeof(line) - 1);

	(void)events;
	if (n <= 0) {
		loop_unwatch(&loop, source);
		return;
	}
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (!strcmp(line, "quit")) {
		loop_stop(&loop);
		return;
	}
	puts(serve_listen(server, line, &err) == 0 ? "ok" : err.msg);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct cidr ranges[8];
	struct metrics_input in = {
		.version = "test", .node = &node, .ranges = ranges,
		.watches = watches, .n_watches = 2,
		.direct_routes = 3, .vxlan_routes = 1, .base_whole = true, .base_repairs = 5,
		.config_generation = 2, .config_good = true,
	};
	const struct serve_path paths[] = {
		{ "/metrics", metrics, &in }, { "/large", large, NULL },
		{ "/readyz", unready, NULL }, { "/nothing", nothing, NULL },
	};
	struct loop_source stdin_source = { .fd = STDIN_FILENO, .fn = read_address };
	struct err err = { 0 };

	for (; in.n_ranges + 2 < (size_t)argc; in.n_ranges++)
		if (cidr_parse(argv[in.n_ranges + 2], &ranges[in.n_ranges]))
			errx(1, "%s: no range", argv[in.n_ranges + 2]);
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2 || node_open(&node, &err) < 0 || loop_open(&loop, &err) < 0 ||
	    !(server = serve_open(&loop, paths, sizeof(paths) / sizeof(paths[0]), &err)) ||
	    serve_listen(server, argv[1], &err) < 0)
		errx(1, "%s", err.msg);
	if (loop_watch(&loop, &stdin_source, EPOLLIN, NULL))
		loop_unwatch(&loop, &stdin_source); /* /dev/null cannot be watched */
	puts("ready");
	fflush(stdout);
	if (loop_run(&loop, &err) < 0)
		errx(1, "%s", err.msg);
	serve_close(server);
	loop_close(&loop);
	node_close(&node);
	return 0;
}
