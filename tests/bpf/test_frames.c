// SPDX-License-Identifier: Apache-2.0
/*
 * Do the programs fit the stack of old kernels? All the frames of a chain of calls have 512 bytes
 * together. Since 6.10 a frame counts in steps of 16 bytes where programs are compiled, before it
 * did in steps of 32: what this kernel accepts 6.1 may refuse. How deep a frame is, and who calls
 * whom, is in the instructions; code that no level reaches counts, too, to be on the safe side.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi.h"
#include "ctnat.skel.h"
#include "kern/bpfobj.h"

#define STACK	   512
#define STEP	   32
#define FRAMES_MAX 64

struct frames {
	const struct bpf_insn *insns;
	size_t n_insns;
	size_t start[FRAMES_MAX + 1];	/* ascending; one more: the end */
	size_t n;
};

/* The instruction that this one calls, or hands on to be called; 0: none. */
static size_t callee(const struct frames *f, size_t at)
{
	const struct bpf_insn *insn = &f->insns[at];
	bool calls = insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == BPF_PSEUDO_CALL;
	bool names = insn->code == (BPF_LD | BPF_IMM | BPF_DW) && insn->src_reg == BPF_PSEUDO_FUNC;

	return calls || names ? at + 1 + insn->imm : 0;
}

static int compare(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void find_functions(struct frames *f)
{
	size_t found = 1;

	f->start[0] = 0;
	for (size_t i = 0; i < f->n_insns; i++) {
		size_t target = callee(f, i), known = 0;

		while (target && known < found && f->start[known] != target)
			known++;
		if (!target || known < found)
			continue;
		assert_true(found < FRAMES_MAX);
		f->start[found++] = target;
	}
	qsort(f->start, found, sizeof(*f->start), compare);
	f->start[found] = f->n_insns;
	f->n = found;
}

static size_t function_at(const struct frames *f, size_t insn)
{
	size_t i = 0;

	while (f->start[i] != insn)
		i++;
	return i;
}

/* Bytes below the frame's end that the instruction reaches, or takes the address of. */
static unsigned int reach(const struct frames *f, size_t at)
{
	const struct bpf_insn *insn = &f->insns[at], *next = insn + 1;
	__u8 class = BPF_CLASS(insn->code);
	bool loads = class == BPF_LDX && insn->src_reg == BPF_REG_10;
	bool stores = (class == BPF_ST || class == BPF_STX) && insn->dst_reg == BPF_REG_10;
	bool copies = insn->code == (BPF_ALU64 | BPF_MOV | BPF_X) && insn->src_reg == BPF_REG_10 &&
		      at + 1 < f->n_insns && next->code == (BPF_ALU64 | BPF_ADD | BPF_K) &&
		      next->dst_reg == insn->dst_reg;

	return loads || stores ? -insn->off : copies ? -next->imm : 0;
}

/* Bytes of the deepest chain that begins with this function. */
static unsigned int deepest(const struct frames *f, size_t which)
{
	unsigned int own = 1, most = 0;

	for (size_t i = f->start[which]; i < f->start[which + 1]; i++) {
		size_t target = callee(f, i);
		unsigned int below = target ? deepest(f, function_at(f, target)) : 0;

		most = below > most ? below : most;
		own = reach(f, i) > own ? reach(f, i) : own;
	}
	return (own + STEP - 1) / STEP * STEP + most;
}

static void a_chain_of_calls_fits_the_stack_of_old_kernels(void **state)
{
	struct ctnat_bpf *skel = ctnat_bpf__open();
	struct bpf_program *prog;
	bool over = false;

	(void)state;
	assert_non_null(skel);
	skel->rodata->kernel_cast = bpfobj_kernel_facts().has_cast;
	assert_int_equal(ctnat_bpf__load(skel), 0);	/* that puts functions behind their callers */
	bpf_object__for_each_program(prog, skel->obj) {
		struct frames f = {
			.insns = bpf_program__insns(prog),
			.n_insns = bpf_program__insn_cnt(prog),
		};
		unsigned int bytes;

		find_functions(&f);
		bytes = deepest(&f, 0);
		print_message("# %s: %u bytes of %u, %zu functions\n", bpf_program__name(prog),
			      bytes, STACK, f.n);
		over = over || bytes > STACK;
	}
	ctnat_bpf__destroy(skel);
	if (over)
		fail_msg("a program needs more stack than kernels before 6.10 have");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_of_calls_fits_the_stack_of_old_kernels),
	};

	return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
