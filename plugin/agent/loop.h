/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_LOOP_H
#define CTNAT_AGENT_LOOP_H

/*
 * The one place where ctnatd waits: descriptors and timers, in one thread. Sources and timers lie
 * in the structs of those who wait, zeroed before their first use; the loop keeps pointers to them
 * and owns nothing. Everything may be called from within a callback, also for the source or timer
 * that is being served.
 */
#include <stdbool.h>
#include <stdint.h>

#include <linux/types.h>

#include "base/err.h"

struct loop_source {
	int fd;
	bool watched;
	void (*fn)(struct loop_source *source, uint32_t events); /* EPOLL* */
	void *data;						 /* the caller's */
};

struct loop_timer {
	__u64 due; /* CLOCK_BOOTTIME, ns */
	bool armed;
	void (*fn)(struct loop_timer *timer);
	void *data; /* the caller's */
	struct loop_timer *next;
};

struct loop {
	int epoll; /* -1: not open */
	bool stopped;
	struct loop_timer *timers; /* by `due` */
};

int loop_open(struct loop *loop, struct err *err);
void loop_close(struct loop *loop); /* also of one that is not open */

/* Watches source->fd, or watches it for other events. The descriptor stays the caller's; it must be
 * unwatched before it is closed. */
int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events, struct err *err);
void loop_unwatch(struct loop *loop, struct loop_source *source);

/* Once, so many milliseconds from now; a timer that is armed is set anew. The clock goes on while
 * the machine sleeps. */
void loop_arm(struct loop *loop, struct loop_timer *timer, __u64 ms);
void loop_disarm(struct loop *loop, struct loop_timer *timer);

/* Serves until loop_stop(). */
int loop_run(struct loop *loop, struct err *err);
void loop_stop(struct loop *loop);

/* CLOCK_BOOTTIME in milliseconds. */
__u64 loop_now_ms(void);

#endif
