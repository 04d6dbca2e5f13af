// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: each peer's rule is what its user would write for a node of these pods.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/err.h"
#include "subjects.h"

#define NFT_RULES \
	"nft -f - <<-END\n" \
	"table inet nat {\n" \
	"	chain postrouting {\n" \
	"		type nat hook postrouting priority srcnat\n" \
	"		ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 masquerade\n" \
	"		ip6 saddr fd00:10:244::/48 ip6 daddr != fd00:10:244::/48 masquerade\n" \
	"	}\n" \
	"}\n" \
	"END\n"

/* Of the two kinds of iptables the one that is not nftables in disguise, if the kernel has it. */
#define IPTABLES_CHOICE \
	"kind=; ! iptables-legacy -t nat -L >/dev/null 2>&1 || kind=-legacy\n"
#define IPTABLES_RULES \
	IPTABLES_CHOICE \
	"iptables$kind -t nat -A POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 \\\n" \
	"	-j MASQUERADE &&\n" \
	"ip6tables$kind -t nat -A POSTROUTING -s fd00:10:244::/48 ! -d fd00:10:244::/48 \\\n" \
	"	-j MASQUERADE\n"

#define KIND(key, value) NETWORK(THE_POD "\"" key "\":\"" value "\",")

static const struct recipe recipes[SUBJECTS] = {
	[NFT] = { "nftables masquerade", NFT_RULES, NULL, true },
	[NFT_AGAIN] = { "  the same again (A/A)", NFT_RULES, NULL, true },
	[ROUTING] = { "routing without NAT", NULL, NULL, false },
	[IPTABLES] = { "iptables masquerade", IPTABLES_RULES, NULL, true },
	[CTNAT] = { "ctnat", NULL, KIND("shortWay", "cached"), true },
	[CTNAT_UNCACHED] = { "ctnat, uncached", NULL, KIND("shortWay", "uncached"), true },
	[CTNAT_ASSISTED] = { "ctnat, assisted", NULL, KIND("datapath", "assisted"), true },
	[CTNAT_OFF] = { "ctnat, short way off", NULL, KIND("shortWay", "off"), true },
	[WIRE] = { "the wire", NULL, NULL, false },
};

struct site sites[SUBJECTS];

static struct node home;

const char *subject_label(enum subject subject)
{
	return recipes[subject].label;
}

struct entrant entrant_of(enum subject subject,
			  int (*turn)(struct entrant *entrant, struct err *err),
			  const void *what)
{
	return (struct entrant){ .site = &sites[subject], .turn = turn, .what = what };
}

/* Paths become absolute, because a process that enters a node starts again at "/". */
static int find_plugin(char path[PATH_MAX], struct err *err)
{
	const char *build = getenv("BUILD") ?: "build", *ctnat = getenv("CTNAT");
	char given[PATH_MAX];

	snprintf(given, sizeof(given), "%s%s", ctnat ?: build, ctnat ? "" : "/ctnat");
	return realpath(given, path) ? 0 : err_set(err, -errno, "no program '%s'", given);
}

static int attach_sinks(const struct site *site, struct err *err)
{
	int ret = sink_attach(&site->veth, err);

	if (!ret)
		ret = sink_attach(&site->uplink, err);
	return ret ? ret : sink_attach(&site->across, err);
}

static int for_each_device(int (*fn)(const struct cable *cable, struct err *err), struct err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < SUBJECTS; i++) {
		const struct site *site = &sites[i];

		if ((ret = node_enter(&site->node, err)) || (ret = fn(&site->veth, err)) ||
		    (ret = fn(&site->uplink, err)) || (ret = fn(&site->across, err)))
			return err_wrap(err, "%s", site->label);
	}
	return ret;
}

int subjects_arm(struct err *err)
{
	return for_each_device(inject_arm, err);
}

int subjects_disarm(struct err *err)
{
	return for_each_device(inject_disarm, err);
}

int subjects_make(struct err *err)
{
	char plugin[PATH_MAX];
	int ret = find_plugin(plugin, err);

	if (!ret)
		ret = node_current(&home, err);
	for (size_t i = 0; !ret && i < SUBJECTS; i++) {
		ret = site_make(&home, &recipes[i], plugin, &sites[i], err);
		if (!ret)
			ret = node_enter(&sites[i].node, err);
		if (!ret && i == WIRE)
			ret = wire_attach(&sites[i], err);
		if (!ret)
			ret = attach_sinks(&sites[i], err);
		if (!ret)
			ret = node_enter(&home, err);
	}
	return ret ? ret : subjects_arm(err);
}

void subjects_say(void)
{
	struct utsname uts;

	uname(&uts);
	printf("ctnat and its peers; kernel %s, %ld CPUs, of which one works\n", uts.release,
	       sysconf(_SC_NPROCESSORS_ONLN));
	fflush(stdout);
	if (system(IPTABLES_CHOICE "nft --version; iptables$kind --version"))
		printf("(peers of unknown version)\n");
}
