/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_INJECT_H
#define CTNAT_BENCH_INJECT_H

/*
 * Frames that a device of a site receives, as many as are wanted, and the time until the last one
 * has arrived where it is to go. What has not arrived is an error: no time is worth anything
 * without it.
 */
#include "site.h"

/* Ports of flows, host order: `count` of them from `first`. */
struct ports {
	unsigned int first, count;
};

/* Frames of near.count * far.count flows in turn; `near` ports are the pod's end. */
struct stream {
	const struct cable *at;		/* whose device of the node receives them */
	const char *src, *dst;		/* of one family */
	struct ports near, far;
	bool near_is_source;
	bool tcp;
	unsigned char flags;		/* of TCP */
	unsigned char ttl;		/* 0: as usual */
	unsigned int seq, ack;
	const char *arrives_from;	/* what a frame bears where it arrives: one of these two, */
	const char *arrives_at;		/* the other one is NULL */
	/* Each flow's near port as the server sees it. Either may be NULL. */
	unsigned short *learn;		/* where to note it when frames arrive */
	const unsigned short *learned;	/* what frames bear, instead of near.first and on */
};

#define UDP_PAYLOAD 18		/* 60 bytes of frame with IPv4 */
#define SLICES	    10		/* of a turn (turns.h) */
#define TAIL	    64		/* frames behind the last slice */

#define TCP_SYN 0x02
#define TCP_ACK 0x10

int inject_load(struct err *err);

/* Where frames arrive: they are counted, and dropped there. In the current node. */
int sink_attach(const struct cable *cable, struct err *err);
/* The redirect without NAT: programs on both devices of the site. One site a process. */
int wire_attach(const struct site *site, struct err *err);
/* Programs that only return, in the places of ours on an uplink of the current node. */
int idle_attach(const struct cable *uplink, struct err *err);
/* From now on the socket counts and drops what it is sent. */
int sink_socket(int fd, struct err *err);

/* A device takes frames only between these two; others that it receives then take another way
 * through a veth than they do otherwise. In the current node. */
int inject_arm(const struct cable *cable, struct err *err);
int inject_disarm(const struct cable *cable, struct err *err);

/* Begins with the first flow; in the current node. */
int inject(const struct stream *stream, unsigned int frames, struct err *err);
/* As inject(), in SLICES slices of as many frames, and TAIL more. ns: of one frame of each slice. 1:
 * others have carried too many of them, the times say nothing. */
int inject_slices(const struct stream *stream, unsigned int frames, double ns[SLICES],
		  struct err *err);
/* As inject(), and nobody asks where the frames end. */
int inject_anything(const struct stream *stream, unsigned int frames, struct err *err);

/* For frames of others, such as sockets: what is expected from now on, and whether that many have
 * arrived since. -EPROTO if not. */
void expect(const struct stream *stream);
int expect_all(unsigned int frames, struct err *err);

/* Bytes of a frame of the stream. */
unsigned int stream_frame_len(const struct stream *stream);

#endif
