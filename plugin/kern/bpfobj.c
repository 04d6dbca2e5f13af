// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: which level a kernel can do is found by trying, never by its version. The same object is
 * loaded with the constant `level` set; at `assisted` the verifier sees the inserting code as dead,
 * so a kernel that refuses bpf_ct_set_nat_info takes it. The maps are made first, by an object of
 * their own that needs nothing of the kernel but maps: so level `nftables` has them too, where
 * there is no BTF and no kfunc.
 *
 * The pins are what every later ADD attaches. A program that is loaded anew is pinned beside the
 * old one and renamed over it, so that there is no moment without.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "ctnat.skel.h"
#include "kern/bpfobj.h"
#include "kern/netns.h"
#include "maps.skel.h"
#include "selftest.skel.h"

#define PIN_NEW PIN_DATAPATH "/new"	/* on its way to be one of the four */

static const char *const prog_paths[TC_PROGS] = {
	[TC_FROM_POD] = PIN_DATAPATH "/from_pod",
	[TC_TO_POD] = PIN_DATAPATH "/to_pod",
	[TC_FROM_UPLINK] = PIN_DATAPATH "/from_uplink",
	[TC_TO_UPLINK] = PIN_DATAPATH "/to_uplink",
};

static const char *const level_names[] = {
	[LEVEL_NONE] = "auto",
	[LEVEL_FULL] = "full",
	[LEVEL_ASSISTED] = "assisted",
	[LEVEL_NFTABLES] = "nftables",
};

const char *level_name(enum datapath_level level)
{
	return level <= LEVEL_NFTABLES ? level_names[level] : "unknown";
}

/*
 * What the verifier or libbpf said last that explains a failure. libbpf prints the whole verifier
 * log as one message; its last line but the statistics is the refusal.
 */
static char complaint[192];

static void keep_complaint(const char *text)
{
	static const char *const noise[] = {
		"processed ",	 "-- END", "-- BEGIN", "libbpf: -- ", "libbpf: failed to load",
		"libbpf: prog '"
	};
	const char *line = text, *end;

	for (; *line; line = *end ? end + 1 : end) {
		bool skip = false;

		end = line + strcspn(line, "\n");
		for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
			skip = skip || !strncmp(line, noise[i], strlen(noise[i]));
		if (!skip && end > line)
			snprintf(complaint, sizeof(complaint), "%.*s", (int)(end - line), line);
	}
}

static int print_complaint(enum libbpf_print_level level, const char *fmt, va_list args)
{
	static char text[65536];	/* a verifier log; the kernel's own is cut to its end */

	if (level == LIBBPF_WARN && vsnprintf(text, sizeof(text), fmt, args) > 0)
		keep_complaint(text);
	return 0;
}

void bpfobj_listen(void)
{
	libbpf_set_print(print_complaint);
	complaint[0] = '\0';
}

const char *bpfobj_complaint(void)
{
	return complaint;
}

const void *bpfobj_elf(size_t *size)
{
	return ctnat_bpf__elf_bytes(size);
}

static int use_pins(struct bpf_object *obj, struct err *err)
{
	for (int i = 0; i < MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, map_name(i));
		int ret = map ? bpf_map__set_pin_path(map, map_path(i)) : 0;

		if (ret < 0)
			return err_set(err, ret, "pin path of map '%s'", map_name(i));
	}
	return 0;
}

int bpfobj_make_maps(struct maps *out, struct err *err)
{
	struct maps_bpf *skel;
	int ret;

	libbpf_set_print(print_complaint);
	complaint[0] = '\0';
	skel = maps_bpf__open();
	if (!skel)
		return err_set(err, -errno, "open the embedded BPF maps");
	ret = use_pins(skel->obj, err);
	if (!ret) {
		ret = maps_bpf__load(skel);
		if (ret < 0)
			err_set(err, ret, "create the maps below '%s' (%s)", PIN_ROOT, complaint);
	}
	maps_bpf__destroy(skel);
	return ret < 0 ? ret : maps_open(out, err);
}

static int pin_one(struct bpf_object *obj, enum tc_prog prog, struct err *err)
{
	struct bpf_program *loaded = bpf_object__find_program_by_name(obj, tc_name(prog));
	int ret;

	if (unlink(PIN_NEW) < 0 && errno != ENOENT)
		return err_set(err, -errno, "remove '%s'", PIN_NEW);
	ret = bpf_program__pin(loaded, PIN_NEW);
	if (!ret && rename(PIN_NEW, prog_paths[prog]) < 0)
		ret = -errno;
	return ret < 0 ? err_set(err, ret, "pin program at '%s'", prog_paths[prog]) : 0;
}

/* Of this clock one tick is one jiffy, whatever else the kernel counts time by. */
static __u32 jiffies_a_second(void)
{
	struct timespec tick = { 0 };

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return tick.tv_nsec ? 1000000000 / tick.tv_nsec : 1;
}

struct kernel_facts bpfobj_kernel_facts(void)
{
	struct kernel_facts facts = { .hz = jiffies_a_second() };
	struct btf *btf = btf__load_vmlinux_btf();

	/* without BTF the programs do not load, and say so */
	facts.has_cast = btf && btf__find_by_name_kind(btf, "bpf_rdonly_cast",
						       BTF_KIND_FUNC) > 0;
	btf__free(btf);
	return facts;
}

static int load_at(enum datapath_level level, const struct kernel_facts *facts, struct err *err)
{
	struct ctnat_bpf *skel;
	int ret;

	complaint[0] = '\0';
	skel = ctnat_bpf__open();
	if (!skel)
		return err_set(err, -errno, "open the embedded BPF programs");
	skel->rodata->level = level;
	skel->rodata->hz = facts->hz;
	skel->rodata->kernel_cast = facts->has_cast;
#if !defined(__x86_64__) && !defined(__i386__)
	skel->rodata->weak_order = 1;
#endif
	if (getrandom(skel->rodata->flow_seed, sizeof(skel->rodata->flow_seed), 0) < 0) {
		ret = err_set(err, -errno, "random numbers for the hash of flows");
		goto out;
	}
	ret = use_pins(skel->obj, err);
	if (ret < 0)
		goto out;
	ret = ctnat_bpf__load(skel);
	if (ret < 0)
		err_set(err, ret, "the kernel refuses the programs of level '%s' (%s)",
			level_name(level), complaint);
	for (enum tc_prog prog = 0; prog < TC_PROGS && !ret; prog++)
		ret = pin_one(skel->obj, prog, err);
out:
	ctnat_bpf__destroy(skel);
	return ret;
}

static void remove_pins(void)
{
	for (int i = 0; i < TC_PROGS; i++)
		unlink(prog_paths[i]);
}

int bpfobj_load(enum datapath_level wanted, enum datapath_level *level, char *reason, size_t size,
		struct err *err)
{
	enum datapath_level first = wanted == LEVEL_NONE ? LEVEL_FULL : wanted;
	enum datapath_level last = wanted == LEVEL_NONE ? LEVEL_ASSISTED : wanted;
	struct kernel_facts facts;

	libbpf_set_print(print_complaint);
	facts = bpfobj_kernel_facts();
	snprintf(reason, size, "%s", wanted > LEVEL_FULL ? "configured" : "");
	for (enum datapath_level try = first; try <= last && try < LEVEL_NFTABLES; try++) {
		int ret = load_at(try, &facts, err);

		if (!ret) {
			*level = try;
			return 0;
		}
		if (wanted != LEVEL_NONE)
			return err_wrap(err, "datapath '%s'", level_name(wanted));
		snprintf(reason, size, "%s", err ? err->msg : "");
	}
	remove_pins();
	*level = LEVEL_NFTABLES;
	return 0;
}

int bpfobj_open(enum tc_prog prog, struct err *err)
{
	int fd = bpf_obj_get(prog_paths[prog]);

	return fd < 0 ? err_set(err, -errno, "open pinned program '%s'", prog_paths[prog]) : fd;
}

int bpfobj_attach(int ifindex, enum tc_prog prog, enum tc_way way, struct err *err)
{
	_cleanup_close_ int fd = bpfobj_open(prog, err);

	return fd < 0 ? fd : tc_attach(ifindex, prog, way, fd, err);
}

int bpfobj_verify(int ifindex, enum tc_prog prog, struct err *err)
{
	_cleanup_close_ int fd = bpfobj_open(prog, err);
	__u32 id, pinned;
	int ret = fd < 0 ? fd : tc_query(ifindex, prog, &id, NULL, err);

	if (ret < 0)
		return ret;
	ret = prog_id(fd, &pinned);
	if (ret < 0)
		return err_set(err, ret, "id of pinned program '%s'", prog_paths[prog]);
	if (id != pinned)
		return err_set(err, -ESTALE, "%s of interface %d", tc_name(prog), ifindex);
	return 0;
}

static int run_selftest(int prog_fd, struct err *err)
{
	char frame[64] = { [12] = 0x08 };	/* an EtherType; the program reads nothing of it */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame));
	int ret = bpf_prog_test_run_opts(prog_fd, &opts);

	if (ret < 0)
		return err_set(err, ret, "run the program");
	if (opts.retval)
		return err_cni(err, CNI_NOT_AVAILABLE,
			       "conntrack entries that BPF inserts do not live on this kernel (%u)",
			       opts.retval);
	return 0;
}

/* Within our own namespace, from which netns_run() comes back: the entry is in nobody else's table
 * and dies with the new one. */
static int selftest_apart(void *data, struct err *err)
{
	if (unshare(CLONE_NEWNET) < 0)
		return err_set(err, -errno, "make a network namespace");
	return run_selftest(*(const int *)data, err);
}

int bpfobj_selftest(struct err *err)
{
	_cleanup_close_ int self = netns_open_self(err);
	struct selftest_bpf *skel;
	int prog_fd, ret;

	if (self < 0)
		return self;
	complaint[0] = '\0';
	libbpf_set_print(print_complaint);
	skel = selftest_bpf__open_and_load();
	if (!skel)
		return err_set(err, -errno, "load the selftest of conntrack insertion (%s)",
			       complaint);
	prog_fd = bpf_program__fd(skel->progs.ctnat_selftest);
	ret = netns_run(self, self, selftest_apart, &prog_fd, err);
	selftest_bpf__destroy(skel);
	return ret < 0 ? err_wrap(err, "selftest of conntrack insertion") : 0;
}
