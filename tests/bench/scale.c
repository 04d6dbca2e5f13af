// SPDX-License-Identifier: Apache-2.0
/*
 * A node with many pods under load: `sudo make bench-scale`. Is anything lost?
 *
 * Theory: real sockets, in 250 pods and in the world, send to each other: 5,000 flows, each both
 * ways. Two threads work, one for the pods' ends and one for the world's; each sends what its pace
 * demands and reads what has come. First without a pace, for what they can; then for a minute at
 * half of that. All must arrive. What does not is looked for where the kernel counts what it
 * drops: the CPUs' backlogs (softnet, of the whole machine), queues, devices, buffers of sockets.
 *
 * A socket lives in the namespace in which it was made, whoever uses it. Exit status: 0 nothing was
 * lost, 1 something was, 2 it could not be measured.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "drops.h"
#include "kern/netns.h"
#include "lib/plugin.h"
#include "memory.h"
#include "turns.h"

#define PODS	      250
#define POD_FLOWS     20
#define FLOWS	      (PODS * POD_FLOWS)
#define SERVER_PORT   9000
#define SERVER_BUFFER (64 << 20)
#define BATCH	      POD_FLOWS

#define TRIAL_S	 5
#define MEASURED_S 60
#define SETTLE_US  2200000	/* UDP is assured when it is answered for longer than 2 s */

static struct site site;
static int server;
static int pod_netns[PODS];
static int ends[FLOWS];				/* the pods' sockets */
static struct sockaddr_in peers[FLOWS];		/* as the server sees them */

/* ---- the node -------------------------------------------------------------------------------- */

static const struct recipe recipe = { "ctnat", NULL, NETWORK(THE_POD), true };

static struct sockaddr_in server_end(void)
{
	struct sockaddr_in end = { .sin_family = AF_INET, .sin_port = htons(SERVER_PORT) };
	struct addr addr;

	if (!addr_parse(SERVER4, &addr))
		memcpy(&end.sin_addr, addr_bytes(&addr, NULL), sizeof(end.sin_addr));
	return end;
}

static int open_server(void *data, struct err *err)
{
	const struct sockaddr_in self = server_end();
	int size = SERVER_BUFFER;

	(void)data;
	server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server < 0 || setsockopt(server, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
	    bind(server, (const struct sockaddr *)&self, sizeof(self)) < 0)
		return err_set(err, -errno, "open the server");
	return 0;
}

static int open_ends(void *data, struct err *err)
{
	const struct sockaddr_in to = server_end();
	int *fds = data;

	for (size_t i = 0; i < POD_FLOWS; i++) {
		fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fds[i] < 0 || connect(fds[i], (const struct sockaddr *)&to, sizeof(to)) < 0)
			return err_set(err, -errno, "open a socket of a pod");
	}
	return 0;
}

static int make_pod(const char *plugin, size_t i, int self, struct err *err)
{
	char path[64], id[16];
	const struct plugin_call call = {
		.path = plugin, .command = "ADD", .container_id = id, .netns = path,
		.config = NETWORK(""),
	};
	struct plugin_exit out;
	int ret;

	snprintf(id, sizeof(id), "pod%zu", i);
	snprintf(path, sizeof(path), POD_DIR "/%s", id);
	if ((ret = pod_make(path, err)) || (ret = plugin_run(&call, &out, err)) ||
	    (ret = pod_netns[i] = netns_open(path, err)) < 0)
		return ret;
	return netns_run(pod_netns[i], self, open_ends, &ends[i * POD_FLOWS], err);
}

static int make_node(struct err *err)
{
	const char *build = getenv("BUILD") ?: "build", *ctnat = getenv("CTNAT");
	char given[PATH_MAX], plugin[PATH_MAX];
	_cleanup_close_ int self = -1;
	struct node home;
	int ret;

	snprintf(given, sizeof(given), "%s%s", ctnat ?: build, ctnat ? "" : "/ctnat");
	if (!realpath(given, plugin))
		return err_set(err, -errno, "no program '%s'", given);
	if ((ret = node_current(&home, err)) ||
	    (ret = site_make(&home, &recipe, plugin, &site, err)) ||
	    (ret = site_meet_neighbours(&site, err)) || (ret = self = netns_open_self(err)) < 0)
		return ret;
	ret = netns_run(site.uplink.far_netns, self, open_server, NULL, err);
	for (size_t i = 0; !ret && i < PODS; i++)
		ret = make_pod(plugin, i, self, err);
	return ret;
}

/* ---- the two threads ------------------------------------------------------------------------- */

struct load {
	double ends_at;			/* now_ns() */
	double ns_per_packet;		/* of each thread; 0: as fast as it can */
};

struct side {
	const struct load *load;
	unsigned long long sent, received;
	unsigned int cpu;
};

/* A datagram says which flow it is of, so that the server learns where to answer. */
static unsigned int pods_send(size_t pod)
{
	unsigned int sent = 0;

	for (size_t i = pod * POD_FLOWS; i < (pod + 1) * POD_FLOWS; i++)
		sent += send(ends[i], &i, sizeof(i), 0) == sizeof(i);
	return sent;
}

static unsigned int pods_receive(size_t pod)
{
	unsigned int received = 0;
	size_t flow;

	for (size_t i = pod * POD_FLOWS; i < (pod + 1) * POD_FLOWS; i++) {
		while (recv(ends[i], &flow, sizeof(flow), 0) == sizeof(flow))
			received += flow == i;
	}
	return received;
}

static unsigned int server_send(size_t pod)
{
	size_t flows[BATCH];
	struct iovec iov[BATCH];
	struct mmsghdr batch[BATCH];
	int n;

	for (size_t i = 0; i < BATCH; i++) {
		flows[i] = pod * POD_FLOWS + i;
		iov[i] = (struct iovec){ &flows[i], sizeof(flows[i]) };
		batch[i] = (struct mmsghdr){ .msg_hdr = {
			.msg_name = &peers[flows[i]], .msg_namelen = sizeof(peers[0]),
			.msg_iov = &iov[i], .msg_iovlen = 1,
		} };
	}
	n = sendmmsg(server, batch, BATCH, 0);
	return n < 0 ? 0 : n;
}

static unsigned int server_receive(size_t pod)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	unsigned int received = 0;
	size_t flow;

	(void)pod;
	while (recvfrom(server, &flow, sizeof(flow), 0, (struct sockaddr *)&from, &len) ==
	       sizeof(flow)) {
		received++;
		if (flow < FLOWS)
			peers[flow] = from;
	}
	return received;
}

static void keep_pace(const struct side *side, double start)
{
	double ahead = start + side->sent * side->load->ns_per_packet - now_ns();

	if (ahead > 0)
		usleep(ahead / 1e3 + 1);
}

static void run_side(struct side *side, unsigned int (*send_to)(size_t pod),
		     unsigned int (*receive)(size_t pod))
{
	double start = now_ns();
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(side->cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (size_t pod = 0; now_ns() < side->load->ends_at; pod = (pod + 1) % PODS) {
		side->sent += send_to(pod);
		side->received += receive(pod);
		keep_pace(side, start);
	}
}

static void *run_pods(void *data)
{
	run_side(data, pods_send, pods_receive);
	return NULL;
}

static void *run_server(void *data)
{
	run_side(data, server_send, server_receive);
	return NULL;
}

/* What is still on its way when the threads end. */
static void drain(struct side *pods, struct side *world)
{
	usleep(500000);
	for (size_t pod = 0; pod < PODS; pod++)
		pods->received += pods_receive(pod);
	world->received += server_receive(0);
}

static int run_load(double seconds, double ns_per_packet, struct side *pods, struct side *world,
		    struct err *err)
{
	const struct load load = { now_ns() + seconds * 1e9, ns_per_packet };
	pthread_t pods_thread, world_thread;

	*pods = (struct side){ .load = &load };
	*world = (struct side){ .load = &load, .cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1 };
	if (pthread_create(&pods_thread, NULL, run_pods, pods) ||
	    pthread_create(&world_thread, NULL, run_server, world))
		return err_set(err, -EAGAIN, "start a thread");
	pthread_join(pods_thread, NULL);
	pthread_join(world_thread, NULL);
	drain(pods, world);
	return 0;
}

/* ---- the experiment -------------------------------------------------------------------------- */

/* Every flow is seen by both ends, until it is assured. */
static int establish(struct err *err)
{
	for (int i = 0; i < 2; i++) {
		unsigned int out = 0, in = 0;

		for (size_t pod = 0; pod < PODS; pod++) {
			pods_send(pod);
			usleep(1000);
			out += server_receive(pod);
			server_send(pod);
			usleep(1000);
			in += pods_receive(pod);
		}
		if (out != FLOWS || in != FLOWS)
			return err_set(err, -EPROTO, "of %d flows %u are heard, %u are answered",
				       FLOWS, out, in);
		usleep(SETTLE_US);
	}
	return 0;
}

static void say_side(const char *what, unsigned long long sent, unsigned long long received)
{
	printf("%s  %-4s %10llu sent, %10llu arrived, %lld lost\n",
	       sent == received ? "PASS" : "FAIL", what, sent, received,
	       (long long)(sent - received));
}

static int measure(bool *kept, struct err *err)
{
	unsigned long long shortened;
	struct side pods, world;
	struct drops before, after;
	double rate;
	int ret;

	if ((ret = make_node(err)) || (ret = establish(err)) ||
	    (ret = run_load(TRIAL_S, 0, &pods, &world, err)))
		return ret;
	rate = (pods.received + world.received) / (double)TRIAL_S / 2;
	printf("%d pods, %d flows both ways; %d s at half of what goes\n", PODS, FLOWS, MEASURED_S);

	shortened = site_shortened(&site);
	if ((ret = drops_read(&site, pod_netns, PODS, &before, err)) ||
	    (ret = run_load(MEASURED_S, 2e9 / rate, &pods, &world, err)) ||
	    (ret = drops_read(&site, pod_netns, PODS, &after, err)))
		return ret;
	shortened = site_shortened(&site) - shortened;
	say_side("out", pods.sent, world.received);
	say_side("in", world.sent, pods.received);
	printf("dropped: softnet %llu, queues %llu, devices %llu, sockets %llu; programs %llu\n",
	       after.softnet - before.softnet, after.queues - before.queues,
	       after.devices - before.devices, after.sockets - before.sockets,
	       after.programs - before.programs);
	printf("%.2f%% went the short way\n", 100.0 * shortened / (pods.sent + world.sent));
	*kept = pods.sent == world.received && world.sent == pods.received;
	return memory_say(err);
}

int main(void)
{
	const struct rlimit files = { FLOWS + 1024, FLOWS + 1024 };
	bool kept = false;
	struct err err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	setrlimit(RLIMIT_NOFILE, &files);
	if (measure(&kept, &err) < 0) {
		fprintf(stderr, "bench-scale: %s\n", err.msg);
		return 2;
	}
	return kept ? 0 : 1;
}
