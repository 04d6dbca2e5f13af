// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: libmicrohttpd reads requests and writes answers, in an epoll set of its own, which is one
 * source of the loop; it never waits. Connections are accepted here and handed over, because then
 * the address can change while answers are under way, and it can be said who must go:
 *
 *	everyone	after DEADLINE_MS, whatever he does: a client that sends or reads a byte now
 *			and then holds a connection as long as he likes, by the library's own
 *			time-out, which is one of silence
 *	the oldest	when a newcomer finds CONNECTIONS_MAX of them. An honest client has its
 *			answer within the turn of the loop in which its request is complete, so it
 *			is those who wait that go
 *
 * He goes by shutdown() of his socket; the library, which owns it, notices and closes it. What one
 * can make us hold is MEMORY_MAX, and a page that he does not read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent/listen.h"
#include "agent/serve.h"
#include "base/cleanup.h"

#define CONNECTIONS_MAX 32
#define DEADLINE_MS	5000
#define MEMORY_MAX	8192 /* of a request: its line and headers */
#define PAUSE_MS	100  /* if no more descriptors are to be had */

#define PLAIN_TEXT "text/plain; charset=utf-8"

struct client {
	struct serve *serve;
	struct client *next; /* younger */
	struct loop_timer deadline;
	int fd; /* the library's */
};

struct serve {
	struct loop *loop;
	const struct serve_path *paths;
	size_t n_paths;
	struct MHD_Daemon *daemon;
	struct loop_source listener; /* fd -1: not listening */
	struct loop_source requests; /* the library's epoll set */
	struct loop_timer timeout;   /* the library's */
	struct loop_timer pause;
	struct client *oldest;
	unsigned int n_clients;
	char address[LISTEN_ADDRESS_MAX];
};

/* ---- pages ----------------------------------------------------------------------------------- */

static void refuse(struct serve_page *page, unsigned int status, const char *why)
{
	page->status = status;
	page->text = strdup(why);
	page->len = strlen(why);
}

static void make_page(const struct serve *serve, const char *method, const char *path,
		      struct serve_page *page)
{
	const struct serve_path *p = serve->paths, *end = p + serve->n_paths;

	while (p < end && strcmp(path, p->path))
		p++;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		refuse(page, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	else if (p == end)
		refuse(page, MHD_HTTP_NOT_FOUND, "no such page\n");
	else
		p->fn(p->data, page);
}

static enum MHD_Result answer(void *data, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_len, void **state)
{
	struct serve_page page = { .status = MHD_HTTP_OK, .type = PLAIN_TEXT };
	struct MHD_Response *response;
	enum MHD_Result ret;

	(void)version;
	(void)upload;
	(void)upload_len;
	(void)state;
	/* at the first call, when the headers are complete: a body is never waited for */
	make_page(data, method, url, &page);
	if (!page.text) {
		page.status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		page.len = 0;
	}
	response = MHD_create_response_from_buffer(page.len, page.text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(page.text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, page.type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	if (page.status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	ret = MHD_queue_response(connection, page.status, response);
	MHD_destroy_response(response);
	return ret;
}

/* ---- the library's turn ---------------------------------------------------------------------- */

static void run_library(struct serve *serve)
{
	unsigned long long ms;

	MHD_run(serve->daemon);
	loop_disarm(serve->loop, &serve->timeout);
	if (MHD_get_timeout(serve->daemon, &ms) == MHD_YES)
		loop_arm(serve->loop, &serve->timeout, ms);
}

static void on_requests(struct loop_source *source, uint32_t events)
{
	(void)events;
	run_library(source->data);
}

static void on_timeout(struct loop_timer *timer)
{
	run_library(timer->data);
}

/* ---- clients --------------------------------------------------------------------------------- */

/* With what lies unread in the kernel: a socket that is closed in peace keeps that for minutes. */
static void dismiss(const struct client *client)
{
	static const struct linger at_once = { .l_onoff = 1 };

	setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	shutdown(client->fd, SHUT_RDWR);
}

static void on_deadline(struct loop_timer *timer)
{
	dismiss(timer->data);
}

static void add_client(struct serve *serve, struct MHD_Connection *connection, void **context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct client *client = calloc(1, sizeof(*client)), **at = &serve->oldest;

	*context = client;
	if (!client || !info) {
		free(client);
		*context = NULL;
		return;
	}
	client->serve = serve;
	client->fd = info->connect_fd;
	client->deadline.fn = on_deadline;
	client->deadline.data = client;
	loop_arm(serve->loop, &client->deadline, DEADLINE_MS);
	while (*at)
		at = &(*at)->next;
	*at = client;
	serve->n_clients++;
}

static void remove_client(struct client *client)
{
	struct serve *serve = client->serve;
	struct client **at = &serve->oldest;

	loop_disarm(serve->loop, &client->deadline);
	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	serve->n_clients--;
	free(client);
}

static void on_connection(void *data, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		add_client(data, connection, context);
	else if (*context)
		remove_client(*context);
}

/* ---- the door -------------------------------------------------------------------------------- */

static void on_pause_end(struct loop_timer *timer)
{
	struct serve *serve = timer->data;

	if (serve->listener.fd >= 0)
		loop_watch(serve->loop, &serve->listener, EPOLLIN, NULL);
}

/* One at a turn: the loop comes back for the next. */
static void on_newcomer(struct loop_source *source, uint32_t events)
{
	struct serve *serve = source->data;
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int fd;

	(void)events;
	fd = accept4(source->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
		loop_unwatch(serve->loop, source);
		loop_arm(serve->loop, &serve->pause, PAUSE_MS);
	}
	if (fd < 0)
		return;
	if (serve->n_clients >= CONNECTIONS_MAX) {
		dismiss(serve->oldest);
		run_library(serve);
	}
	/* which closes it if it cannot be had */
	MHD_add_connection(serve->daemon, fd, (struct sockaddr *)&from, len);
	run_library(serve);
}

/* ---- where to listen ------------------------------------------------------------------------- */

static void stop_listening(struct serve *serve)
{
	if (serve->listener.fd < 0)
		return;
	loop_disarm(serve->loop, &serve->pause);
	loop_unwatch(serve->loop, &serve->listener);
	close(serve->listener.fd);
	serve->listener.fd = -1;
}

static int start_listening(struct serve *serve, const char *address, struct err *err)
{
	_cleanup_close_ int fd = listen_open(address, err);
	int ret = fd, old = serve->listener.fd;

	/* the old address may be in the way of the new one: ":9464" of "127.0.0.1:9464" */
	if (fd == -EADDRINUSE && old >= 0) {
		stop_listening(serve);
		ret = fd = listen_open(address, err);
		if (fd < 0)
			start_listening(serve, serve->address, NULL);
	}
	if (ret < 0)
		return ret;
	stop_listening(serve);
	serve->listener.fd = fd;
	ret = loop_watch(serve->loop, &serve->listener, EPOLLIN, err);
	if (ret < 0)
		serve->listener.fd = -1;
	else
		(void)TAKE_FD(fd);
	return ret;
}

int serve_listen(struct serve *serve, const char *address, struct err *err)
{
	bool off = !*address || !strcmp(address, "off");
	int ret;

	if (!strcmp(address, serve->address) && (off || serve->listener.fd >= 0))
		return 0;
	if (off) {
		stop_listening(serve);
	} else {
		ret = start_listening(serve, address, err);
		if (ret < 0)
			return err_wrap(err, "serve at '%s'", address);
	}
	snprintf(serve->address, sizeof(serve->address), "%s", address);
	return 0;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static int open_daemon(struct serve *serve, struct err *err)
{
	const union MHD_DaemonInfo *info;

	serve->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
					 answer, serve, MHD_OPTION_CONNECTION_LIMIT,
					 CONNECTIONS_MAX + 1u, MHD_OPTION_CONNECTION_TIMEOUT,
					 DEADLINE_MS / 1000u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
					 (size_t)MEMORY_MAX, MHD_OPTION_NOTIFY_CONNECTION,
					 on_connection, serve, MHD_OPTION_END);
	if (!serve->daemon)
		return err_set(err, -ENOMEM, "start the HTTP server");
	info = MHD_get_daemon_info(serve->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info || info->epoll_fd < 0)
		return err_set(err, -ENOTSUP, "HTTP server in an epoll set");
	serve->requests.fd = info->epoll_fd;
	return loop_watch(serve->loop, &serve->requests, EPOLLIN, err);
}

struct serve *serve_open(struct loop *loop, const struct serve_path *paths, size_t n_paths,
			 struct err *err)
{
	struct serve *serve = calloc(1, sizeof(*serve));

	if (!serve) {
		err_set(err, -ENOMEM, "start the HTTP server");
		return NULL;
	}
	serve->loop = loop;
	serve->paths = paths;
	serve->n_paths = n_paths;
	serve->listener = (struct loop_source){ .fd = -1, .fn = on_newcomer, .data = serve };
	serve->requests = (struct loop_source){ .fd = -1, .fn = on_requests, .data = serve };
	serve->timeout = (struct loop_timer){ .fn = on_timeout, .data = serve };
	serve->pause = (struct loop_timer){ .fn = on_pause_end, .data = serve };
	if (!open_daemon(serve, err))
		return serve;
	serve_close(serve);
	return NULL;
}

void serve_close(struct serve *serve)
{
	if (!serve)
		return;
	stop_listening(serve);
	loop_unwatch(serve->loop, &serve->requests);
	loop_disarm(serve->loop, &serve->timeout);
	if (serve->daemon)
		MHD_stop_daemon(serve->daemon); /* and tells of the end of each client */
	free(serve);
}
