// SPDX-License-Identifier: Apache-2.0
/*
 * What an administrator, another program or an attacker may do to a node, for tests that want it
 * done. It happens in the network namespace that this runs in.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kern/bpfobj.h"
#include "lib/ctfill.h"

static int fill(const char *count, struct err *err)
{
	return ctfill(strtoul(count, NULL, 10), err);
}

static int flush(const char *unused, struct err *err)
{
	(void)unused;
	return ctfill_flush(err);
}

static int detach(const char *link, enum tc_prog prog, struct err *err)
{
	return tc_detach(if_nametoindex(link), prog, err);
}

static int detach_from_pod(const char *link, struct err *err)
{
	return detach(link, TC_FROM_POD, err);
}

static int detach_to_pod(const char *link, struct err *err)
{
	return detach(link, TC_TO_POD, err);
}

static int detach_from_uplink(const char *link, struct err *err)
{
	return detach(link, TC_FROM_UPLINK, err);
}

static int detach_to_uplink(const char *link, struct err *err)
{
	return detach(link, TC_TO_UPLINK, err);
}

/* By one that has its name and accepts everything, without a look. */
static int replace_from_pod(const char *link, struct err *err)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_OK },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	_cleanup_close_ int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "ctnat_from_pod", "GPL", insns, 2, NULL);

	if (fd < 0)
		return err_set(err, -errno, "load a program");
	return tc_attach(if_nametoindex(link), TC_FROM_POD, TC_CLSACT, fd, err);
}

/* The programs are an older build's, as the plugin sees it. */
static int outdate(const char *unused, struct err *err)
{
	static const __u32 key;
	struct maps maps = MAPS_CLOSED;
	struct config config;
	int ret = maps_open(&maps, err);

	(void)unused;
	if (ret < 0)
		return ret;
	ret = map_get(maps.fd[MAP_CONFIG], &key, &config);
	config.build = 0;
	if (!ret)
		ret = map_set(maps.fd[MAP_CONFIG], &key, &config);
	maps_close(&maps);
	return ret < 0 ? err_set(err, ret, "change map 'config'") : 0;
}

/* On this pod's link and on eth0, a hundred times, as an upgrade does it: by programs of the same
 * object, those that are pinned last. */
static int replace_often(const char *link, struct err *err)
{
	const char *devices[TC_PROGS] = { link, link, "eth0", "eth0" };
	int fds[2][TC_PROGS], ret = 0;
	enum datapath_level level;
	char reason[256];

	for (int age = 0; age < 2 && !ret; age++) {
		for (enum tc_prog prog = 0; prog < TC_PROGS; prog++)
			fds[age][prog] = bpfobj_open(prog, err);
		if (!age)
			ret = bpfobj_load(LEVEL_NONE, &level, reason, sizeof(reason), err);
	}
	for (int time = 0; time < 100; time++)
		for (enum tc_prog prog = 0; prog < TC_PROGS && !ret; prog++)
			ret = tc_attach(if_nametoindex(devices[prog]), prog, TC_TCX,
					fds[time % 2][prog], err);
	return ret;
}

static const struct {
	const char *name, *arg;
	int (*run)(const char *arg, struct err *err);
} commands[] = {
	{ "fill", "COUNT", fill },		/* that many assured conntrack entries */
	{ "flush", "", flush },			/* no conntrack entry at all */
	{ "detach-from-pod", "LINK", detach_from_pod },
	{ "detach-to-pod", "LINK", detach_to_pod },
	{ "replace-from-pod", "LINK", replace_from_pod },
	{ "detach-from-uplink", "LINK", detach_from_uplink },
	{ "detach-to-uplink", "LINK", detach_to_uplink },
	{ "outdate", "", outdate },
	{ "replace-often", "LINK", replace_often },
};

int main(int argc, char **argv)
{
	struct err err;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (argc < 2 || strcmp(argv[1], commands[i].name) || argc != 2 + !!*commands[i].arg)
			continue;
		if (!commands[i].run(argv[2], &err))
			return 0;
		fprintf(stderr, "break: %s\n", err.msg);
		return 1;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, "usage: break %s %s\n", commands[i].name, commands[i].arg);
	return 2;
}
