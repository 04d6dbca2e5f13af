// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the answer has to be the programs' own, or it would sooner or later be another. So the
 * same object is loaded once more, with the constants of the programs that are pinned, but for
 * `dry_run`; it is attached to nothing, and BPF_PROG_TEST_RUN gives it a frame as the receive path
 * of a device would.
 *
 *	read alike	conntrack, sockets, routes, and all of the node's maps but three
 *	copied		`budgets` and `guards`, before each question: what they say now counts, and
 *			what the question spends is lost with the copy
 *	its own		`stats`: what moved there is the answer
 *	not written	conntrack and the other maps: no instruction is left that would. (A look-up
 *			removes an entry whose time is over, as any look-up does, and any list.)
 *
 * The copy is loaded by nobody but who asks, and is gone when he is. It takes no lock: programs
 * that are replaced meanwhile are of the same build, or he is told.
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "kern/bpfconst.h"
#include "kern/bpfobj.h"
#include "kern/dryrun.h"

/* Maps that the copy has for itself. */
static bool is_own(enum map_id id)
{
	return id == MAP_STATS || id == MAP_BUDGETS || id == MAP_GUARDS;
}

static int use_maps(struct bpf_object *obj, const struct maps *maps, struct err *err)
{
	for (int i = 0; i < MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, map_name(i));
		int ret = map && !is_own(i) ? bpf_map__reuse_fd(map, maps->fd[i]) : 0;

		if (ret < 0)
			return err_set(err, ret, "use map '%s'", map_name(i));
	}
	return 0;
}

/* One constant of the object, as the pinned programs have it. */
static int copy_constant(const struct bpfconst *from, const struct btf *btf,
			 const struct btf_var_secinfo *var, char *to, size_t size, struct err *err)
{
	const struct btf_type *type = btf__type_by_id(btf, var->type);
	const char *name = btf__name_by_offset(btf, type->name_off);

	if (var->offset + var->size > size || bpfconst_get(from, name, to + var->offset, var->size))
		return err_cni(err, CNI_NOT_AVAILABLE,
			       "the programs of this node are of another ctnat than this binary "
			       "(constant '%s'): the next ADD or STATUS replaces them",
			       name);
	return 0;
}

static int copy_constants(struct bpf_object *obj, const struct bpfconst *from, struct err *err)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, ".rodata");
	const struct btf *btf = bpf_object__btf(obj);
	_cleanup_free_ char *bytes = NULL;
	const struct btf_var_secinfo *var;
	const struct btf_type *section;
	const void *initial;
	size_t size, at;
	int id, ret = 0;

	id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -ENOENT;
	initial = map ? bpf_map__initial_value(map, &size) : NULL;
	if (id < 0 || !initial)
		return err_set(err, -ENOENT, "constants of the embedded BPF programs");
	bytes = malloc(size);
	if (!bytes)
		return err_set(err, -ENOMEM, "copy constants");
	memcpy(bytes, initial, size);
	section = btf__type_by_id(btf, id);
	var = btf_var_secinfos(section);
	for (int i = 0; i < btf_vlen(section) && !ret; i++)
		ret = copy_constant(from, btf, &var[i], bytes, size, err);
	if (ret < 0)
		return ret;
	ret = bpfconst_find(btf, id, "dry_run", 1, &at);
	if (!ret) {
		bytes[at] = 1;
		ret = bpf_map__set_initial_value(map, bytes, size);
	}
	return ret < 0 ? err_set(err, ret, "set the constants of a dry run") : 0;
}

static struct bpf_program *program(const struct dryrun *dry, enum tc_prog prog)
{
	return bpf_object__find_program_by_name(dry->obj, tc_name(prog));
}

static int load(struct dryrun *dry, const struct maps *maps, unsigned int progs, struct err *err)
{
	_cleanup_close_ int pinned = bpfobj_open(TC_FROM_POD, err);
	struct bpfconst constants = { .btf = NULL };
	const void *elf;
	size_t size;
	int ret;

	if (pinned < 0)
		return pinned;
	elf = bpfobj_elf(&size);
	dry->obj = bpf_object__open_mem(elf, size, NULL);
	if (!dry->obj)
		return err_set(err, -errno, "open the embedded BPF programs");
	for (enum tc_prog prog = 0; prog < TC_PROGS; prog++)
		bpf_program__set_autoload(program(dry, prog), progs & 1u << prog);
	ret = bpfconst_open(&constants, pinned, err);
	if (!ret)
		ret = copy_constants(dry->obj, &constants, err);
	bpfconst_close(&constants);
	if (!ret)
		ret = use_maps(dry->obj, maps, err);
	if (ret < 0)
		return ret;
	ret = bpf_object__load(dry->obj);
	return ret < 0 ? err_set(err, ret, "load a copy of the programs (%s)", bpfobj_complaint()) :
			 0;
}

static int own_map(const struct dryrun *dry, enum map_id id)
{
	return bpf_object__find_map_fd_by_name(dry->obj, map_name(id));
}

int dryrun_open(struct dryrun *dry, const struct maps *maps, unsigned int progs, struct err *err)
{
	int ret;

	memset(dry, 0, sizeof(*dry));
	dry->maps = maps;
	bpfobj_listen();
	ret = load(dry, maps, progs, err);
	if (ret < 0) {
		dryrun_close(dry);
		return ret;
	}
	for (enum tc_prog prog = 0; prog < TC_PROGS; prog++)
		dry->prog[prog] = progs & 1u << prog ? bpf_program__fd(program(dry, prog)) : -1;
	dry->stats = own_map(dry, MAP_STATS);
	dry->budgets = own_map(dry, MAP_BUDGETS);
	dry->guards = own_map(dry, MAP_GUARDS);
	return 0;
}

void dryrun_close(struct dryrun *dry)
{
	bpf_object__close(dry->obj);
	dry->obj = NULL;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int copy_entry(int from, int to, __u32 key, void *value)
{
	int ret = map_get(from, &key, value);

	return ret < 0 ? ret : map_set(to, &key, value);
}

/* What the node knows now of the device's budget and of all guards. */
static int copy_state(const struct dryrun *dry, __u32 ifindex)
{
	struct guard_watch guard;
	struct budget budget;
	int ret = copy_entry(dry->maps->fd[MAP_BUDGETS], dry->budgets, ifindex % BUDGETS, &budget);

	for (__u32 i = 0; i < GUARDS && !ret; i++)
		ret = copy_entry(dry->maps->fd[MAP_GUARDS], dry->guards, i, &guard);
	return ret;
}

static int read_counters(const struct dryrun *dry, __u64 out[REASON_MAX])
{
	struct counter counter;
	int ret = 0;

	for (int i = 0; i < REASON_MAX && !ret; i++) {
		ret = stats_read(dry->stats, i, &counter);
		out[i] = counter.packets;
	}
	return ret;
}

/* Counted, and no way out of a program. */
static bool is_event(enum reason reason)
{
	return reason == REASON_PASS_REVIVED || reason == REASON_LEARNED ||
	       reason == REASON_FORGOTTEN || reason == REASON_ENDED_EGRESS;
}

static int read_answer(const __u64 before[REASON_MAX], const __u64 after[REASON_MAX],
		       const struct __sk_buff *ctx, struct dryrun_answer *out)
{
	out->reason = REASON_MAX;
	for (int i = 0; i < REASON_MAX; i++) {
		out->beside[i] = is_event(i) && after[i] != before[i];
		if (!is_event(i) && after[i] != before[i])
			out->reason = i;
	}
	if (out->reason == REASON_PASS_INSERTED || out->reason == REASON_PASS_RETRIED) {
		memcpy(&out->egress, &ctx->cb[DRY_EGRESS], sizeof(out->egress));
		out->port = ctx->cb[DRY_PORT];
	}
	return out->reason == REASON_MAX ? -ENODATA : 0;
}

int dryrun_ask(struct dryrun *dry, enum tc_prog prog, const struct dryrun_frame *frame,
	       struct dryrun_answer *out, struct err *err)
{
	struct __sk_buff ctx = { .ifindex = frame->ifindex };
	__u64 before[REASON_MAX], after[REASON_MAX];
	struct dryrun_answer answer = { .frame.ifindex = 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->bytes, .data_size_in = frame->len,
		    .data_out = answer.frame.bytes, .data_size_out = sizeof(answer.frame.bytes),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .ctx_out = &ctx,
		    .ctx_size_out = sizeof(ctx));
	int ret = copy_state(dry, frame->ifindex);

	if (!ret)
		ret = read_counters(dry, before);
	if (!ret)
		ret = bpf_prog_test_run_opts(dry->prog[prog], &opts);
	if (!ret)
		ret = read_counters(dry, after);
	if (!ret)
		ret = read_answer(before, after, &ctx, &answer);
	if (ret < 0)
		return err_set(err, ret, "ask program '%s' about a packet", tc_name(prog));
	answer.frame.len = opts.data_size_out;
	*out = answer;
	return 0;
}
