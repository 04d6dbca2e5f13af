// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "drops.h"
#include "kern/netns.h"

/* Calls fn for each line of the file. */
static int for_each_line(const char *path, void (*fn)(const char *line, struct drops *drops),
			 struct drops *drops, struct err *err)
{
	FILE *file = fopen(path, "r");
	char line[1024];

	if (!file)
		return err_set(err, -errno, "open '%s'", path);
	while (fgets(line, sizeof(line), file))
		fn(line, drops);
	fclose(file);
	return 0;
}

static void add_softnet(const char *line, struct drops *drops)
{
	unsigned int dropped;

	if (sscanf(line, "%*x %x", &dropped) == 1)
		drops->softnet += dropped;
}

static void add_device(const char *line, struct drops *drops)
{
	unsigned long long received, sent;

	if (sscanf(line, "%*[^:]: %*u %*u %*u %llu %*u %*u %*u %*u %*u %*u %*u %llu", &received,
		   &sent) == 2)
		drops->devices += received + sent;
}

/* The line with names is no match. */
static void add_sockets(const char *line, struct drops *drops)
{
	unsigned long long received, sent;

	if (sscanf(line, "Udp: %*u %*u %*u %*u %llu %llu", &received, &sent) == 2)
		drops->sockets += received + sent;
}

static int read_devices_and_sockets(void *data, struct err *err)
{
	/* not /proc/net, which is the first thread's */
	int ret = for_each_line("/proc/thread-self/net/dev", add_device, data, err);

	return ret ? ret : for_each_line("/proc/thread-self/net/snmp", add_sockets, data, err);
}

static int read_queues(void *data, struct err *err)
{
	FILE *list = popen("tc -s qdisc", "r");
	struct drops *drops = data;
	unsigned long long dropped;
	char line[1024], kind[32] = "";

	if (!list)
		return err_set(err, -errno, "list queues");
	while (fgets(line, sizeof(line), list)) {
		sscanf(line, "qdisc %31s", kind);
		if (sscanf(line, " Sent %*u bytes %*u pkt (dropped %llu", &dropped) != 1)
			continue;
		/* No queue, but where programs stand: it counts what they drop. */
		if (!strcmp(kind, "clsact"))
			drops->programs += dropped;
		else
			drops->queues += dropped;
	}
	return pclose(list) ? err_set(err, -EIO, "list queues") : 0;
}

int drops_read(const struct site *site, const int *pods, size_t n, struct drops *out,
	       struct err *err)
{
	_cleanup_close_ int self = netns_open_self(err);
	struct drops drops = { 0 };
	int ret, world = site->uplink.far_netns;

	if (self < 0)
		return self;
	if ((ret = for_each_line("/proc/net/softnet_stat", add_softnet, &drops, err)) ||
	    (ret = read_devices_and_sockets(&drops, err)) || (ret = read_queues(&drops, err)) ||
	    (ret = netns_run(world, self, read_devices_and_sockets, &drops, err)) ||
	    (ret = netns_run(world, self, read_queues, &drops, err)))
		return ret;
	for (size_t i = 0; !ret && i < n; i++)
		ret = netns_run(pods[i], self, read_devices_and_sockets, &drops, err);
	if (!ret)
		*out = drops;
	return ret;
}
