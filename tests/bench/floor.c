// SPDX-License-Identifier: Apache-2.0
/*
 * Not a plugin, but what no plugin can be faster than: the kernel's own work for one IPv4 pod, the
 * same netlink operations that ctnat's ADD and DEL come down to and nothing else. No configuration
 * is read, no address chosen, nothing locked, recorded, checked or flushed. bench/cni calls it as
 * it calls the plugins; it prints the microseconds that the operations took, to tell them from the
 * start of a process, and how many of those one of them had alone: attaching the program on ADD
 * (half of all if done by tcx, see kern/tcattach.h), deleting the link on DEL, which waits for RCU.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "kern/netns.h"
#include "kern/rtnl_addr.h"
#include "kern/rtnl_link.h"
#include "kern/rtnl_neigh.h"
#include "kern/rtnl_route.h"
#include "kern/tcattach.h"

#define HOST_LINK   "ctnfloor"
#define POD_LINK    "eth0"
#define POD_ADDRESS "10.244.0.2"
#define GATEWAY	    "169.254.1.1"
#define PROGRAM	    "/sys/fs/bpf/floor"

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static const __u8 host_mac[MAC_LEN] = { 2, 0, 10, 244, 0, 1 };
static const __u8 pod_mac[MAC_LEN] = { 2, 0, 10, 244, 0, 2 };

/* "return TC_ACT_UNSPEC": loaded once a boot, as the plugin's are. */
static int open_program(struct err *err)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	_cleanup_close_ int fd = bpf_obj_get(PROGRAM);

	if (fd < 0 && errno == ENOENT) {
		fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "floor", "GPL", insns, 2, NULL);
		if (fd >= 0 && bpf_obj_pin(fd, PROGRAM) < 0)
			return err_set(err, -errno, "pin '%s'", PROGRAM);
	}
	if (fd < 0)
		return err_set(err, -errno, "open '%s'", PROGRAM);
	return TAKE_FD(fd);
}

static int add_host_side(struct nl *nl, int pod, int prog, double *alone, struct err *err)
{
	const struct link_change up = {
		.set_up = true, .up = true, .no_linklocal = true, .alias = "bench/floor/" POD_LINK,
	};
	struct veth_spec veth = {
		.host_name = HOST_LINK, .pod_name = POD_LINK, .pod_netns = pod, .mtu = 1500,
	};
	struct ifaddr gateway = { .scope = RT_SCOPE_LINK };
	struct route route = { .protocol = RTPROT_CTNAT, .scope = RT_SCOPE_LINK };
	struct link link;
	struct addr addr;
	int ret;

	memcpy(veth.host_mac, host_mac, MAC_LEN);
	memcpy(veth.pod_mac, pod_mac, MAC_LEN);
	addr_parse(POD_ADDRESS, &addr);
	route.dst = cidr_host(&addr);
	addr_parse("192.0.2.1", &route.prefsrc);
	cidr_parse(GATEWAY "/32", &gateway.cidr);
	if ((ret = rtnl_veth_add(nl, &veth, err)) || (ret = rtnl_link_get_name(nl, HOST_LINK, &link, err)))
		return ret;
	*alone -= now_us();
	ret = tc_attach(link.ifindex, TC_FROM_POD, TC_CLSACT, prog, err);
	*alone += now_us();

	gateway.ifindex = route.oif = link.ifindex;
	if (!ret)
		ret = rtnl_link_change(nl, link.ifindex, &up, err);
	if (!ret)
		ret = rtnl_addr_add(nl, &gateway, err);
	return ret ? ret : rtnl_route_add(nl, &route, err);
}

static int add_pod_side(struct nl *nl, struct err *err)
{
	const struct link_change up = { .set_up = true, .up = true };
	struct route to_gateway = { .protocol = RTPROT_CTNAT, .scope = RT_SCOPE_LINK };
	struct route to_world = { .protocol = RTPROT_CTNAT, .scope = RT_SCOPE_UNIVERSE };
	struct ifaddr addr = { .scope = RT_SCOPE_UNIVERSE };
	struct addr gateway;
	struct link link;
	int ret;

	cidr_parse(POD_ADDRESS "/32", &addr.cidr);
	cidr_parse("0.0.0.0/0", &to_world.dst);
	addr_parse(GATEWAY, &gateway);
	to_gateway.dst = cidr_host(&gateway);
	to_world.gateway = gateway;

	ret = rtnl_link_get_name(nl, POD_LINK, &link, err);
	if (ret)
		return ret;
	addr.ifindex = to_gateway.oif = to_world.oif = link.ifindex;
	if ((ret = rtnl_addr_add(nl, &addr, err)) ||
	    (ret = rtnl_link_change(nl, link.ifindex, &up, err)) ||
	    (ret = rtnl_route_add(nl, &to_gateway, err)) || (ret = rtnl_route_add(nl, &to_world, err)))
		return ret;
	return rtnl_neigh_set(nl, link.ifindex, &gateway, host_mac, err);
}

static int add(const char *netns, double *alone, struct err *err)
{
	_cleanup_close_ int self = -1, pod = -1, prog = -1;
	struct nl host_nl = { 0 }, pod_nl = { 0 };
	int ret;

	if ((ret = self = netns_open_self(err)) < 0 || (ret = pod = netns_open(netns, err)) < 0 ||
	    (ret = prog = open_program(err)) < 0)
		return ret;
	ret = nl_open(&host_nl, NETLINK_ROUTE, err);
	if (!ret)
		ret = netns_nl_open(&pod_nl, pod, self, err);
	if (!ret)
		ret = add_host_side(&host_nl, pod, prog, alone, err);
	if (!ret)
		ret = add_pod_side(&pod_nl, err);
	nl_close(&pod_nl);
	nl_close(&host_nl);
	return ret;
}

static int del(double *alone, struct err *err)
{
	const struct link_change down = { .set_up = true };
	struct nl nl = { 0 };
	struct link link;
	int ret = nl_open(&nl, NETLINK_ROUTE, err);

	if (!ret)
		ret = rtnl_link_get_name(&nl, HOST_LINK, &link, err);
	if (!ret)
		ret = rtnl_link_change(&nl, link.ifindex, &down, err);
	*alone -= now_us();
	if (!ret)
		ret = rtnl_link_del(&nl, link.ifindex, err);
	*alone += now_us();
	nl_close(&nl);
	return ret;
}

int main(void)
{
	const char *command = getenv("CNI_COMMAND"), *netns = getenv("CNI_NETNS");
	double start = now_us(), alone = 0;
	struct err err;
	int ret;

	if (!command || !netns)
		return 1;
	ret = strcmp(command, "ADD") ? del(&alone, &err) : add(netns, &alone, &err);
	if (ret) {
		printf("%s\n", err.msg);
		return 1;
	}
	printf("[%.1f,%.1f]\n", now_us() - start, alone);
	return 0;
}
