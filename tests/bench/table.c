// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: of one flow, an answer of ctnat's cache is renewed once a second, which no slice shows.
 * Of many it matters how many packets a flow sends a second. So three kinds of slices are measured:
 * after which all answers were still good, before which they were older than a second (conntrack and
 * the FIB are asked), and before which the flows had not met the stack for MEET_SECONDS (they do).
 * They are weighed for flows that together send as fast as nftables masquerade can carry them: at
 * that rate R each of n flows sends R / n packets a second, of which one renews, and of those one
 * in MEET_SECONDS meets the stack. (In to a pod nothing meets it: both kinds are the same there.)
 *
 * conntrack's table belongs to all namespaces, and each site's flows make it slower for all others.
 * So not all sites have many flows at the same time.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/ctfill.h"
#include "results.h"
#include "table.h"

#define MANY	   100000
#define MANY_TURN  FLOWS_NEAR		/* one packet of each flow of one of the server's ports */
#define ONE_TURN   20000
#define TAKES	   3			/* of groups of which something is required */

#define MEET_SECONDS 4			/* as in bpf/flow.h */
#define FIRST_TURNS  2			/* each stream once: then both keep their step */
#define MEETS_NS     ((MEET_SECONDS + 0.1) * 1e9)

enum direction { OUT, IN, DIRECTIONS };
enum kind { UDP4, TCP4, UDP6, TCP6, KINDS };

/* What is said of a subject. Ratios are of the least slices; those to nftables masquerade also of the
 * lower quartiles. */
enum figure {
	LEAST,
	QUARTILE,
	NS,		/* of a packet */
	SHARE,		/* of packets that went the short way */
	ASKING,		/* slices that renew all answers in this way, to those that renew none */
	MEETING,
	FIGURES,
};

struct cell {
	double figure[FIGURES];
};

/* Of all placements, which share it. */
typedef struct takes cell_takes[FIGURES];
static cell_takes (*table)[KINDS][2][SUBJECTS];

static double unit_ns;

static const char *const direction_names[] = { "out", "in" };
static const char *const kind_names[] = { "IPv4 UDP", "IPv4 TCP", "IPv6 UDP", "IPv6 TCP" };

/* The first two are the control; ctnat is in the first group. */
static const enum subject everybody[] = {
	NFT, NFT_AGAIN, ROUTING, IPTABLES, CTNAT, CTNAT_UNCACHED, CTNAT_ASSISTED, CTNAT_OFF, WIRE,
};
static const enum subject with_many[] = { NFT, NFT_AGAIN, ROUTING, CTNAT, WIRE };
static const enum subject with_many_too[] = { NFT, NFT_AGAIN, IPTABLES, CTNAT_UNCACHED,
					      CTNAT_ASSISTED };

/* The flows of a turn: all, or those of one of the server's ports after those of the other. */
struct plan {
	struct stream streams[2];
	unsigned int n, frames;
	bool renews;
};

static struct plan plan_of(struct site *site, const struct flows *flows, enum direction direction)
{
	struct stream all = direction == OUT ? flows_out(site, flows) : flows_in(site, flows);
	struct plan plan = { .n = all.far.count, .frames = flows->n == 1 ? ONE_TURN : MANY_TURN };

	for (unsigned int i = 0; i < plan.n; i++) {
		plan.streams[i] = all;
		plan.streams[i].far = (struct ports){ all.far.first + i, 1 };
		if (all.learned)
			plan.streams[i].learned = all.learned + i * FLOWS_NEAR;
	}
	plan.renews = flows->n > 1 && (site == &sites[CTNAT] || site == &sites[CTNAT_ASSISTED]);
	return plan;
}

static int counted_turn(struct entrant *entrant, const struct stream *stream, unsigned int frames,
			struct err *err)
{
	unsigned long long before = site_shortened(entrant->site);
	int ret = times_inject(&entrant->ns, stream, frames, err);

	entrant->frames += frames + TAIL;
	entrant->shortened += site_shortened(entrant->site) - before;
	return ret;
}

/*
 * First the flows of the other stream: they met the stack half of the time ago, and their second is
 * over. Then those of this one, which are to meet it.
 */
static int renewing_turn(struct entrant *entrant, const struct plan *plan, struct err *err)
{
	const struct stream *own = &plan->streams[entrant->turns % plan->n];
	const struct stream *other = &plan->streams[(entrant->turns + 1) % plan->n];
	bool first = entrant->turns < FIRST_TURNS;
	double left = entrant->began + (first ? MEETS_NS : MEETS_NS / 2) - now_ns();
	int ret;

	usleep(left > 0 ? left / 1e3 : 0);
	entrant->began = now_ns();
	if (first)
		return inject(own, plan->frames, err);
	ret = times_inject(&entrant->asking, other, plan->frames, err);
	return ret ? ret : times_inject(&entrant->meeting, own, plan->frames, err);
}

static int turn(struct entrant *entrant, struct err *err)
{
	const struct plan *plan = entrant->what;
	const struct stream *stream = &plan->streams[entrant->turns % plan->n];
	int ret = plan->renews ? renewing_turn(entrant, plan, err) : 0;

	return ret ? ret : counted_turn(entrant, stream, plan->frames, err);
}

static bool renews(const struct entrant *entrant)
{
	return entrant->asking.slice[0].n && entrant->meeting.slice[0].n;
}

/* Of slices: with their share of renewing ones, for flows that send `rate` packets a second. */
static double weigh(const struct entrant *entrant, double (*of)(const struct times *ns),
		    double rate)
{
	double share = rate < MANY ? 1 : MANY / rate, usual = of(&entrant->ns), renewing;

	if (!renews(entrant))
		return usual;
	renewing = of(&entrant->asking) + (of(&entrant->meeting) - of(&entrant->asking)) / MEET_SECONDS;
	return usual + share * (renewing - usual);
}

static struct cell cell_of(const struct entrant *entrant, const struct entrant *nft)
{
	double rate = 1e9 / least(&nft->ns);
	double ns = weigh(entrant, least, rate);
	struct cell cell = {
		.figure[LEAST] = ns / least(&nft->ns),
		.figure[QUARTILE] = weigh(entrant, lower_quartile, rate) / lower_quartile(&nft->ns),
		.figure[NS] = ns,
	};

	if (entrant->frames)
		cell.figure[SHARE] = (double)entrant->shortened / entrant->frames;
	if (renews(entrant)) {
		cell.figure[ASKING] = least(&entrant->asking) / least(&entrant->ns);
		cell.figure[MEETING] = least(&entrant->meeting) / least(&entrant->ns);
	}
	return cell;
}

static struct ratio beside(const struct cell *a, const struct cell *b)
{
	return (struct ratio){
		.least = a->figure[LEAST] / b->figure[LEAST],
		.quartile = a->figure[QUARTILE] / b->figure[QUARTILE],
	};
}

/* `cells`: of all subjects. */
static void judge_cells(const struct entrant *control, const struct cell *cells,
			enum direction direction, enum kind kind, bool many)
{
	const struct cell *ctnat = &cells[CTNAT], *nft = &cells[NFT];
	const char *to = direction_names[direction], *of = kind_names[kind];
	bool v4 = kind == UDP4 || kind == TCP4;

	if (many) {
		judge(control, beside(ctnat, nft), 0.75, "%s, %s, %d flows", to, of, MANY);
		return;
	}
	judge(control, beside(ctnat, nft), !v4 ? 0.65 : direction == OUT ? 0.60 : 0.58,
	      "%s, %s, one flow", to, of);
	if (!v4)
		return;
	judge(control, beside(ctnat, &cells[WIRE]), 1.25, "%s, %s, beside the wire", to, of);
	judge(control, beside(ctnat, &cells[ROUTING]), 1.00, "%s, %s, beside routing without NAT",
	      to, of);
}

struct group {
	const enum subject *who;
	size_t n;
	const struct flows *flows;
	enum kind kind;
	unsigned int rounds;
	bool required;		/* something is, of ctnat, who is among them */
};

/* The flows are open. *decides: the control holds. If it does not, this is no result, but for the
 * last time. */
static int measure_direction(const struct group *group, enum direction direction, bool last_time,
			     bool *decides, struct err *err)
{
	static struct entrant entrants[SUBJECTS];
	static struct plan plans[SUBJECTS];
	struct cell cells[SUBJECTS] = { 0 };
	bool many = group->flows->n > 1;
	char what[64];
	int ret;

	for (size_t i = 0; i < group->n; i++) {
		plans[i] = plan_of(&sites[group->who[i]], group->flows, direction);
		entrants[i] = entrant_of(group->who[i], turn, &plans[i]);
	}
	snprintf(what, sizeof(what), "%s, %s, flows: %u", direction_names[direction],
		 kind_names[group->kind], group->flows->n);
	ret = take_turns(entrants, group->n, group->rounds, what, err);
	if (ret)
		return ret;
	for (size_t i = 0; i < group->n; i++)
		if (plans[i].renews && !renews(&entrants[i]))
			return err_set(err, -EAGAIN, "others carry what renews");
	*decides = control_of(entrants).holds;
	if (!*decides && !last_time)
		return 0;
	for (size_t i = 0; i < group->n; i++) {
		enum subject subject = group->who[i];

		cells[subject] = cell_of(&entrants[i], &entrants[0]);
		/* the control of those who were measured first is the one that is told */
		if (!group->required && subject <= NFT_AGAIN)
			continue;
		for (int figure = 0; figure < FIGURES; figure++)
			takes_add(&table[direction][group->kind][many][subject][figure],
				  cells[subject].figure[figure]);
	}
	if (!unit_ns)
		unit_ns = cells[NFT].figure[NS];
	if (group->required)
		judge_cells(entrants, cells, direction, group->kind, many);
	return 0;
}

/* Of two equals one has its entries where the caches like them less, and more rounds do not help:
 * where the control does not hold, the flows are opened anew. */
static int measure_group(const struct group *group, struct err *err)
{
	int takes = group->required ? TAKES : 1;
	bool decided[DIRECTIONS] = { false };
	struct site *at[SUBJECTS];
	int ret = 0;

	for (size_t i = 0; i < group->n; i++)
		at[i] = &sites[group->who[i]];
	for (int take = 1; take <= takes && !(decided[OUT] && decided[IN]); take++) {
		ret = flows_open(at, group->n, group->flows, err);
		for (int direction = 0; !ret && direction < DIRECTIONS; direction++) {
			if (!decided[direction])
				ret = measure_direction(group, direction, take == takes,
							&decided[direction], err);
		}
		if (ret)
			return ret;
	}
	return 0;
}

/* For those who are measured next. */
static int forget_flows(const enum subject *group, size_t n, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n; i++) {
		ret = node_enter(&sites[group[i]].node, err);
		if (!ret)
			ret = ctfill_flush(err);
	}
	return ret;
}

int table_open(struct err *err)
{
	table = results_memory(DIRECTIONS * sizeof(*table), err);
	return table ? 0 : -ENOMEM;
}

int table_measure(unsigned int rounds, bool everybody_else, struct err *err)
{
	int ret = 0;

	for (int kind = 0; !ret && kind < KINDS; kind++) {
		const struct flows one = { .v6 = kind >= UDP6, .tcp = kind & 1, .n = 1 };
		const struct flows many = { .v6 = one.v6, .tcp = one.tcp, .n = MANY };
		const struct group groups[] = {
			{ everybody, SUBJECTS, &one, kind, CHEAP * rounds, true },
			{ with_many, 5, &many, kind, rounds, true },
			{ with_many_too, 5, &many, kind, rounds, false },
		};

		ret = measure_group(&groups[0], err);
		if (!ret)
			ret = measure_group(&groups[1], err);
		if (!ret)
			ret = forget_flows(with_many, 5, err);
		if (!ret && everybody_else)
			ret = measure_group(&groups[2], err);
	}
	return ret;
}

double table_unit(void)
{
	return unit_ns;
}

/* ---- saying it ------------------------------------------------------------------------------- */

static double median(enum direction direction, enum kind kind, int many, enum subject subject,
		     enum figure figure)
{
	return takes_median(&table[direction][kind][many][subject][figure]);
}

static void say_row(enum direction direction, enum subject subject)
{
	printf("%-24s", subject_label(subject));
	for (int kind = 0; kind < KINDS; kind++) {
		for (int many = 0; many < 2; many++) {
			double ratio = median(direction, kind, many, subject, LEAST);

			if (ratio > 0)
				printf("  %4.2f %4.2f", ratio,
				       median(direction, kind, many, subject, QUARTILE));
			else
				printf("  %9s", "-");
		}
	}
	printf("\n");
}

static void say_direction(enum direction direction)
{
	printf("\n%-24s", direction_names[direction]);
	for (int kind = 0; kind < KINDS; kind++) {
		const struct flows flows = { .v6 = kind >= UDP6, .tcp = kind & 1, .n = 1 };
		struct stream stream = flows_out(&sites[NFT], &flows);

		printf("  %s, %u bytes   ", kind_names[kind], stream_frame_len(&stream));
	}
	printf("\n%-24s", "flows");
	for (int kind = 0; kind < KINDS; kind++)
		printf("  %9d  %9d", 1, MANY);
	printf("\n");
	for (size_t i = 0; i < SUBJECTS; i++)
		say_row(direction, everybody[i]);
}

/* Which way ctnat's packets went, and what renewing costs. */
static void say_ways(enum direction direction)
{
	static const struct {
		const char *text;
		enum figure figure;
		double unit;
	} rows[] = { { "  ctnat: short way, %", SHARE, 100 },
		     { "  asking / good answers", ASKING, 1 },
		     { "  meeting / good answers", MEETING, 1 } };

	for (size_t row = 0; row < 3; row++) {
		printf("%-24s", rows[row].text);
		for (int kind = 0; kind < KINDS; kind++) {
			for (int many = 0; many < 2; many++) {
				if (row && !many)
					printf("  %9s", "");
				else
					printf("  %9.2f", rows[row].unit *
					       median(direction, kind, many, CTNAT, rows[row].figure));
			}
		}
		printf("\n");
	}
}

void table_say(void)
{
	printf("\nEach figure: ratio to nftables masquerade of the least slices, and of the lower "
	       "quartiles;\nthe median of %d placements; all frames arrived. %d flows send together as "
	       "fast as nftables\nmasquerade carries them; so 1 of %.0f packets renews its flow's "
	       "answer (IPv4 UDP out).\n", PLACEMENTS, MANY,
	       1e9 / median(OUT, UDP4, 1, NFT, NS) / MANY);
	for (int direction = 0; direction < DIRECTIONS; direction++) {
		say_direction(direction);
		say_ways(direction);
	}
}
