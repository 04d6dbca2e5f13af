// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: an event says that something changed, not what: the kernel drops events where many come
 * at a time, and what they said would be old by the time it is read. So whoever is told looks for
 * himself, as he does once a while in any case.
 *
 * Files are watched by their directories: a ConfigMap changes by a rename of the link `..data`, an
 * editor replaces what it wrote, and a file that is not there yet has nothing else to watch.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/log.h"
#include "agent/node_event.h"
#include "base/cleanup.h"
#include "kern/nl_monitor.h"

static int open_files(const char *const *dirs, struct err *err)
{
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0)
		return err_set(err, -errno, "open an inotify instance");
	for (; *dirs; dirs++)
		if (inotify_add_watch(fd, *dirs, IN_CLOSE_WRITE | IN_MOVE | IN_CREATE | IN_DELETE) <
			    0 &&
		    errno != ENOENT)
			return err_set(err, -errno, "watch directory '%s'", *dirs);
	return TAKE_FD(fd);
}

/* True: there was something. An error is an event, too: who looks finds what there is. */
static bool drain(enum node_event event, int fd)
{
	char buf[4096];
	bool any = false;

	if (event != EVENT_FILES)
		return nl_monitor_drain(fd, NULL) != 0;
	while (read(fd, buf, sizeof(buf)) > 0)
		any = true;
	return any;
}

static void readable(struct loop_source *source, uint32_t flags)
{
	struct node_events *events = source->data;
	enum node_event event = source - events->sources;

	(void)flags;
	if (drain(event, source->fd))
		events->happened(event, events->data);
}

int node_events_start(struct node_events *events, struct loop *loop, const char *const *dirs,
		      void (*happened)(enum node_event event, void *data), void *data,
		      struct err *err)
{
	int ret = 0;

	*events = (struct node_events){ .loop = loop, .happened = happened, .data = data };
	for (size_t i = 0; i < 3; i++)
		events->sources[i] = (struct loop_source){ -1, false, readable, events };
	for (enum node_event i = 0; i < 3 && !ret; i++) {
		int fd = i == EVENT_FILES     ? open_files(dirs, err)
			 : i == EVENT_NETWORK ? nl_monitor_open(NL_MONITOR_ROUTE, err)
					      : nl_monitor_open(NL_MONITOR_RULESET, err);

		events->sources[i].fd = fd;
		/* instances of inotify are few; files are looked at now and then in any case */
		if (fd < 0 && i == EVENT_FILES)
			log_line(LOG_WARNING, "changes of files are noticed late: %s", err->msg);
		else
			ret = fd < 0 ? fd : loop_watch(loop, &events->sources[i], EPOLLIN, err);
	}
	if (ret < 0)
		node_events_stop(events);
	return ret;
}

void node_events_stop(struct node_events *events)
{
	for (size_t i = 0; i < 3 && events->loop; i++) {
		loop_unwatch(events->loop, &events->sources[i]);
		cleanup_close(&events->sources[i].fd);
		events->sources[i].fd = -1;
	}
}
