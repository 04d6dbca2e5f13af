// SPDX-License-Identifier: Apache-2.0
/* ctnatctl: looks at a node's state, and takes it away. Two tables drive dispatch, checks and help:
 * what it can be told to do, and what it can be told besides. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cmd.h"

#define FAILED 1
#define USAGE  2

static const struct command {
	const char *name, *help;
	int (*run)(struct node *node, const struct options *options, struct out *out,
		   struct err *err);
	const char *args;	/* what stands behind it */
	int min_args, max_args;
	const char *options;	/* letters of the table below, beside o and h */
	int failed;		/* what it exits with if it could not do its work */
} commands[] = {
	{ "status", "datapath, attachments, uplinks, and whether the base state is whole",
	  cmd_status, "", 0, 0, "", FAILED },
	{ "pods", "every attachment, and what is wrong with it", cmd_pods, "", 0, 0, "", FAILED },
	{ "flows", "what conntrack knows of the pods' flows, and the way they take", cmd_flows, "",
	  0, 0, "pl", FAILED },
	{ "stats", "what the programs decided: every reason and its counters", cmd_stats, "", 0, 0,
	  "", FAILED },
	{ "routes", "routes that are ctnat's, and what for", cmd_routes, "", 0, 0, "", FAILED },
	{ "explain", "what would happen to this packet, and why: exits with 1 if it is dropped",
	  cmd_explain, "SRC DST PROTO [PORT]", 3, 4, "istF", USAGE },
	{ "log", "the last operations of the plugin with their errors", cmd_log, "", 0, 0, "",
	  FAILED },
	{ "gc", "remove what dead pods left behind", cmd_gc, "", 0, 0, "d", FAILED },
	{ "uninstall", "remove maps, programs and table", cmd_uninstall, "", 0, 0, "f", FAILED },
};

static const struct {
	const char *name, *value, *help;
	char letter;
} options_table[] = {
	{ "output", "text|json", "aligned text (the default), or JSON", 'o' },
	{ "help", NULL, "what stands here, and no more", 'h' },
	{ "pod", "POD", "of this pod: an address, a container or its first digits, namespace/name",
	  'p' },
	{ "limit", "N", "so many entries at most (default 100, at most 10000)", 'l' },
	{ "in", "POD|DEVICE", "who sends it: a pod, whatever SRC says, or an uplink", 'i' },
	{ "sport", "N", "source port (default: the last of portRange)", 's' },
	{ "ttl", "N", "TTL or hop limit (default 64)", 't' },
	{ "flags", "LIST", "TCP: of syn, ack, fin, rst, joined by commas (default syn)", 'F' },
	{ "dry-run", NULL, "say what would be removed, and remove nothing", 'd' },
	{ "force", NULL, "with live attachments, too", 'f' },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define N_OPTIONS    COUNT(options_table)

/* -o and -h are everybody's, and have short forms. */
static bool takes(const struct command *command, char letter)
{
	return letter == 'o' || letter == 'h' || (command && strchr(command->options, letter));
}

static void print_option(FILE *to, size_t i)
{
	char left[40], brief[5] = "    ";

	if (takes(NULL, options_table[i].letter))
		snprintf(brief, sizeof(brief), "-%c, ", options_table[i].letter);
	snprintf(left, sizeof(left), "%s--%s %s", brief, options_table[i].name,
		 options_table[i].value ? options_table[i].value : "");
	fprintf(to, "  %-26s  %s\n", left, options_table[i].help);
}

static void help(FILE *to, const struct command *command)
{
	if (command) {
		fprintf(to, "usage: ctnatctl %s %s%s[OPTION...]\n\n%s\n\n", command->name,
			command->args, command->args[0] ? " " : "", command->help);
	} else {
		fprintf(to, "usage: ctnatctl COMMAND [OPTION...]\n\n");
		for (size_t i = 0; i < COUNT(commands); i++)
			fprintf(to, "  %-10s  %s\n", commands[i].name, commands[i].help);
		fputc('\n', to);
	}
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (takes(command, options_table[i].letter))
			print_option(to, i);
	if (!command)
		fprintf(to, "\nctnatctl COMMAND --help says what else a command takes. Run it in "
			    "the node's network and\nmount namespaces.\n");
}

static int run(const struct command *command, const struct options *options)
{
	struct node node = NODE_CLOSED;
	struct out *out = out_new();
	struct err err = { .code = 0 };
	int ret = out ? node_open(&node, &err) : err_set(&err, -ENOMEM, "begin");

	if (!ret)
		ret = node_refuse_newer(&node, &err);
	if (!ret)
		ret = command->run(&node, options, out, &err);
	if (ret < 0)
		fprintf(stderr, "ctnatctl %s: %s\n", command->name, err.msg);
	else
		out_print(out, options->json);
	node_close(&node);
	out_free(out);
	return ret < 0 ? command->failed : ret;
}

/* -1: it is none, or not between the two. */
static long number(const char *text, long least, long most)
{
	char *end;
	long value = strtol(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && value >= least && value <= most ? value :
											   -1;
}

/* False: the value makes no sense. */
static bool take_option(struct options *options, char letter, const char *value)
{
	long n = 0;

	switch (letter) {
	case 'o':
		options->json = !strcmp(value, "json");
		return options->json || !strcmp(value, "text");
	case 'p':
		options->pod = value;
		return true;
	case 'l':
		n = number(value, 1, 10000);
		options->limit = (unsigned int)n;
		return n > 0;
	case 'i':
		options->in = value;
		return *value;
	case 's':
		n = number(value, 0, 65535);
		options->sport = (int)n;
		return n >= 0;
	case 't':
		n = number(value, 1, 255);
		options->ttl = (unsigned int)n;
		return n > 0;
	case 'F':
		options->flags = value;
		return true;
	case 'd':
		options->dry_run = true;
		return true;
	default:
		options->force = true;
		return true;
	}
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COUNT(commands); i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	return NULL;
}

/* The command: the first word that is no option. Options may stand before it. */
static int parse(int argc, char **argv, const struct command **command, struct options *options)
{
	struct option longopts[N_OPTIONS + 1] = { { NULL, 0, NULL, 0 } };
	char given[N_OPTIONS + 1] = "", values[2] = "";
	int opt, index;

	for (size_t i = 0; i < N_OPTIONS; i++)
		longopts[i] = (struct option){ options_table[i].name,
					       options_table[i].value ? required_argument :
									no_argument,
					       NULL, options_table[i].letter };
	while ((opt = getopt_long(argc, argv, "o:h", longopts, &index)) >= 0) {
		values[0] = (char)opt;
		if (opt == '?')
			return USAGE;
		if (opt != 'h' && !take_option(options, (char)opt, optarg)) {
			fprintf(stderr, "ctnatctl: '%s' is no value for that option: see --help\n",
				optarg);
			return USAGE;
		}
		if (!strchr(given, opt))
			strcat(given, values);
	}
	*command = optind < argc ? find_command(argv[optind]) : NULL;
	if (strchr(given, 'h')) {
		help(stdout, *command);
		return -1;
	}
	if (!*command) {
		help(stderr, NULL);
		return USAGE;
	}
	options->n_args = argc - optind - 1;
	options->args = argv + optind + 1;
	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (!strchr(given, options_table[i].letter) ||
		    takes(*command, options_table[i].letter))
			continue;
		fprintf(stderr, "ctnatctl %s: takes no --%s: see ctnatctl %s --help\n",
			(*command)->name, options_table[i].name, (*command)->name);
		return USAGE;
	}
	if (options->n_args < (*command)->min_args || options->n_args > (*command)->max_args) {
		help(stderr, *command);
		return USAGE;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = { .limit = 100, .sport = -1, .ttl = 64 };
	const struct command *command = NULL;
	int ret = parse(argc, argv, &command, &options);

	if (ret)
		return ret < 0 ? 0 : ret;
	return run(command, &options);
}
