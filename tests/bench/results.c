// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "results.h"

#define ROWS_MAX 64

struct row {
	char title[128], label[72];
	struct takes least, quartile;
	bool is_control;
};

struct demand {
	char what[64];
	double limit;
	struct takes all, controls;	/* of every placement */
	struct takes holding;		/* of those whose control holds */
};

static struct results {
	struct row rows[ROWS_MAX];
	struct demand demands[ROWS_MAX];
} *results;

void takes_add(struct takes *takes, double value)
{
	if (takes->n < ROW_PLACEMENTS)
		takes->value[takes->n++] = value;
}

double takes_median(const struct takes *takes)
{
	struct samples samples = { 0 };

	for (unsigned int i = 0; i < takes->n; i++)
		samples_add(&samples, takes->value[i]);
	return samples_quantile(&samples, 0.51);	/* of two the greater */
}

void *results_memory(size_t size, struct err *err)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory != MAP_FAILED)
		return memory;
	err_set(err, -errno, "memory for results");
	return NULL;
}

int results_open(struct err *err)
{
	results = results_memory(sizeof(*results), err);
	return results ? 0 : -ENOMEM;
}

struct ratio ratio_of(const struct entrant *a, const struct entrant *b)
{
	return (struct ratio){
		.least = least(&a->ns) / least(&b->ns),
		.quartile = lower_quartile(&a->ns) / lower_quartile(&b->ns),
	};
}

/* That with these texts, or the next free one, which gets them. */
static struct row *row_of(const char *title, const char *label)
{
	for (struct row *row = results->rows; row < results->rows + ROWS_MAX; row++) {
		if (!row->title[0]) {
			snprintf(row->title, sizeof(row->title), "%s", title);
			snprintf(row->label, sizeof(row->label), "%s", label);
		}
		if (!strcmp(row->title, title) && !strcmp(row->label, label))
			return row;
	}
	abort();
}

static struct demand *demand_of(const char *what, double limit)
{
	struct demand *demand = results->demands;

	for (; demand < results->demands + ROWS_MAX; demand++) {
		if (!demand->what[0])
			snprintf(demand->what, sizeof(demand->what), "%s", what);
		if (!strcmp(demand->what, what)) {
			demand->limit = limit;
			return demand;
		}
	}
	abort();
}

void note_ratio(const char *title, const char *label, struct ratio ratio)
{
	struct row *row = row_of(title, label);

	takes_add(&row->least, ratio.least);
	takes_add(&row->quartile, ratio.quartile);
}

void note_ratios(const char *title, const struct entrant *entrants, size_t n)
{
	for (size_t i = 0; i < n; i++)
		note_ratio(title, entrants[i].site->label, ratio_of(&entrants[i], &entrants[0]));
	row_of(title, entrants[1].site->label)->is_control = true;
}

void judge(const struct entrant *entrants, struct ratio ratio, double limit, const char *fmt, ...)
{
	struct control control = control_of(entrants);
	double value = control.by_quartile ? ratio.quartile : ratio.least;
	struct demand *demand;
	char what[64];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	demand = demand_of(what, limit);
	takes_add(&demand->all, value);
	takes_add(&demand->controls, control.by_quartile ? control.quartile : control.least);
	if (control.holds)
		takes_add(&demand->holding, value);
	fprintf(stderr, "  %-48s %5.3f%s\n", what, value, control.holds ? "" : " (decides nothing)");
}

static void say_rows(void)
{
	const char *title = "";

	for (const struct row *row = results->rows;
	     row < results->rows + ROWS_MAX && row->title[0]; row++) {
		double by_least = takes_median(&row->least);
		double by_quartile = takes_median(&row->quartile);
		bool differs = row->is_control && !agrees(by_least) && !agrees(by_quartile);

		if (strcmp(row->title, title))
			printf("\n%-72s  least  quartile\n", row->title);
		title = row->title;
		printf("  %-72s %4.2f  %4.2f%s\n", row->label, by_least, by_quartile,
		       differs ? "  inconclusive" : "");
	}
}

static void say_takes(const struct takes *takes)
{
	for (unsigned int i = 0; i < takes->n; i++)
		printf(" %.2f", takes->value[i]);
}

static enum verdict verdict_of(const struct demand *demand)
{
	if (2 * demand->holding.n <= demand->all.n)
		return VERDICT_INCONCLUSIVE;
	return takes_median(&demand->holding) <= demand->limit ? VERDICT_KEPT : VERDICT_MISSED;
}

static void say_demand(const struct demand *demand)
{
	static const char *const words[] = {
		[VERDICT_KEPT] = "PASS", [VERDICT_MISSED] = "FAIL", [VERDICT_INCONCLUSIVE] = "????",
	};
	const struct takes *takes = demand->holding.n ? &demand->holding : &demand->all;

	printf("%s  %-48s %5.3f  (at most %.2f; of", words[verdict_of(demand)], demand->what,
	       takes_median(takes), demand->limit);
	say_takes(&demand->all);
	printf("; controls");
	say_takes(&demand->controls);
	printf(")\n");
}

enum verdict results_say(void)
{
	bool missed = false, undecided = false;

	say_rows();
	printf("\n");
	for (const struct demand *demand = results->demands;
	     demand < results->demands + ROWS_MAX && demand->what[0]; demand++) {
		say_demand(demand);
		missed |= verdict_of(demand) == VERDICT_MISSED;
		undecided |= verdict_of(demand) == VERDICT_INCONCLUSIVE;
	}
	if (missed)
		return VERDICT_MISSED;
	return undecided ? VERDICT_INCONCLUSIVE : VERDICT_KEPT;
}
