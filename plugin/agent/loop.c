// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: one event is fetched and served at a time. A callback may take any source away, and close
 * its descriptor; so an event that was fetched together with another could be a stranger's by the
 * time it is served. The few system calls more are nothing beside what an event costs.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "agent/loop.h"
#include "base/cleanup.h"

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

__u64 loop_now_ms(void)
{
	return now_ns() / 1000000;
}

int loop_open(struct loop *loop, struct err *err)
{
	memset(loop, 0, sizeof(*loop));
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll < 0 ? err_set(err, -errno, "create an epoll set") : 0;
}

void loop_close(struct loop *loop)
{
	cleanup_close(&loop->epoll);
	loop->epoll = -1;
}

int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events, struct err *err)
{
	struct epoll_event event = { .events = events, .data.ptr = source };
	int op = source->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (epoll_ctl(loop->epoll, op, source->fd, &event) < 0)
		return err_set(err, -errno, "watch file descriptor %d", source->fd);
	source->watched = true;
	return 0;
}

void loop_unwatch(struct loop *loop, struct loop_source *source)
{
	if (source->watched)
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	source->watched = false;
}

/* ---- timers ---------------------------------------------------------------------------------- */

void loop_disarm(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timer **at = &loop->timers;

	if (!timer->armed)
		return;
	while (*at != timer)
		at = &(*at)->next;
	*at = timer->next;
	timer->armed = false;
}

void loop_arm(struct loop *loop, struct loop_timer *timer, __u64 ms)
{
	struct loop_timer **at = &loop->timers;

	loop_disarm(loop, timer);
	timer->due = now_ns() + ms * 1000000;
	while (*at && (*at)->due <= timer->due)
		at = &(*at)->next;
	timer->next = *at;
	timer->armed = true;
	*at = timer;
}

/* Milliseconds until the first timer is due, rounded up; -1: there is none. */
static int patience(const struct loop *loop)
{
	__u64 now = now_ns(), ms;

	if (!loop->timers)
		return -1;
	if (loop->timers->due <= now)
		return 0;
	ms = (loop->timers->due - now + 999999) / 1000000;
	return ms < 3600000 ? (int)ms : 3600000;
}

/* Those that are due by now: what they arm anew waits for the next turn. */
static void serve_timers(struct loop *loop)
{
	__u64 now = now_ns();

	while (loop->timers && loop->timers->due <= now && !loop->stopped) {
		struct loop_timer *timer = loop->timers;

		loop_disarm(loop, timer);
		timer->fn(timer);
	}
}

/* ---- the loop -------------------------------------------------------------------------------- */

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

int loop_run(struct loop *loop, struct err *err)
{
	struct loop_source *source;
	struct epoll_event event;
	int n;

	loop->stopped = false;
	while (!loop->stopped) {
		n = epoll_wait(loop->epoll, &event, 1, patience(loop));
		if (n < 0 && errno != EINTR)
			return err_set(err, -errno, "wait for events");
		if (n > 0) {
			source = event.data.ptr;
			source->fn(source, event.events);
		}
		serve_timers(loop);
	}
	return 0;
}
