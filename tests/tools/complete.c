// SPDX-License-Identifier: Apache-2.0
/*
 *	complete DEVICE
 *
 * Prints "ready" and, at SIGTERM, how many packets came with CHECKSUM_COMPLETE and a sum that
 * holds, with one that does not, and without: "RIGHT WRONG OTHER".
 */
#include <bpf/libbpf.h>
#include <err.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>

#include "tests/tools/complete.skel.h"

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts);
	struct complete_bpf *skel;
	sigset_t end;
	int signal;

	if (argc != 2)
		errx(2, "usage: complete DEVICE");
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);
	hook.ifindex = if_nametoindex(argv[1]);
	skel = complete_bpf__open_and_load();
	if (!skel)
		err(1, "load");
	opts.prog_fd = bpf_program__fd(skel->progs.look);
	if (bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &opts))
		err(1, "attach to '%s'", argv[1]);
	puts("ready");
	fflush(stdout);
	sigwait(&end, &signal);
	printf("%llu %llu %llu\n", skel->bss->right, skel->bss->wrong, skel->bss->other);
	hook.attach_point |= BPF_TC_EGRESS;	/* both hooks: the qdisc */
	bpf_tc_hook_destroy(&hook);
	complete_bpf__destroy(skel);
	return 0;
}
