// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/options.h"

static const char help[] =
	"usage: ctnatd [OPTION]...          keeps this node's base state, routes and plugin true\n"
	"       ctnatd mount-bpffs          mounts bpffs at /sys/fs/bpf if nobody did\n"
	"       ctnatd uninstall [--force]  takes everything off this node; --force: pods too\n"
	"       ctnatd --version | --help\n"
	"\n"
	"  --config FILE          /etc/ctnat/ctnatd.json\n"
	"  --conflist FILE        /etc/ctnat/10-ctnat.conflist, the network as it is installed\n"
	"  --plugin FILE          /usr/local/lib/ctnat/ctnat, the plugin as it is installed\n"
	"  --cni-bin DIR          /opt/cni/bin\n"
	"  --cni-conf DIR         /etc/cni/net.d\n"
	"  --service-account DIR  /var/run/secrets/kubernetes.io/serviceaccount: token, ca.crt\n"
	"  --proc-sys DIR         /proc/sys, or where a container has the node's\n"
	"  --node-name NAME       or NODE_NAME in the environment\n"
	"  --api-server URL       or KUBERNETES_SERVICE_HOST and _PORT in the environment\n";

const char *options_help(void)
{
	return help;
}

static int read_mode(int argc, char **argv, struct options *out, struct err *err)
{
	if (optind == argc)
		return 0;
	if (!strcmp(argv[optind], "mount-bpffs"))
		out->mode = MODE_MOUNT_BPFFS;
	else if (!strcmp(argv[optind], "uninstall"))
		out->mode = MODE_UNINSTALL;
	else
		return err_cni(err, CNI_INVALID_ENV, "'%s': there is no such command (--help)",
			       argv[optind]);
	if (optind + 1 < argc)
		return err_cni(err, CNI_INVALID_ENV, "'%s': one too many (--help)",
			       argv[optind + 1]);
	return 0;
}

static int find_server(struct options *out, const char *given, struct err *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"),
		   *port = getenv("KUBERNETES_SERVICE_PORT");
	bool v6 = host && strchr(host, ':');

	if (given) {
		if (strncmp(given, "https://", 8) || strlen(given) >= sizeof(out->server))
			return err_cni(err, CNI_INVALID_ENV, "--api-server '%s': not an https URL",
				       given);
		snprintf(out->server, sizeof(out->server), "%s", given);
		return 0;
	}
	if (!host || !*host)
		return err_cni(err, CNI_INVALID_ENV,
			       "KUBERNETES_SERVICE_HOST is not set: run ctnatd in a pod, or give "
			       "--api-server");
	if (snprintf(out->server, sizeof(out->server), "https://%s%s%s:%s", v6 ? "[" : "", host,
		     v6 ? "]" : "", port && *port ? port : "443") >= (int)sizeof(out->server))
		return err_cni(err, CNI_INVALID_ENV, "KUBERNETES_SERVICE_HOST: too long");
	return 0;
}

/* What only a ctnatd that runs wants. */
static int complete(struct options *out, const char *server, struct err *err)
{
	if (!out->node_name || !*out->node_name)
		return err_cni(err, CNI_INVALID_ENV,
			       "NODE_NAME is not set: ctnatd must know its node's name in the "
			       "cluster (or --node-name)");
	snprintf(out->token, sizeof(out->token), "%s/token", out->service_account);
	snprintf(out->ca, sizeof(out->ca), "%s/ca.crt", out->service_account);
	return find_server(out, server, err);
}

int options_read(int argc, char **argv, struct options *out, struct err *err)
{
	enum { SILENCE = 256 };
	static const struct option longopts[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "conflist", required_argument, NULL, 'l' },
		{ "plugin", required_argument, NULL, 'p' },
		{ "cni-bin", required_argument, NULL, 'b' },
		{ "cni-conf", required_argument, NULL, 'd' },
		{ "service-account", required_argument, NULL, 'a' },
		{ "proc-sys", required_argument, NULL, 'y' },
		{ "node-name", required_argument, NULL, 'n' },
		{ "api-server", required_argument, NULL, 's' },
		{ "silence-ms", required_argument, NULL, SILENCE }, /* tests */
		{ "force", no_argument, NULL, 'f' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *server = NULL;
	int opt, ret;

	*out = (struct options){
		.config = "/etc/ctnat/ctnatd.json",
		.conflist = "/etc/ctnat/10-ctnat.conflist",
		.plugin = "/usr/local/lib/ctnat/ctnat",
		.cni_bin = "/opt/cni/bin",
		.cni_conf = "/etc/cni/net.d",
		.service_account = "/var/run/secrets/kubernetes.io/serviceaccount",
		.proc_sys = "/proc/sys",
		.node_name = getenv("NODE_NAME"),
	};
	const char **texts[] = {
		['c'] = &out->config,	['l'] = &out->conflist,	 ['p'] = &out->plugin,
		['b'] = &out->cni_bin,	['d'] = &out->cni_conf,	 ['a'] = &out->service_account,
		['y'] = &out->proc_sys, ['n'] = &out->node_name, ['s'] = &server,
	};

	while ((opt = getopt_long(argc, argv, "Vh", longopts, NULL)) >= 0) {
		if (opt == 'V' || opt == 'h') {
			out->mode = opt == 'V' ? MODE_VERSION : MODE_HELP;
			return 0;
		}
		if (opt == SILENCE)
			out->silence_ms = strtoul(optarg, NULL, 10);
		else if (opt == 'f')
			out->force = 1;
		else if (opt != '?')
			*texts[opt] = optarg;
		else /* getopt has said what */
			return err_cni(err, CNI_INVALID_ENV, "see --help");
	}
	ret = read_mode(argc, argv, out, err);
	return ret || out->mode != MODE_RUN ? ret : complete(out, server, err);
}
