// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "kern/tcattach.h"

/* enum bpf_attach_type of 6.6; Debian 12's header ends before them. */
#define TCX_INGRESS ((enum bpf_attach_type)46)
#define TCX_EGRESS  ((enum bpf_attach_type)47)

#define PROGS_MAX 64	/* of everybody on one hook of one device */

/* On clsact: a place that nobody else is known to use, so that only our own is ever removed. */
#define CLSACT_PRIORITY 0xc7a
#define CLSACT_HANDLE	1

static enum bpf_attach_type tcx_type(enum tc_hook hook)
{
	return hook == TC_HOOK_INGRESS ? TCX_INGRESS : TCX_EGRESS;
}

static const char *our_name(enum tc_hook hook)
{
	return hook == TC_HOOK_INGRESS ? "ctnat_from_pod" : "ctnat_to_uplink";
}

static int prog_info(int fd, struct bpf_prog_info *info)
{
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &len) < 0 ? -errno : 0;
}

int prog_id(int prog_fd, __u32 *id)
{
	struct bpf_prog_info info;
	int ret = prog_info(prog_fd, &info);

	if (!ret)
		*id = info.id;
	return ret;
}

/* An fd of our program among ids[0..n) and its id; -ENOENT if it is not among them. */
static int find_ours(const __u32 *ids, __u32 n, enum tc_hook hook, __u32 *id)
{
	struct bpf_prog_info info;

	for (__u32 i = 0; i < n; i++) {
		_cleanup_close_ int fd = bpf_prog_get_fd_by_id(ids[i]);

		if (fd < 0 || prog_info(fd, &info) < 0 || strcmp(info.name, our_name(hook)))
			continue;
		*id = info.id;
		return TAKE_FD(fd);
	}
	return -ENOENT;
}

/* -EINVAL from the query: the kernel has no tcx. */
static int tcx_find(int ifindex, enum tc_hook hook, __u32 *id)
{
	__u32 ids[PROGS_MAX], n = PROGS_MAX, flags;

	if (bpf_prog_query(ifindex, tcx_type(hook), 0, &flags, ids, &n) < 0)
		return -errno;
	return find_ours(ids, n, hook, id);
}

/* -ENOENT: none of ours is there to be replaced. */
static int tcx_replace(int ifindex, enum tc_hook hook, int prog_fd)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts, .flags = BPF_F_REPLACE);
	_cleanup_close_ int old = -1;
	__u32 id, old_id;

	old = tcx_find(ifindex, hook, &old_id);
	if (old < 0)
		return old;
	if (!prog_id(prog_fd, &id) && id == old_id)
		return 0;
	opts.replace_prog_fd = old;
	return bpf_prog_attach_opts(prog_fd, ifindex, tcx_type(hook), &opts) < 0 ? -errno : 0;
}

static int tcx_detach(int ifindex, enum tc_hook hook)
{
	_cleanup_close_ int old = -1;
	__u32 id;

	old = tcx_find(ifindex, hook, &id);
	if (old < 0)
		return old;
	return bpf_prog_detach2(old, ifindex, tcx_type(hook)) < 0 ? -errno : 0;
}

static struct bpf_tc_hook clsact(int ifindex, enum tc_hook hook)
{
	/* what it would print, e.g. "Exclusivity flag on", is no error here */
	libbpf_set_print(NULL);
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = ifindex,
		.attach_point = hook == TC_HOOK_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS,
	};
}

static int clsact_attach(int ifindex, enum tc_hook hook, int prog_fd)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .handle = CLSACT_HANDLE,
		    .priority = CLSACT_PRIORITY, .flags = BPF_TC_F_REPLACE);
	struct bpf_tc_hook tc = clsact(ifindex, hook);
	int ret = bpf_tc_hook_create(&tc);

	if (ret < 0 && ret != -EEXIST)
		return ret;
	return bpf_tc_attach(&tc, &opts);
}

static int clsact_detach(int ifindex, enum tc_hook hook)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	struct bpf_tc_hook tc = clsact(ifindex, hook);

	return bpf_tc_detach(&tc, &opts);
}

static int clsact_query(int ifindex, enum tc_hook hook, __u32 *id)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	struct bpf_tc_hook tc = clsact(ifindex, hook);
	_cleanup_close_ int fd = -1;
	int ret = bpf_tc_query(&tc, &opts);

	if (ret < 0)
		return ret;
	fd = find_ours(&opts.prog_id, 1, hook, id);
	return fd < 0 ? fd : 0;
}

static const char *hook_name(enum tc_hook hook)
{
	return hook == TC_HOOK_INGRESS ? "ingress" : "egress";
}

static bool is_gone(int ret)
{
	return ret == -ENOENT || ret == -ENODEV;
}

int tc_attach(int ifindex, enum tc_hook hook, enum tc_way way, int prog_fd, struct err *err)
{
	int ret = tcx_replace(ifindex, hook, prog_fd);
	bool no_tcx = ret == -EINVAL;
	__u32 id;

	if (no_tcx || (ret == -ENOENT && (way == TC_CLSACT || !clsact_query(ifindex, hook, &id))))
		ret = clsact_attach(ifindex, hook, prog_fd);
	else if (ret == -ENOENT)
		ret = bpf_prog_attach(prog_fd, ifindex, tcx_type(hook), 0) < 0 ? -errno : 0;
	if (ret < 0)
		return err_set(err, ret, "attach %s to the %s of interface %d", our_name(hook),
			       hook_name(hook), ifindex);
	return 0;
}

int tc_detach(int ifindex, enum tc_hook hook, struct err *err)
{
	int ret = tcx_detach(ifindex, hook);
	__u32 id;

	if ((ret == -ENOENT || ret == -EINVAL) && clsact_query(ifindex, hook, &id) < 0)
		return 0;
	if (ret == -ENOENT || ret == -EINVAL)
		ret = clsact_detach(ifindex, hook);
	if (ret < 0 && !is_gone(ret))
		return err_set(err, ret, "detach %s from the %s of interface %d", our_name(hook),
			       hook_name(hook), ifindex);
	return 0;
}

int tc_query(int ifindex, enum tc_hook hook, __u32 *id, struct err *err)
{
	int ret = tcx_find(ifindex, hook, id);

	if (ret >= 0) {
		close(ret);
		return 0;
	}
	if (ret == -EINVAL || ret == -ENOENT)
		ret = clsact_query(ifindex, hook, id);
	if (ret < 0)
		return err_set(err, is_gone(ret) || ret == -EINVAL ? -ENOENT : ret,
			       "%s on the %s of interface %d", our_name(hook), hook_name(hook),
			       ifindex);
	return 0;
}
