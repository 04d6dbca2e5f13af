// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a machine has good and bad moments: neighbours on the same host, clocks, caches. Some last
 * for seconds; in each round everybody has a turn, so everybody meets the same ones. Most last for
 * milliseconds, in which a packet costs up to half as much again: a slice must be as short, or none
 * lies in a good moment as a whole, and what is the least of each is a matter of luck. So a turn is
 * cut into slices. Slices with the same number are of the same flows or entries; what they would
 * take if each were met in its best moment is what is compared. The order is random, so that nobody
 * always runs behind the same neighbour's caches.
 */
#include <errno.h>
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

void times_add(struct times *times, const double *ns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		samples_add(&times->slice[i], ns[i]);
}

int times_inject(struct times *times, const struct stream *stream, unsigned int frames,
		 struct err *err)
{
	double ns[SLICES];
	int ret = inject_slices(stream, frames, ns, err);

	if (!ret)
		times_add(times, ns, SLICES);
	return ret < 0 ? ret : 0;
}

static double mean_quantile(const struct times *times, double q)
{
	double sum = 0;
	size_t n = 0;

	while (n < SLICES && times->slice[n].n)
		sum += samples_quantile(&times->slice[n++], q);
	return n ? sum / n : 0;
}

double least(const struct times *times)
{
	return mean_quantile(times, 1e-9);
}

double lower_quartile(const struct times *times)
{
	return mean_quantile(times, 0.25);
}

bool agrees(double control)
{
	return control >= CONTROL_MIN && control <= CONTROL_MAX;
}

struct control control_of(const struct entrant *entrants)
{
	const struct times *a = &entrants[0].ns, *b = &entrants[1].ns;
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

static int turn_of(struct entrant *entrant, struct err *err)
{
	int ret = node_enter(&entrant->site->node, err);

	if (!ret)
		ret = entrant->turn(entrant, err);
	entrant->turns++;
	return ret ? err_wrap(err, "%s", entrant->site->label) : 0;
}

static int round_of(struct entrant *entrants, size_t n, struct err *err)
{
	size_t order[ENTRANTS_MAX];
	int ret = 0;

	shuffle(order, n);
	for (size_t i = 0; !ret && i < n; i++)
		ret = turn_of(&entrants[order[i]], err);
	return ret;
}

/* The first turn finds cold caches and answers that nobody has learned yet: it does not count. */
static int warm_up(struct entrant *entrants, size_t n, struct err *err)
{
	static const struct times none;
	int ret = 0;

	for (size_t i = 0; !ret && i < n; i++)
		ret = site_meet_neighbours(entrants[i].site, err);
	if (!ret)
		ret = round_of(entrants, n, err);
	for (size_t i = 0; i < n; i++) {
		entrants[i].ns = entrants[i].asking = entrants[i].meeting = none;
		entrants[i].frames = entrants[i].shortened = entrants[i].turns = 0;
	}
	return ret;
}

/* Turns whose frames others have carried gave nothing. */
static int have_times(const struct entrant *entrants, size_t n, unsigned int rounds, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (entrants[i].ns.slice[0].n < rounds / 2)
			return err_set(err, -EAGAIN, "%s: others carry the frames, again and again",
				       entrants[i].site->label);
	return 0;
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
		ret = have_times(entrants, n, rounds, err);
	if (!ret)
		fprintf(stderr, "%-40s %u rounds, control %.3f (least), %.3f (quartile)\n", what,
			round, control_of(entrants).least, control_of(entrants).quartile);
	return ret ? err_wrap(err, "%s", what) : 0;
}
