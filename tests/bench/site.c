// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: neighbours, routes and MTUs are as in life and found by ARP and neighbour discovery, so
 * that each peer pays what it would pay. What the peers' pods have is what ctnat gives a pod: host
 * addresses and the gateway that is everybody's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "kern/bpffs.h"
#include "kern/maps.h"
#include "kern/netns.h"
#include "kern/rtnl_link.h"
#include "lib/plugin.h"
#include "site.h"

static const char surroundings[] =
	"set -e\n"
	"in_world() { nsenter --net=/run/world \"$@\"; }\n"
	"for where in '' 'in_world' 'ip netns exec pod' 'ip netns exec side'; do\n"
	"	$where sysctl -qw net.ipv6.conf.all.accept_dad=0 \\\n"
	"		net.ipv6.conf.default.accept_dad=0 \\\n"
	"		net.ipv6.conf.all.disable_ipv6=0\n"
	"	$where ip link set lo up\n"
	"done\n"
	"sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1\n"
	"ip -batch - <<-END\n"
	"	addr add 2001:db8:2::1/64 dev eth0 nodad\n"
	"	route add default via 2001:db8:2::fe\n"
	"	link add across type veth peer name eth0 netns side\n"
	"	link set across up\n"
	"	addr add 203.0.113.1/24 dev across\n"
	"END\n"
	"in_world ip -batch - <<-END\n"
	"	addr add 192.0.2.254/24 dev eth0\n"
	"	addr add 2001:db8:2::fe/64 dev eth0 nodad\n"
	"	addr add 198.51.100.1/32 dev lo\n"
	"	addr add 2001:db8:51::1/128 dev lo nodad\n"
	"	route add default via 192.0.2.1\n"
	"	route add default via 2001:db8:2::1\n"
	"END\n"
	"ip -n side -batch - <<-END\n"
	"	link set eth0 up\n"
	"	addr add 203.0.113.2/24 dev eth0\n"
	"	route add default via 203.0.113.1\n"
	"END\n";

static const char pod_by_hand[] =
	"set -e\n"
	"ip -batch - <<-END\n"
	"	link add veth type veth peer name eth0 netns pod\n"
	"	link set veth up\n"
	"	addr add 169.254.1.1/32 dev veth\n"
	"	addr add fe80::1/64 dev veth nodad\n"
	"	route add 10.244.1.5/32 dev veth\n"
	"	route add fd00:10:244:1::5/128 dev veth\n"
	"END\n"
	"ip -n pod -batch - <<-END\n"
	"	link set eth0 up\n"
	"	addr add 10.244.1.5/32 dev eth0\n"
	"	addr add fd00:10:244:1::5/128 dev eth0 nodad\n"
	"	route add 169.254.1.1/32 dev eth0\n"
	"	route add default via 169.254.1.1\n"
	"	route add default via fe80::1 dev eth0\n"
	"END\n";

/* The wire takes the answers away: that it was asked is enough. */
static const char meet_neighbours[] =
	"for address in 192.0.2.254 2001:db8:2::fe 10.244.1.5 fd00:10:244:1::5 203.0.113.2; do\n"
	"	ping -q -c 1 -W 0.1 $address >/dev/null &\n"
	"done\n"
	"wait\n";

int shell(const char *commands, struct err *err)
{
	int status = system(commands);

	return status ? err_set(err, -EIO, "status %#x of: %s", status, commands) : 0;
}

static int pod_by_plugin(const char *plugin, const char *network, struct err *err)
{
	const struct plugin_call call = {
		.path = plugin, .command = "ADD", .container_id = "pod",
		.netns = POD_DIR "/pod", .config = network,
	};
	struct plugin_exit out;

	return plugin_run(&call, &out, err);
}

/* From its far end, eth0 of that namespace, to the device of the node. */
static int follow_cable(const char *path, struct cable *cable, struct err *err)
{
	_cleanup_close_ int self = netns_open_self(err), far = netns_open(path, err);
	struct nl nl = { 0 }, far_nl = { 0 };
	struct link near_link, far_link;
	int ret;

	if (self < 0 || far < 0)
		return self < 0 ? self : far;
	ret = nl_open(&nl, NETLINK_ROUTE, err);
	if (!ret)
		ret = netns_nl_open(&far_nl, far, self, err);
	if (!ret)
		ret = rtnl_link_get_name(&far_nl, "eth0", &far_link, err);
	if (!ret)
		ret = rtnl_link_get_index(&nl, far_link.peer_ifindex, &near_link, err);
	nl_close(&far_nl);
	nl_close(&nl);
	if (ret)
		return ret;
	*cable = (struct cable){
		.ifindex = near_link.ifindex,
		.far_netns = TAKE_FD(far),
		.far_ifindex = far_link.ifindex,
	};
	memcpy(cable->mac, near_link.mac, sizeof(cable->mac));
	memcpy(cable->far_mac, far_link.mac, sizeof(cable->far_mac));
	return 0;
}

int site_meet_neighbours(const struct site *site, struct err *err)
{
	int ret = node_enter(&site->node, err);

	return ret ? ret : shell(meet_neighbours, err);
}

static int open_stats(struct site *site, struct err *err)
{
	site->stats = bpf_obj_get(PIN_DATAPATH "/stats");
	return site->stats < 0 ? err_set(err, -errno, "open the counters") : 0;
}

unsigned long long site_shortened(const struct site *site)
{
	struct counter out = { 0 }, in = { 0 };

	if (site->stats < 0)
		return 0;
	stats_read(site->stats, REASON_SHORT_OUT, &out);
	stats_read(site->stats, REASON_SHORT_IN, &in);
	return out.packets + in.packets;
}

int site_make(const struct node *home, const struct recipe *recipe, const char *plugin,
	      struct site *site, struct err *err)
{
	int ret;

	site->label = recipe->label;
	site->translates = recipe->translates;
	site->stats = -1;
	if ((ret = node_make(home, &site->node, err)) || (ret = node_enter(&site->node, err)) ||
	    (ret = pod_make(POD_DIR "/pod", err)) || (ret = pod_make(POD_DIR "/side", err)) ||
	    (ret = shell(surroundings, err)))
		return err_wrap(err, "%s", recipe->label);

	ret = recipe->network ? pod_by_plugin(plugin, recipe->network, err) :
				shell(pod_by_hand, err);
	if (!ret && recipe->rules)
		ret = shell(recipe->rules, err);
	if (!ret)
		ret = follow_cable(POD_DIR "/pod", &site->veth, err);
	if (!ret)
		ret = follow_cable("/run/world", &site->uplink, err);
	if (!ret)
		ret = follow_cable(POD_DIR "/side", &site->across, err);
	if (!ret && recipe->network)
		ret = open_stats(site, err);
	if (ret)
		return err_wrap(err, "%s", recipe->label);
	return node_enter(home, err);
}
