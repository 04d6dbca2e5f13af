// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a machine has good and bad moments, which last for seconds: neighbours on the same host,
 * clocks, caches. Slices are short beside them, and in each round everybody has one: so everybody
 * meets the same moments, and what is best for each was met in a good one. The order is random, so
 * that nobody always runs behind the same neighbour's caches.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "turns.h"

#define ENTRANTS_MAX 16
#define PATIENCE     2		/* times the rounds */

double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

double least(const struct samples *ns)
{
	return samples_quantile(ns, 1e-9);
}

double lower_quartile(const struct samples *ns)
{
	return samples_quantile(ns, 0.25);
}

static bool agrees(double ratio)
{
	return ratio >= CONTROL_MIN && ratio <= CONTROL_MAX;
}

struct control control_of(const struct entrant *entrants)
{
	const struct samples *a = &entrants[0].ns, *b = &entrants[1].ns;
	struct control control = {
		.least = least(b) / least(a),
		.quartile = lower_quartile(b) / lower_quartile(a),
	};

	control.by_quartile = !agrees(control.least) && agrees(control.quartile);
	control.holds = agrees(control.least) || agrees(control.quartile);
	return control;
}

static void shuffle(size_t *order, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t j = random() % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
}

static int slice_of(struct entrant *entrant, struct err *err)
{
	double ns;
	int ret = node_enter(&entrant->site->node, err);

	if (!ret)
		ret = entrant->slice(entrant, &ns, err);
	if (ret)
		return err_wrap(err, "%s", entrant->site->label);
	samples_add(&entrant->ns, ns);
	return 0;
}

static int round_of(struct entrant *entrants, size_t n, struct err *err)
{
	size_t order[ENTRANTS_MAX];
	int ret = 0;

	shuffle(order, n);
	for (size_t i = 0; !ret && i < n; i++)
		ret = slice_of(&entrants[order[i]], err);
	return ret;
}

/* The first slice of all finds cold caches and answers that nobody has learned yet. */
static int warm_up(struct entrant *entrants, size_t n, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n; i++)
		ret = site_meet_neighbours(entrants[i].site, err);
	if (!ret)
		ret = round_of(entrants, n, err);
	for (size_t i = 0; i < n; i++) {
		entrants[i].ns.n = entrants[i].asking.n = entrants[i].meeting.n = 0;
		entrants[i].frames = entrants[i].shortened = 0;
	}
	return ret;
}

int take_turns(struct entrant *entrants, size_t n, unsigned int rounds, const char *what,
	       struct err *err)
{
	int ret = warm_up(entrants, n, err);
	unsigned int round = 0;

	while (!ret && round < PATIENCE * rounds &&
	       (round < rounds || !agrees(control_of(entrants).least))) {
		ret = round_of(entrants, n, err);
		round++;
	}
	if (!ret)
		fprintf(stderr, "%-40s %u rounds, control %.3f (least), %.3f (quartile)\n", what,
			round, control_of(entrants).least, control_of(entrants).quartile);
	return ret ? err_wrap(err, "%s", what) : 0;
}
