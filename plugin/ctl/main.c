// SPDX-License-Identifier: Apache-2.0
/* ctnatctl: looks at a node's state, and takes it away. One table drives dispatch and help. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ctl/cmd.h"

static const struct {
	const char *name, *help;
	int (*run)(struct node *node, const struct options *options, struct out *out,
		   struct err *err);
} commands[] = {
	{ "status", "datapath, attachments, uplinks, and whether the base state is whole",
	  cmd_status },
	{ "stats", "what the programs decided: every reason and its counters", cmd_stats },
	{ "log", "the last operations of the plugin with their errors", cmd_log },
	{ "uninstall", "remove maps, programs and table; --force: with live attachments too",
	  cmd_uninstall },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *to)
{
	fprintf(to, "usage: ctnatctl COMMAND [-o text|json] [--force]\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-10s  %s\n", commands[i].name, commands[i].help);
	fprintf(to, "\nRun it in the node's network and mount namespaces.\n");
}

static int run(size_t command, const struct options *options)
{
	struct node node = NODE_CLOSED;
	struct out *out = out_new();
	struct err err = { .code = 0 };
	int ret = out ? node_open(&node, &err) : err_set(&err, -ENOMEM, "begin");

	if (!ret)
		ret = node_refuse_newer(&node, &err);
	if (!ret)
		ret = commands[command].run(&node, options, out, &err);
	if (ret < 0)
		fprintf(stderr, "ctnatctl %s: %s\n", commands[command].name, err.msg);
	else
		out_print(out, options->json);
	node_close(&node);
	out_free(out);
	return ret < 0;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "force", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { false, false };
	int opt;

	while ((opt = getopt_long(argc, argv, "o:h", longopts, NULL)) >= 0) {
		switch (opt) {
		case 'o':
			if (strcmp(optarg, "json") && strcmp(optarg, "text")) {
				fprintf(stderr, "ctnatctl: -o '%s': text or json\n", optarg);
				return 2;
			}
			options.json = !strcmp(optarg, "json");
			break;
		case 'f':
			options.force = true;
			break;
		case 'h':
			help(stdout);
			return 0;
		default:
			return 2;
		}
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (optind + 1 == argc && !strcmp(argv[optind], commands[i].name))
			return run(i, &options);
	help(stderr);
	return 2;
}
