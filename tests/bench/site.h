/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_SITE_H
#define CTNAT_BENCH_SITE_H

/*
 * A node with one pod, and what lies around it. Addresses and devices are the same at every site,
 * so that who forwards is the only difference:
 *
 *	pod eth0 --- veth -- [ node ] -- eth0 (the uplink) --- eth0 world
 *	                        '------- across -------------- eth0 side, which is no uplink
 */
#include <stdbool.h>

#include "lib/lab.h"

#define POD4	"10.244.1.5"
#define POD6	"fd00:10:244:1::5"
#define NODE4	"192.0.2.1"
#define NODE6	"2001:db8:2::1"
#define SERVER4 "198.51.100.1"		/* in the world */
#define SERVER6 "2001:db8:51::1"
#define SIDE4	"203.0.113.2"

/* A device of the node, and whom it is a cable to. */
struct cable {
	int ifindex;
	unsigned char mac[6];
	int far_netns;			/* fd */
	int far_ifindex;
	unsigned char far_mac[6];
};

#define SITE_FLOWS 100000	/* FLOWS_MAX of inject.bpf.c */

struct site {
	const char *label;
	struct node node;
	struct cable veth, uplink, across;
	bool translates;
	int stats;		/* ctnat's map, or -1 */
	/* The source port of each flow, as the server sees it. */
	unsigned short seen_ports[SITE_FLOWS];
};

/*
 * What ctnat is told. Its limit of unanswered flows is so high that it is checked and never met.
 * THE_POD asks for the addresses above.
 */
#define THE_POD "\"runtimeConfig\":{\"ips\":[\"" POD4 "/17\",\"" POD6 "/64\"]},"
#define NETWORK(keys)                                                             \
	"{\"cniVersion\":\"1.0.0\",\"name\":\"bench\",\"type\":\"ctnat\","         \
	"\"insertLimit\":1000000000," keys                                        \
	"\"ipam\":{\"type\":\"ctnat\",\"ranges\":[[{\"subnet\":\"10.244.0.0/17\"}]," \
	"[{\"subnet\":\"fd00:10:244:1::/64\"}]],"                                 \
	"\"routes\":[{\"dst\":\"0.0.0.0/0\"},{\"dst\":\"::/0\"}]}}"

/* What a site is made of. */
struct recipe {
	const char *label;
	const char *rules;	/* a shell's commands in the node that make it translate; or NULL */
	const char *network;	/* of the plugin that makes the pod; NULL: by hand */
	bool translates;
};

/* `plugin` is the path of ctnat. The process is in `home` before and after; if this fails, it may
 * be anywhere. */
int site_make(const struct node *home, const struct recipe *recipe, const char *plugin,
	      struct site *site, struct err *err);

/* The kernel forgets neighbours that were not asked for in a minute, and then loses some of the
 * first frames: to be called before frames come again. Leaves the process in the site's node. */
int site_meet_neighbours(const struct site *site, struct err *err);

/* Packets that went ctnat's short way at this site, ever; 0 at others'. */
unsigned long long site_shortened(const struct site *site);

/* Runs a shell's commands where the process is. */
int shell(const char *commands, struct err *err);

#endif
