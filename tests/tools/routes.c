// SPDX-License-Identifier: Apache-2.0
/*
 * What ctnatd does for routes to other nodes, once, in the network namespace that this runs in:
 *
 *	routes apply MODE SELF FILE	MODE: auto, always, none. FILE: the nodes, one in a line: the
 *					name, then addresses and pod CIDRs, "cloud"; in any order
 *	routes remove
 *
 * Prints "direct N vxlan N refused N changes N overhead N", then why the first one is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/routes.h"

#define PEERS_MAX 64

static struct peer peers[PEERS_MAX];
static size_t n_peers;

static int take_word(struct peer *peer, const char *word)
{
	struct addr addr;

	if (!strcmp(word, "cloud")) {
		peer->cloud = true;
		return 0;
	}
	if (strchr(word, '/'))
		return peer->n_pod_cidrs == NODE_CIDRS_MAX ?
			       -1 : cidr_parse(word, &peer->pod_cidrs[peer->n_pod_cidrs++]);
	if (addr_parse(word, &addr) < 0)
		return -1;
	peer->addr[!addr_is_v4(&addr)] = addr;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct peer *)a)->name, ((const struct peer *)b)->name);
}

static int read_nodes(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[512], *rest, *word;

	if (!file)
		return -1;
	while (n_peers < PEERS_MAX && fgets(line, sizeof(line), file)) {
		struct peer *peer = &peers[n_peers];

		rest = line;
		line[strcspn(line, "\n")] = '\0';
		while ((word = strsep(&rest, " \t"))) {
			if (!*word)
				continue;
			if (!peer->name[0])
				snprintf(peer->name, sizeof(peer->name), "%s", word);
			else if (take_word(peer, word) < 0)
				return -1;
		}
		n_peers += peer->name[0] != '\0';
	}
	fclose(file);
	qsort(peers, n_peers, sizeof(peers[0]), by_name);
	return 0;
}

static int apply(struct nl *rt, const char *mode, const char *name, struct err *err)
{
	static const char *const modes[] = { "auto", "always", "none" };
	struct routes routes = { .direct = 0 };
	const struct peer *self = NULL;
	int overlay = 0, ret;

	while (overlay < OVERLAY_NONE && strcmp(mode, modes[overlay]))
		overlay++;
	for (size_t i = 0; i < n_peers; i++)
		if (!strcmp(peers[i].name, name))
			self = &peers[i];
	if (!self)
		return err_cni(err, CNI_INVALID_CONFIG, "there is no node '%s'", name);
	ret = routes_apply(&routes, rt, self, peers, n_peers, overlay, err);
	printf("direct %zu vxlan %zu refused %zu changes %u overhead %u\n", routes.direct,
	       routes.vxlan, routes.refusals.n, routes.changes, routes_overhead(&routes));
	if (routes.refusals.n)
		puts(routes.refusals.first);
	routes_free(&routes);
	return ret;
}

int main(int argc, char **argv)
{
	struct err err;
	struct nl rt;
	int ret;

	if (argc == 5 && !strcmp(argv[1], "apply")) {
		if (read_nodes(argv[4]) < 0) {
			fprintf(stderr, "routes: cannot read '%s'\n", argv[4]);
			return 1;
		}
	} else if (argc != 2 || strcmp(argv[1], "remove")) {
		fprintf(stderr, "routes: apply MODE SELF FILE | remove\n");
		return 2;
	}
	ret = nl_open(&rt, NETLINK_ROUTE, &err);
	if (!ret)
		ret = argc == 5 ? apply(&rt, argv[2], argv[3], &err) : routes_remove(&rt, &err);
	if (ret < 0)
		fprintf(stderr, "routes: %s\n", err.msg);
	nl_close(&rt);
	return ret < 0;
}
