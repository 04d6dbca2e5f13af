// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "kern/bpfobj.h"
#include "lib/ctfill.h"
#include "results.h"
#include "rows.h"

#define FRAMES	      20000	/* of a turn */
#define NODE_PORT     9000	/* of the node's own socket */
#define PEER_PORT     9999	/* no pod's flow is with that */
#define PASSAGE_TURNS 5	/* in one: both sides are but hundredths apart */

#define CROWDS	      4
#define CROWD_ENTRIES 250000

/* ---- first packets --------------------------------------------------------------------------- */

/* There are more flows than frames: each has one. */
static int first_packets(struct entrant *entrant, struct err *err)
{
	const struct flows flows = { .n = FLOWS_NEAR };
	const struct stream stream = flows_out(entrant->site, &flows);
	int ret = ctfill_flush(err);

	return ret ? ret : times_inject(&entrant->ns, &stream, FRAMES, err);
}

int rows_first_packets(unsigned int rounds, struct err *err)
{
	static const enum subject who[] = { NFT, NFT_AGAIN, IPTABLES, CTNAT, CTNAT_ASSISTED };
	static struct entrant entrants[5];
	int ret;

	for (size_t i = 0; i < 5; i++)
		entrants[i] = entrant_of(who[i], first_packets, NULL);
	ret = take_turns(entrants, 5, rounds, "first packets", err);
	if (ret)
		return ret;
	note_ratios("First packets: each a new UDP flow, IPv4", entrants, 5);
	judge(entrants, ratio_of(&entrants[3], &entrants[0]), 1.15, "first packets");
	return 0;
}

/* ---- what is not ours ------------------------------------------------------------------------ */

static int one_stream(struct entrant *entrant, struct err *err)
{
	return times_inject(&entrant->ns, entrant->what, FRAMES, err);
}

static int passages(struct entrant *entrant, struct err *err)
{
	int ret = 0;

	for (int i = 0; !ret && i < PASSAGE_TURNS; i++)
		ret = one_stream(entrant, err);
	return ret;
}

static const char not_ours[] = "Not ours: one UDP flow, beside the same node without programs there";

/*
 * To the node itself, through it into another network, and from there. What comes to a port that a
 * pod's flow has left by, too, as answers to the node's own requests may, is looked up once a packet.
 */
enum passage { TO_NODE, TO_SHARED_PORT, INWARD, OUTWARD, PASSAGES };

static const char *const passage_titles[] = {
	"to a socket of the node",
	"to a socket, on a port that pods use, too",
	"through the node, in by the uplink",
	"through the node, out by the uplink",
};

static struct stream passage_of(const struct site *site, enum passage passage)
{
	const struct stream streams[PASSAGES] = {
		[TO_NODE] = { .at = &site->uplink, .src = SERVER4, .dst = NODE4,
			      .arrives_at = NODE4 },
		[TO_SHARED_PORT] = { .at = &site->uplink, .src = SERVER4, .dst = NODE4,
				     .arrives_at = NODE4 },
		[INWARD] = { .at = &site->uplink, .src = SERVER4, .dst = SIDE4,
			     .arrives_at = SIDE4 },
		[OUTWARD] = { .at = &site->across, .src = SIDE4, .dst = SERVER4,
			      .arrives_from = SIDE4 },
	};
	struct stream stream = streams[passage];

	stream.near = (struct ports){ passage == TO_SHARED_PORT ? NEAR_FIRST : NODE_PORT, 1 };
	stream.far = (struct ports){ PEER_PORT, 1 };
	return stream;
}

/* On the uplink of the node that we are in. */
static int set_programs(const struct site *site, bool on, struct err *err)
{
	int ret = 0;

	for (enum tc_prog prog = TC_FROM_UPLINK; prog <= TC_TO_UPLINK && !ret; prog++)
		ret = on ? bpfobj_attach(site->uplink.ifindex, prog, TC_TCX, err)
			 : tc_detach(site->uplink.ifindex, prog, err);
	return ret;
}

static int bare(struct entrant *entrant, struct err *err)
{
	int ret = set_programs(entrant->site, false, err);

	return ret ? ret : passages(entrant, err);
}

static int idle(struct entrant *entrant, struct err *err)
{
	int ret = idle_attach(&entrant->site->uplink, err);

	return ret ? ret : passages(entrant, err);
}

static int ours(struct entrant *entrant, struct err *err)
{
	int ret = set_programs(entrant->site, true, err);

	return ret ? ret : passages(entrant, err);
}

enum how { BARE, BARE_AGAIN, IDLE, OURS, HOWS };

/*
 * By turns on one node: two that are made alike differ by where the kernel has put what they consist
 * of, and that by more than the programs cost. Of what they cost, the larger part is the kernel's
 * own, for calling any: programs that only return are shown beside them.
 */
static int measure_passage(enum passage passage, unsigned int rounds, struct err *err)
{
	static int (*const turns[HOWS])(struct entrant *, struct err *) = {
		[BARE] = bare, [BARE_AGAIN] = bare, [IDLE] = idle, [OURS] = ours,
	};
	const struct stream stream = passage_of(&sites[CTNAT], passage);
	const char *title = passage_titles[passage];
	static struct entrant entrants[HOWS];
	char label[72];
	int ret;

	for (size_t i = 0; i < HOWS; i++)
		entrants[i] = entrant_of(CTNAT, turns[i], &stream);
	ret = take_turns(entrants, HOWS, rounds, title, err);
	if (!ret)
		ret = node_enter(&sites[CTNAT].node, err);
	if (!ret)
		ret = set_programs(&sites[CTNAT], true, err);
	if (ret)
		return ret;
	note_ratio(not_ours, title, ratio_of(&entrants[OURS], &entrants[BARE]));
	snprintf(label, sizeof(label), "%s: programs that only return", title);
	note_ratio(not_ours, label, ratio_of(&entrants[IDLE], &entrants[BARE]));
	judge(entrants, ratio_of(&entrants[OURS], &entrants[BARE]), 1.05, "%s", title);
	return 0;
}

static int open_socket(const struct site *site, __u16 port, struct err *err)
{
	struct sockaddr_in self = { .sin_family = AF_INET, .sin_port = htons(port) };
	_cleanup_close_ int fd = -1;
	int ret = node_enter(&site->node, err);

	if (ret)
		return ret;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0)
		return err_set(err, -errno, "open a socket of the node");
	ret = sink_socket(fd, err);
	return ret ? ret : TAKE_FD(fd);
}

int rows_not_ours(unsigned int rounds, struct err *err)
{
	_cleanup_close_ int own = -EBADF, shared = -EBADF;
	struct site *site = &sites[CTNAT];
	const struct flows pods = { .n = 1 };
	int ret = flows_open(&site, 1, &pods, err);	/* by NEAR_FIRST */

	if (ret)
		return ret;
	own = open_socket(site, NODE_PORT, err);
	shared = own < 0 ? own : open_socket(site, NEAR_FIRST, err);
	if (shared < 0)
		return shared;
	for (int i = 0; !ret && i < PASSAGES; i++)
		ret = measure_passage(i, rounds, err);
	return ret;
}

/* ---- the full table -------------------------------------------------------------------------- */

static int fill_crowds(struct err *err)
{
	struct node home, crowds[CROWDS];
	int ret = node_current(&home, err);

	for (size_t i = 0; !ret && i < CROWDS; i++) {
		ret = node_make(&home, &crowds[i], err);
		if (!ret)
			ret = node_enter(&crowds[i], err);
		if (!ret)
			ret = ctfill(CROWD_ENTRIES, err);
		if (!ret)
			ret = node_enter(&home, err);
	}
	return ret;
}

/* Of an entry, as the slab allocator says; 0: it does not. */
static unsigned int entry_size(void)
{
	FILE *file = fopen("/proc/slabinfo", "r");
	unsigned int size = 0;
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "nf_conntrack %*u %*u %u", &size) == 1)
			break;
	}
	if (file)
		fclose(file);
	return size;
}

#define FULL_TABLE 5

static int measure_one_flow(struct entrant entrants[FULL_TABLE], unsigned int rounds,
			    const char *what, struct err *err)
{
	static const enum subject who[FULL_TABLE] = { WIRE, WIRE, NFT, CTNAT, CTNAT_UNCACHED };
	static struct stream streams[FULL_TABLE];
	const struct flows flows = { .n = 1 };
	struct site *at[FULL_TABLE - 1];
	int ret;

	for (size_t i = 0; i < FULL_TABLE; i++) {
		streams[i] = flows_out(&sites[who[i]], &flows);
		entrants[i] = entrant_of(who[i], one_stream, &streams[i]);
		if (i)
			at[i - 1] = &sites[who[i]];
	}
	ret = flows_open(at, FULL_TABLE - 1, &flows, err);
	return ret ? ret : take_turns(entrants, FULL_TABLE, rounds, what, err);
}

/* What the wire costs does not depend on the table: so each time is measured beside it. */
int rows_full_table(unsigned int rounds, struct err *err)
{
	static struct entrant before[FULL_TABLE], after[FULL_TABLE];
	char title[128];
	int ret = measure_one_flow(before, rounds, "one flow, alone", err);

	if (!ret)
		ret = fill_crowds(err);
	if (!ret)
		ret = measure_one_flow(after, rounds, "one flow, full table", err);
	if (ret)
		return ret;
	snprintf(title, sizeof(title), "One UDP flow out, IPv4, with %d entries of %d other "
		 "namespaces (%.0f MB), beside none", CROWDS * CROWD_ENTRIES, CROWDS,
		 1e-6 * CROWDS * CROWD_ENTRIES * entry_size());
	for (size_t i = 2; i < FULL_TABLE; i++) {
		struct ratio alone = ratio_of(&before[i], &before[0]);
		struct ratio full = ratio_of(&after[i], &after[0]);
		struct ratio ratio = { full.least / alone.least, full.quartile / alone.quartile };

		note_ratio(title, after[i].site->label, ratio);
		if (after[i].site == &sites[CTNAT])
			judge(after, ratio, 1.3, "ctnat, full table / alone");
	}
	return 0;
}
