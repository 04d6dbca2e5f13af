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

static const struct {
	const char *name;
	enum bpf_attach_type tcx;
	enum bpf_tc_attach_point point;
} progs[TC_PROGS] = {
	[TC_FROM_POD] = { "ctnat_from_pod", TCX_INGRESS, BPF_TC_INGRESS },
	[TC_TO_POD] = { "ctnat_to_pod", TCX_EGRESS, BPF_TC_EGRESS },
	[TC_FROM_UPLINK] = { "ctnat_from_uplink", TCX_INGRESS, BPF_TC_INGRESS },
	[TC_TO_UPLINK] = { "ctnat_to_uplink", TCX_EGRESS, BPF_TC_EGRESS },
};

const char *tc_name(enum tc_prog prog)
{
	return progs[prog].name;
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

/* The kernel keeps 15 bytes of a name. */
static bool is_named(const struct bpf_prog_info *info, enum tc_prog prog)
{
	return !strncmp(info->name, progs[prog].name, sizeof(info->name) - 1);
}

/* An fd of our program among ids[0..n) and its id; -ENOENT if it is not among them. */
static int find_ours(const __u32 *ids, __u32 n, enum tc_prog prog, __u32 *id)
{
	struct bpf_prog_info info;

	for (__u32 i = 0; i < n; i++) {
		_cleanup_close_ int fd = bpf_prog_get_fd_by_id(ids[i]);

		if (fd < 0 || prog_info(fd, &info) < 0 || !is_named(&info, prog))
			continue;
		*id = info.id;
		return TAKE_FD(fd);
	}
	return -ENOENT;
}

/* -EINVAL from the query: the kernel has no tcx. */
static int tcx_find(int ifindex, enum tc_prog prog, __u32 *id)
{
	__u32 ids[PROGS_MAX], n = PROGS_MAX, flags;

	if (bpf_prog_query(ifindex, progs[prog].tcx, 0, &flags, ids, &n) < 0)
		return -errno;
	return find_ours(ids, n, prog, id);
}

/* -ENOENT: none of ours is there to be replaced. */
static int tcx_replace(int ifindex, enum tc_prog prog, int prog_fd)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts, .flags = BPF_F_REPLACE);
	_cleanup_close_ int old = -1;
	__u32 id, old_id;

	old = tcx_find(ifindex, prog, &old_id);
	if (old < 0)
		return old;
	if (!prog_id(prog_fd, &id) && id == old_id)
		return 0;
	opts.replace_prog_fd = old;
	return bpf_prog_attach_opts(prog_fd, ifindex, progs[prog].tcx, &opts) < 0 ? -errno : 0;
}

static int tcx_detach(int ifindex, enum tc_prog prog)
{
	_cleanup_close_ int old = -1;
	__u32 id;

	old = tcx_find(ifindex, prog, &id);
	if (old < 0)
		return old;
	return bpf_prog_detach2(old, ifindex, progs[prog].tcx) < 0 ? -errno : 0;
}

static struct bpf_tc_hook clsact(int ifindex, enum tc_prog prog)
{
	/* what it would print, e.g. "Exclusivity flag on", is no error here */
	libbpf_set_print(NULL);
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = ifindex,
		.attach_point = progs[prog].point,
	};
}

/* Without a qdisc to put it on, the attempt fails, and which error that is is the kernel's choice:
 * the second attempt tells. */
static int clsact_attach(int ifindex, enum tc_prog prog, int prog_fd)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .handle = CLSACT_HANDLE,
		    .priority = CLSACT_PRIORITY, .flags = BPF_TC_F_REPLACE);
	struct bpf_tc_hook tc = clsact(ifindex, prog);
	int ret = bpf_tc_attach(&tc, &opts);

	if (!ret)
		return 0;
	ret = bpf_tc_hook_create(&tc);
	if (ret < 0 && ret != -EEXIST)
		return ret;
	return bpf_tc_attach(&tc, &opts);
}

static int clsact_detach(int ifindex, enum tc_prog prog)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	struct bpf_tc_hook tc = clsact(ifindex, prog);

	return bpf_tc_detach(&tc, &opts);
}

static int clsact_query(int ifindex, enum tc_prog prog, __u32 *id)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	struct bpf_tc_hook tc = clsact(ifindex, prog);
	_cleanup_close_ int fd = -1;
	int ret = bpf_tc_query(&tc, &opts);

	if (ret < 0)
		return ret;
	fd = find_ours(&opts.prog_id, 1, prog, id);
	return fd < 0 ? fd : 0;
}

static const char *side(enum tc_prog prog)
{
	return progs[prog].point == BPF_TC_INGRESS ? "ingress" : "egress";
}

static bool is_gone(int ret)
{
	return ret == -ENOENT || ret == -ENODEV;
}

int tc_attach(int ifindex, enum tc_prog prog, enum tc_way way, int prog_fd, struct err *err)
{
	int ret = tcx_replace(ifindex, prog, prog_fd);
	bool no_tcx = ret == -EINVAL;
	__u32 id;

	if (no_tcx || (ret == -ENOENT && (way == TC_CLSACT || !clsact_query(ifindex, prog, &id))))
		ret = clsact_attach(ifindex, prog, prog_fd);
	else if (ret == -ENOENT)
		ret = bpf_prog_attach(prog_fd, ifindex, progs[prog].tcx, 0) < 0 ? -errno : 0;
	if (ret < 0)
		return err_set(err, ret, "attach %s to the %s of interface %d", progs[prog].name,
			       side(prog), ifindex);
	return 0;
}

int tc_detach(int ifindex, enum tc_prog prog, struct err *err)
{
	int ret = tcx_detach(ifindex, prog);
	__u32 id;

	if ((ret == -ENOENT || ret == -EINVAL) && clsact_query(ifindex, prog, &id) < 0)
		return 0;
	if (ret == -ENOENT || ret == -EINVAL)
		ret = clsact_detach(ifindex, prog);
	if (ret < 0 && !is_gone(ret))
		return err_set(err, ret, "detach %s from the %s of interface %d", progs[prog].name,
			       side(prog), ifindex);
	return 0;
}

int tc_query(int ifindex, enum tc_prog prog, __u32 *id, enum tc_way *way, struct err *err)
{
	enum tc_way found = TC_TCX;
	__u32 found_id;
	int ret = tcx_find(ifindex, prog, &found_id);

	if (ret >= 0) {
		close(ret);
	} else if (ret == -EINVAL || ret == -ENOENT) {
		found = TC_CLSACT;
		ret = clsact_query(ifindex, prog, &found_id);
	}
	if (ret < 0)
		return err_set(err, is_gone(ret) || ret == -EINVAL ? -ENOENT : ret,
			       "%s on the %s of interface %d", progs[prog].name, side(prog),
			       ifindex);
	if (id)
		*id = found_id;
	if (way)
		*way = found;
	return 0;
}
