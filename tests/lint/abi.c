// SPDX-License-Identifier: Apache-2.0
/*
 * The layout of every pinned map, as text, against tests/lint/abi.golden. Read from the BTF of the
 * built object, so that no structure and no field can be forgotten. Two sections, each under its
 * number of abi.h:
 *
 *	records N	pods, attachments: outlive an upgrade
 *	datapath N	all other maps, and the numbers that stand in them
 *
 * A section that differs under its old number has changed what plugins of another age find in the
 * maps: give it a new number first. Then, and only then, `abi --write` writes the file anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "abi.h"
#include "maps.skel.h"

#define GOLDEN	"tests/lint/abi.golden"
#define TESTS	"tests/bpf/test_*.c"

struct section {
	const char *name;
	unsigned int number;
	char text[1 << 15];
	size_t len;
};

static struct section records = { .name = "records", .number = ABI_RECORDS };
static struct section datapath = { .name = "datapath", .number = ABI_DATAPATH };

static void __attribute__((format(printf, 2, 3))) say(struct section *s, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(s->text + s->len, sizeof(s->text) - s->len, fmt, args);
	va_end(args);
	assert_true(n >= 0 && s->len + n < sizeof(s->text));
	s->len += n;
}

/* ---- what the object says --------------------------------------------------------------------------- */

static const struct btf_type *resolve(const struct btf *btf, __u32 id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (btf_is_array(t) || btf_is_mod(t) || btf_is_typedef(t))
		t = btf__type_by_id(btf, btf_is_array(t) ? btf_array(t)->type : t->type);
	return t;
}

/* Writes a structure and those within it, each once in both sections together. */
static void say_struct(struct section *s, const struct btf *btf, const struct btf_type *t)
{
	const char *name = btf__name_by_offset(btf, t->name_off);
	char head[128];

	if (!btf_is_struct(t))
		return;
	snprintf(head, sizeof(head), "struct %s %u\n", name, t->size);
	if (strstr(records.text, head) || strstr(datapath.text, head))
		return;
	say(s, "%s", head);
	for (__u32 i = 0; i < btf_vlen(t); i++) {
		const struct btf_member *m = &btf_members(t)[i];

		say(s, "\t%4u %4lld  %s\n", btf_member_bit_offset(t, i) / 8, (long long)btf__resolve_size(btf, m->type),
		    btf__name_by_offset(btf, m->name_off));
	}
	for (__u32 i = 0; i < btf_vlen(t); i++)
		say_struct(s, btf, resolve(btf, btf_members(t)[i].type));
}

static void say_maps(void)
{
	struct maps_bpf *skel = maps_bpf__open();
	struct bpf_map *map;

	assert_non_null(skel);
	bpf_object__for_each_map(map, skel->obj) {
		const struct btf *btf = bpf_object__btf(skel->obj);
		const char *name = bpf_map__name(map);
		struct section *s = !strcmp(name, "pods") || !strcmp(name, "attachments") ? &records : &datapath;

		if (bpf_map__is_internal(map))
			continue;
		say(s, "map %s: %s, key %u, value %u, entries %u, flags %u\n", name,
		    libbpf_bpf_map_type_str(bpf_map__type(map)), bpf_map__key_size(map), bpf_map__value_size(map),
		    bpf_map__max_entries(map), bpf_map__map_flags(map));
		say_struct(s, btf, resolve(btf, bpf_map__btf_key_type_id(map)));
		say_struct(s, btf, resolve(btf, bpf_map__btf_value_type_id(map)));
	}
	maps_bpf__destroy(skel);
}

/* Fields hold these as plain numbers, so BTF does not know their names. */
static void say_numbers(void)
{
	static const unsigned int codes[] = OUTCOME_CODES;

#define SAY(s, constant) say(s, "%s = %d\n", #constant, (int)(constant))
#define SAY_REASON(id, name, what) say(&datapath, "reason %d: %s\n", REASON_##id, name);
	SAY(&records, STATE_PENDING);
	SAY(&records, STATE_READY);
	SAY(&records, STATE_DYING);
	SAY(&records, POD_SHAPED);
	SAY(&records, POD_DELEGATED);
	SAY(&datapath, CLASS_BPF);
	SAY(&datapath, CLASS_KERNEL);
	SAY(&datapath, CLASS_SERVICE);
	SAY(&datapath, CLASS_LEAVE);
	SAY(&datapath, LEVEL_NONE);
	SAY(&datapath, LEVEL_FULL);
	SAY(&datapath, LEVEL_ASSISTED);
	SAY(&datapath, LEVEL_NFTABLES);
	SAY(&datapath, OWNER_CONFLIST);
	SAY(&datapath, OWNER_AGENT);
	SAY(&datapath, UPLINK_ETHERNET);
	for (unsigned int i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		say(&datapath, "outcome %u: %u\n", i, codes[i]);
	REASONS(SAY_REASON)
#undef SAY
#undef SAY_REASON
}

static void describe(void)
{
	say(&records, "records %u\n", records.number);
	say(&datapath, "datapath %u\n", datapath.number);
	say_maps();
	say_numbers();
}

/* ---- against the file ------------------------------------------------------------------------------- */

static char golden[1 << 16];

static void read_golden(void)
{
	FILE *file = fopen(GOLDEN, "r");

	golden[0] = '\0';
	if (!file)
		return;
	golden[fread(golden, 1, sizeof(golden) - 1, file)] = '\0';
	fclose(file);
}

/* Where the section begins in the file, and its number there; NULL: not in the file. */
static const char *find_section(const struct section *s, unsigned int *number)
{
	char head[32];
	const char *at;

	snprintf(head, sizeof(head), "%s ", s->name);
	for (at = golden; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, head, strlen(head)))
			return sscanf(at + strlen(head), "%u", number) == 1 ? at : NULL;
	}
	return NULL;
}

/* NULL: as in the file. Else what is to be done about it. */
static const char *verdict(const struct section *s)
{
	unsigned int number = 0;
	const char *at = find_section(s, &number);

	if (!at)
		return "is not in " GOLDEN ": run abi --write";
	if (!strncmp(at, s->text, s->len) && (!at[s->len] || at[s->len] == '\n'))
		return NULL;
	if (number == s->number)
		return "has changed under its old number: give it a new one in bpf/abi.h";
	return "has a new number: run abi --write";
}

/* The first line of the section that the file does not have there. */
static const char *differing(const struct section *s)
{
	unsigned int number;
	const char *at = find_section(s, &number), *line = s->text;

	for (const char *c = s->text; at && *c && *c == *at; c++, at++) {
		if (*c == '\n')
			line = c + 1;
	}
	return line;
}

static void layout_is_as_agreed(void **state)
{
	struct section *s = *state;
	const char *what = verdict(s);

	if (what)
		fail_msg("the ABI of the %s %s. The first line that differs: '%.*s'", s->name, what,
			 (int)strcspn(differing(s), "\n"), differing(s));
}

/* A reason that no test sees might as well not exist. */
static void each_reason_has_a_test(void **state)
{
	static const char *const ids[] = {
#define REASON_ID(id, name, what) "REASON_" #id,
		REASONS(REASON_ID)
#undef REASON_ID
	};
	static char text[1 << 18];
	size_t len = 0;
	glob_t files;

	(void)state;
	assert_int_equal(glob(TESTS, 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		FILE *file = fopen(files.gl_pathv[i], "r");

		assert_non_null(file);
		len += fread(text + len, 1, sizeof(text) - 1 - len, file);
		assert_true(len < sizeof(text) - 1);
		fclose(file);
	}
	globfree(&files);
	for (size_t i = 0; i < REASON_MAX; i++) {
		const char *at = text;
		size_t n = strlen(ids[i]);

		/* Passed to something, so not as the beginning of a longer name. */
		while ((at = strstr(at, ids[i])) && at[n] != ')')
			at += n;
		/* `revived` is counted beside another: dp_pod_reopens(). */
		if (!at && i != REASON_PASS_REVIVED)
			fail_msg("no test in " TESTS " expects %s", ids[i]);
	}
}

static int write_golden(void)
{
	const struct section *sections[] = { &records, &datapath };
	unsigned int number;
	FILE *file;

	for (size_t i = 0; i < 2; i++) {
		if (verdict(sections[i]) && find_section(sections[i], &number) && number == sections[i]->number) {
			fprintf(stderr, "abi: the %s %s\n", sections[i]->name, verdict(sections[i]));
			return 1;
		}
	}
	file = fopen(GOLDEN, "w");
	if (!file || fprintf(file, "%s\n%s", records.text, datapath.text) < 0 || fclose(file)) {
		perror(GOLDEN);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		{ "records_are_as_agreed", layout_is_as_agreed, NULL, NULL, &records },
		{ "datapath_is_as_agreed", layout_is_as_agreed, NULL, NULL, &datapath },
		cmocka_unit_test(each_reason_has_a_test),
	};

	read_golden();
	describe();
	if (argc > 1 && !strcmp(argv[1], "--write"))
		return write_golden();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
