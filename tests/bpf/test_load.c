// SPDX-License-Identifier: Apache-2.0
/*
 * What loads and what does not: the rules that the verifier keeps for us, the level for a kernel
 * that lacks a function, and what verifying costs (tests/bpf/budget: a first ADD waits for it).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "abi.h"
#include "ctnat.skel.h"
#include "kern/bpfobj.h"
#include "tests/bpf/proprietary.skel.h"
#include "tests/bpf/reject.skel.h"

#define BUDGET_FILE "tests/bpf/budget"

static char verifier_log[1 << 20];

/* Loads this one program of the object and asserts that the verifier refuses it with the text. */
static void assert_refused(struct bpf_object *obj, const char *name, const char *text)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(obj, name);

	assert_non_null(prog);
	verifier_log[0] = '\0';
	assert_int_equal(bpf_program__set_autoload(prog, true), 0);
	assert_int_equal(bpf_program__set_log_buf(prog, verifier_log, sizeof(verifier_log)), 0);
	if (!bpf_object__load(obj))
		fail_msg("%s: the kernel loads it", name);
	if (!strstr(verifier_log, text)) {
		size_t len = strlen(verifier_log);

		fail_msg("%s: refused, but not with '%s':\n%s", name, text,
			 verifier_log + (len > 500 ? len - 500 : 0));
	}
}

static void the_verifier_keeps_the_rules(void **state)
{
	static const struct {
		const char *program, *answer;
	} rules[] = {
		{ "leaks_an_entry", "Unreleased reference" },
		{ "leaks_an_allocation", "Unreleased reference" },
		{ "forgets_the_insert", "Unreleased reference" },
		{ "reads_after_release", "invalid mem access 'scalar'" },
		{ "trusts_a_lookup", "invalid mem access 'ptr_or_null_'" },
		{ "writes_the_status", "no write support to nf_conn" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct reject_bpf *skel = reject_bpf__open();

		assert_non_null(skel);
		assert_refused(skel->obj, rules[i].program, rules[i].answer);
		reject_bpf__destroy(skel);
	}
}

static void kfuncs_are_for_gpl_programs(void **state)
{
	struct proprietary_bpf *skel = proprietary_bpf__open();

	(void)state;
	assert_non_null(skel);
	assert_refused(skel->obj, "is_not_gpl", "cannot call kernel function from non-GPL compatible program");
	proprietary_bpf__destroy(skel);
}

static void hide(char *elf, size_t size, const char *function)
{
	size_t len = strlen(function), found = 0;

	for (char *at = elf; (at = memmem(at, elf + size - at, function, len)); at += len, found++)
		at[len - 1] = '_';	/* a letter that BTF, too, allows in a name */
	assert_true(found > 0);
}

/* Our object as a kernel would see it that does not have these functions: under a name that no
 * kernel has. */
static struct bpf_object *open_without_all(const char *const *functions, size_t n,
					   enum datapath_level level, bool dry_run)
{
	size_t size;
	const void *elf = ctnat_bpf__elf_bytes(&size);
	struct ctnat_bpf__rodata rodata;
	struct bpf_object *obj;
	const void *initial;
	struct bpf_map *map;
	char *copy = malloc(size);

	assert_non_null(copy);
	memcpy(copy, elf, size);
	for (size_t i = 0; i < n; i++)
		hide(copy, size, functions[i]);
	obj = bpf_object__open_mem(copy, size, NULL);
	free(copy);
	assert_non_null(obj);
	map = bpf_object__find_map_by_name(obj, ".rodata");
	assert_non_null(map);
	initial = bpf_map__initial_value(map, &size);
	assert_true(size <= sizeof(rodata));	/* the structure is padded, the section is not */
	memcpy(&rodata, initial, size);
	rodata.level = level;
	rodata.dry_run = dry_run;
	assert_int_equal(bpf_map__set_initial_value(map, &rodata, size), 0);
	return obj;
}

static struct bpf_object *open_without(const char *function, enum datapath_level level)
{
	return open_without_all(&function, 1, level, false);
}

static void assisted_needs_no_function_that_inserts(void **state)
{
	static const char *const lacking[] = { "bpf_ct_set_nat_info", "bpf_skb_ct_alloc", "bpf_ct_insert_entry",
					       "bpf_ct_set_timeout" };

	(void)state;
	for (size_t i = 0; i < sizeof(lacking) / sizeof(lacking[0]); i++) {
		struct bpf_object *obj = open_without(lacking[i], LEVEL_FULL);

		assert_true(bpf_object__load(obj) < 0);
		bpf_object__close(obj);
		obj = open_without(lacking[i], LEVEL_ASSISTED);
		if (bpf_object__load(obj))
			fail_msg("level assisted wants %s", lacking[i]);
		bpf_object__close(obj);
	}
}

static void both_levels_need_the_lookup(void **state)
{
	struct bpf_object *obj = open_without("bpf_skb_ct_lookup", LEVEL_ASSISTED);

	(void)state;
	assert_true(bpf_object__load(obj) < 0);
	bpf_object__close(obj);
}

/* 6.1: a probe takes the place of the cast. */
static void no_level_needs_the_cast(void **state)
{
	static const char *const casts[] = { "bpf_rdonly_cast", "bpf_cast_to_kern_ctx" };

	(void)state;
	for (enum datapath_level level = LEVEL_FULL; level < LEVEL_NFTABLES; level++) {
		struct bpf_object *obj = open_without_all(casts, 2, level, false);

		if (bpf_object__load(obj))
			fail_msg("level %d wants a cast", level);
		bpf_object__close(obj);
	}
}

/* Maps that a program may read, and the verifier lets none write. */
static void make_read_only(struct bpf_object *obj, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, name);

	assert_non_null(map);
	assert_int_equal(bpf_map__set_map_flags(map, bpf_map__map_flags(map) | BPF_F_RDONLY_PROG), 0);
}

/*
 * Of all maps a dry run has three for itself (kern/dryrun.c). And what a global function is given
 * by address it may write, to the verifier, whatever C says: config, a pod, an answer of `flows`
 * (test_dry.c looks at the maps themselves).
 */
static bool may_be_written(const char *name)
{
	static const char *const names[] = { "stats", "budgets", "guards", "config", "pods", "flows" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* Not by looking: by the verifier, which finds no instruction that would. */
static void a_dry_run_can_change_nothing(void **state)
{
	static const char *const changing[] = { "bpf_skb_ct_alloc",	"bpf_ct_set_nat_info",
						"bpf_ct_set_timeout",	"bpf_ct_insert_entry",
						"bpf_ct_change_timeout", "bpf_ct_change_status" };
	const size_t n = sizeof(changing) / sizeof(changing[0]);

	(void)state;
	for (enum datapath_level level = LEVEL_FULL; level < LEVEL_NFTABLES; level++) {
		struct bpf_object *obj = open_without_all(changing, n, level, true);
		struct bpf_map *map;

		bpf_object__for_each_map(map, obj) {
			if (!bpf_map__is_internal(map) && !may_be_written(bpf_map__name(map)))
				make_read_only(obj, bpf_map__name(map));
		}
		if (bpf_object__load(obj))
			fail_msg("level %d: a dry run would change something", level);
		bpf_object__close(obj);
	}
}

/* ... and would find one. */
static void what_is_no_dry_run_does_change(void **state)
{
	struct bpf_object *obj = open_without_all(NULL, 0, LEVEL_FULL, false);

	(void)state;
	make_read_only(obj, "flow_index");
	assert_true(bpf_object__load(obj) < 0);
	bpf_object__close(obj);
	obj = open_without("bpf_ct_change_timeout", LEVEL_FULL);
	assert_true(bpf_object__load(obj) < 0);
	bpf_object__close(obj);
}

struct cost {
	unsigned int verified, xlated;
};

static struct cost cost_of(const struct bpf_program *prog)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len), 0);
	return (struct cost){ info.verified_insns, info.xlated_prog_len / 8 };
}

static struct cost budget_of(const char *program, const char *level)
{
	char line[256], name[64], at[64];
	struct cost cost;
	FILE *file = fopen(BUDGET_FILE, "r");

	if (!file)
		fail_msg("cannot open %s: run it from the top of the tree", BUDGET_FILE);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %63s %u %u", name, at, &cost.verified, &cost.xlated) == 4 &&
		    !strcmp(name, program) && !strcmp(at, level)) {
			fclose(file);
			return cost;
		}
	}
	fclose(file);
	fail_msg("%s has no line '%s %s'", BUDGET_FILE, program, level);
	return (struct cost){ 0 };
}

static void programs_stay_within_their_budget(void **state)
{
	static const struct {
		enum datapath_level level;
		const char *name;
	} levels[] = { { LEVEL_FULL, "full" }, { LEVEL_ASSISTED, "assisted" } };
	const struct kernel_facts facts = bpfobj_kernel_facts();
	struct bpf_program *prog;
	bool over = false;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct ctnat_bpf *skel = ctnat_bpf__open();

		assert_non_null(skel);
		skel->rodata->level = levels[i].level;
		skel->rodata->kernel_cast = facts.has_cast;
		assert_int_equal(ctnat_bpf__load(skel), 0);
		bpf_object__for_each_program(prog, skel->obj) {
			const char *name = bpf_program__name(prog);
			struct cost is = cost_of(prog), may = budget_of(name, levels[i].name);

			print_message("# %s %s: %u instructions verified of %u, %u long of %u\n", name, levels[i].name,
				      is.verified, may.verified, is.xlated, may.xlated);
			over = over || is.verified > may.verified || is.xlated > may.xlated;
		}
		ctnat_bpf__destroy(skel);
	}
	if (over)
		fail_msg("a program is over its budget");
}

static int silent(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_verifier_keeps_the_rules),
		cmocka_unit_test(kfuncs_are_for_gpl_programs),
		cmocka_unit_test(assisted_needs_no_function_that_inserts),
		cmocka_unit_test(both_levels_need_the_lookup),
		cmocka_unit_test(no_level_needs_the_cast),
		cmocka_unit_test(a_dry_run_can_change_nothing),
		cmocka_unit_test(what_is_no_dry_run_does_change),
		cmocka_unit_test(programs_stay_within_their_budget),
	};

	libbpf_set_print(silent);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
