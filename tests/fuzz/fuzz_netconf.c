// SPDX-License-Identifier: Apache-2.0
/*
 * All that comes from a runtime: the first line is CNI_ARGS, the rest is stdin. Every verb reads
 * it, and what ADD would answer is written. Sanitizers look at how; here it is asserted that an
 * error says what is wrong, and that what was taken makes sense.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cni/attachments.h"
#include "cni/env.h"
#include "cni/netconf.h"
#include "cni/prevresult.h"
#include "cni/result.h"

#define MUST(condition)                                                         \
	do {                                                                    \
		if (!(condition)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
			abort();                                                \
		}                                                               \
	} while (0)

static struct network net;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int null = open("/dev/null", O_WRONLY);

	(void)argc;
	(void)argv;
	dup2(null, STDOUT_FILENO);
	close(null);
	setenv("CNI_CONTAINERID", "ctr-a", 1);
	setenv("CNI_IFNAME", "eth0", 1);
	unsetenv("CNI_NETNS");	/* is read last, after CNI_ARGS */
	return 0;
}

static void must_tell(int ret, const struct err *err)
{
	MUST((ret != 0) == (err->code != 0));
	MUST((ret != 0) == (err->msg[0] != '\0'));
	MUST(ret <= 0);
	if (ret)
		result_error("1.1.0", err);
}

static bool is_in_ranges(const struct addr *addr)
{
	for (size_t i = 0; i < net.n_sets; i++)
		for (size_t j = 0; j < net.sets[i].n; j++)
			if (addr_compare(&net.sets[i].ranges[j].first, addr) <= 0 &&
			    addr_compare(addr, &net.sets[i].ranges[j].last) <= 0)
				return true;
	return false;
}

static void must_make_sense(void)
{
	MUST(net.name[0] && net.cni_version[0]);
	MUST(net.node.port_min && net.node.port_min <= net.node.port_max);
	MUST(net.n_sets <= CONF_SETS_MAX && net.n_ips <= POD_ADDRS_MAX && net.n_routes <= CONF_ROUTES_MAX);
	for (size_t i = 0; i < net.n_sets; i++) {
		MUST(net.sets[i].n && net.sets[i].n <= CONF_RANGES_MAX);
		for (size_t j = 0; j < net.sets[i].n; j++) {
			const struct ip_range *range = &net.sets[i].ranges[j];

			MUST(addr_compare(&range->first, &range->last) <= 0);
			MUST(cidr_contains(&range->subnet, &range->first));
			MUST(cidr_contains(&range->subnet, &range->last));
		}
	}
	for (size_t i = 0; i < net.n_ips && !strcmp(net.ipam_type, "ctnat"); i++)
		MUST(is_in_ranges(&net.ips[i]));
}

static void add(struct request *req)
{
	struct attachment_result result = { .host.name = "ctn0", .pod.name = "eth0", .n_addrs = 1 };
	struct err err = { 0 };
	int ret;

	result.dns = net.dns;
	memcpy(result.routes, net.routes, sizeof(result.routes));
	result.n_routes = net.n_routes;
	ret = prevresult_read(req, &err);
	must_tell(ret, &err);
	if (ret)
		return;
	ret = result_add(req, &net, &result, &err);
	must_tell(ret, &err);
	MUST(!ret);
}

static void ask(enum verb verb, const char *config, size_t len)
{
	struct request req = { .verb = verb, .config = config };
	struct attachment_key *valid = NULL;
	struct cni_args args = { 0 };
	struct err err = { 0 };
	size_t n;
	int ret;

	env_read(&req, &args, &err);
	memset(&err, 0, sizeof(err));
	ret = netconf_parse(config, len, verb, &args, &net, &err);
	must_tell(ret, &err);
	if (ret)
		return;
	if (verb != VERB_DEL && verb != VERB_GC)
		must_make_sense();
	if (verb == VERB_ADD)
		add(&req);
	if (verb == VERB_CHECK)
		must_tell(prevresult_read(&req, &err), &err);
	if (verb == VERB_GC) {
		must_tell(attachments_parse(config, &valid, &n, &err), &err);
		free(valid);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char version[CNI_VERSION_MAX];
	char *text = malloc(size + 1), *config;
	size_t len;

	MUST(text);
	memcpy(text, data, size);
	text[size] = '\0';
	config = memchr(text, '\n', size);
	if (config)
		*config++ = '\0';
	else
		config = text + size;
	len = (size_t)(text + size - config);
	setenv("CNI_ARGS", text, 1);
	netconf_version(config, len, version);
	for (enum verb verb = VERB_ADD; verb <= VERB_STATUS; verb++)
		ask(verb, config, len);
	free(text);
	return 0;
}
