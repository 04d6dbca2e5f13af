// SPDX-License-Identifier: Apache-2.0
/*
 * The reflector by itself: prints what it makes of an API server (tests/cluster/apiserver.py).
 *
 *	reflect SERVER DIR NODE [WORD...]
 *
 * DIR has ca.crt and token. A line for each part of the model that has changed, as a whole:
 *
 *	nodes a=192.0.2.1,10.244.1.0/24 b=cloud,192.0.2.2
 *	services 10.96.0.0/12
 *	externals 203.0.113.7/32
 *
 * and "trouble ..." for each error. Words: own (not all nodes), counts (only how many, when, and
 * with what memory), silence=MS, retry=MS, absent=MS, connect=MS. Lines of stdin: all, own,
 * available, state, quit.
 */
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/kube.h"
#include "base/cleanup.h"

#define TEXT_MAX (1 << 20)

static struct loop loop;
static struct cluster cluster;
static struct kube kube;
static bool counts;
static unsigned int changes; /* calls of on_change() */
static __u64 begun;

struct text {
	char bytes[TEXT_MAX];
	size_t len;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *text, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	text->len += vsnprintf(text->bytes + text->len, sizeof(text->bytes) - text->len, fmt, args);
	va_end(args);
	if (text->len >= sizeof(text->bytes))
		errx(1, "a model too large to print");
}

static void add_peer(struct text *text, const struct peer *peer)
{
	char buf[ADDR_STRLEN];

	add(text, " %s=%s", peer->name, peer->cloud ? "cloud," : "");
	for (size_t i = 0; i < 2; i++)
		if (!addr_is_zero(&peer->addr[i]))
			add(text, "%s,", addr_format(&peer->addr[i], buf));
	for (size_t i = 0; i < peer->n_pod_cidrs; i++)
		add(text, "%s,", cidr_format(&peer->pod_cidrs[i], buf));
	if (text->bytes[text->len - 1] == ',')
		text->bytes[--text->len] = '\0';
}

static void add_nodes(struct text *text)
{
	const struct peer *peers;
	size_t n;

	if (cluster_peers(&cluster, &peers, &n, NULL))
		errx(1, "peers");
	for (size_t i = 0; i < n; i++)
		add_peer(text, &peers[i]);
}

static void add_cidrs(struct text *text,
		      int (*list)(const struct cluster *c, struct cidr **out, size_t *n, struct err *err))
{
	_cleanup_free_ struct cidr *cidrs = NULL;
	char buf[ADDR_STRLEN];
	size_t n;

	if (list(&cluster, &cidrs, &n, NULL))
		errx(1, "prefixes");
	for (size_t i = 0; i < n; i++)
		add(text, " %s", cidr_format(&cidrs[i], buf));
}

/* Prints it unless it is as it was. */
static void show(const struct text *text, char **last)
{
	if (*last && !strcmp(*last, text->bytes))
		return;
	free(*last);
	*last = strdup(text->bytes);
	puts(text->bytes);
}

static void show_model(void)
{
	static char *last[KINDS];
	static struct text text;

	text.len = 0;
	add(&text, "nodes");
	add_nodes(&text);
	if (cluster_knows(&cluster, KIND_NODE))
		show(&text, &last[0]);
	text.len = 0;
	add(&text, "services");
	add_cidrs(&text, cluster_service_cidrs);
	if (cluster_knows(&cluster, KIND_SERVICE) && cluster_knows(&cluster, KIND_SERVICE_CIDR))
		show(&text, &last[1]);
	text.len = 0;
	add(&text, "externals");
	add_cidrs(&text, cluster_externals);
	if (cluster_knows(&cluster, KIND_SERVICE))
		show(&text, &last[2]);
}

static void show_counts(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("counts nodes=%zu services=%zu generation=%llu known=%d ms=%llu cpu_ms=%lld kib=%ld\n",
	       cluster_count(&cluster, KIND_NODE), cluster_count(&cluster, KIND_SERVICE),
	       (unsigned long long)cluster.generation[KIND_NODE],
	       cluster_knows(&cluster, KIND_NODE) && cluster_knows(&cluster, KIND_SERVICE),
	       (unsigned long long)(loop_now_ms() - begun),
	       (long long)usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000 +
		       (long long)usage.ru_stime.tv_sec * 1000 + usage.ru_stime.tv_usec / 1000,
	       usage.ru_maxrss);
}

static void show_state(void)
{
	struct kube_state s;

	for (enum kind kind = KIND_NODE; kind < KINDS; kind++) {
		kube_state(&kube, kind, &s);
		printf("state %s synced=%d watching=%d absent=%d lists=%llu events=%llu errors=%llu bad=%llu\n",
		       kind_name(kind), s.synced, s.watching, s.absent, s.lists, s.events, s.errors,
		       s.bad);
	}
	printf("changes %u\n", changes);
	printf("available %d\n", kube.available);
}

static void on_change(void *data)
{
	(void)data;
	changes++;
	if (counts)
		show_counts();
	else
		show_model();
}

static void on_trouble(void *data, enum kind kind, const struct err *err)
{
	(void)data;
	printf("trouble %s: %s\n", kind_name(kind), err->msg);
}

static void on_stdin(struct loop_source *source, uint32_t events)
{
	char line[64];
	ssize_t n = read(source->fd, line, sizeof(line) - 1);

	(void)events;
	if (n <= 0) {
		loop_unwatch(&loop, source);
		return;
	}
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (!strcmp(line, "all") || !strcmp(line, "own"))
		kube_nodes(&kube, line[0] == 'a');
	else if (!strcmp(line, "available"))
		kube_mark_available(&kube);
	else if (!strcmp(line, "state"))
		show_state();
	else if (!strcmp(line, "counts"))
		show_counts();
	else
		loop_stop(&loop);
}

static void read_word(struct kube_config *config, const char *word)
{
	static const char *const names[] = { "silence=", "retry=", "absent=", "connect=" };
	unsigned int *const values[] = { &config->silence_ms, &config->retry_ms, &config->absent_ms,
					 &config->connect_ms };

	if (!strcmp(word, "own"))
		config->all_nodes = false;
	else if (!strcmp(word, "counts"))
		counts = true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(word, names[i], strlen(names[i])))
			*values[i] = strtoul(word + strlen(names[i]), NULL, 10);
}

int main(int argc, char **argv)
{
	struct kube_config config = { .all_nodes = true, .changed = on_change, .trouble = on_trouble };
	struct loop_source in = { .fd = STDIN_FILENO, .fn = on_stdin };
	char ca[4096], token[4096];
	struct err err;

	if (argc < 4)
		errx(2, "usage: reflect SERVER DIR NODE [WORD...]");
	setlinebuf(stdout);
	begun = loop_now_ms();
	snprintf(ca, sizeof(ca), "%s/ca.crt", argv[2]);
	snprintf(token, sizeof(token), "%s/token", argv[2]);
	config.server = argv[1];
	config.ca_file = ca;
	config.token_file = token;
	config.node_name = argv[3];
	for (int i = 4; i < argc; i++)
		read_word(&config, argv[i]);
	if (loop_open(&loop, &err) || cluster_init(&cluster, argv[3], &err) ||
	    kube_start(&kube, &loop, &config, &cluster, &err) || loop_watch(&loop, &in, EPOLLIN, &err) ||
	    (puts("ready") == EOF) || loop_run(&loop, &err))
		errx(1, "%s", err.msg);
	kube_stop(&kube);
	cluster_free(&cluster);
	loop_close(&loop);
	return 0;
}
