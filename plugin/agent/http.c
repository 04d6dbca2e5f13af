// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: libcurl's multi interface tells which descriptors it waits for (on_socket) and until when
 * (on_timer); the loop waits, and tells what happened (act). From within libcurl's callbacks, of
 * which data() is one, no call can be begun or ended. So ends are collected when libcurl has
 * returned, and only then done() is called.
 *
 * What libcurl would do by itself and is not wanted here: proxies of the environment, the system's
 * own CAs, a CA file remembered for a day, waiting for a resolver's thread that is still asking.
 */
#define _GNU_SOURCE /* asprintf() */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "agent/http.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "conf/json.h"

#define TOKEN_MAX	 65536
#define IDLE_MAX	 4L /* connections kept for the next call */
#define KEEPALIVE_S	 30L
#define PLAIN_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

/* ---- between libcurl and the loop ------------------------------------------------------------ */

static void release(struct http_call *call)
{
	loop_disarm(call->http->loop, &call->silence);
	if (call->easy) {
		curl_multi_remove_handle(call->http->multi, call->easy);
		curl_easy_cleanup(call->easy);
	}
	curl_slist_free_all(call->headers);
	free(call->why);
	call->easy = NULL;
	call->headers = NULL;
	call->why = NULL;
}

/* What the answer says, which should be a Kubernetes Status, as one line. */
static void say_answer(struct http_call *call, struct err *err)
{
	_cleanup_json_ struct json root = { 0 };
	const char *message = call->text;

	call->text[call->len] = '\0';
	if (!json_parse(call->text, call->len, "answer", &root, NULL))
		json_get_string(&root, "message", &message, NULL);
	err_cni(err, CNI_TRY_AGAIN, "HTTP %d: %s", call->status, message);
	for (char *c = err->msg; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
}

static void finish(struct http_call *call, CURLcode result)
{
	int status = result == CURLE_OK ? call->status : 0;
	struct err err = { 0 };

	if (call->err.errnum)
		err = call->err;
	else if (result != CURLE_OK)
		err_cni(&err, CNI_TRY_AGAIN, "%s",
			call->why[0] ? call->why : curl_easy_strerror(result));
	else if (status / 100 != 2)
		say_answer(call, &err);
	release(call);
	call->done(call, status, err.errnum ? &err : NULL);
}

static void collect(struct http *http)
{
	const CURLMsg *msg;
	CURLcode result;
	char *call;
	int left;

	while ((msg = curl_multi_info_read(http->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		result = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
		finish((struct http_call *)call, result);
	}
}

static void act(struct http *http, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(http->multi, fd, what, &running);
	collect(http);
}

static void serve_socket(struct loop_source *source, uint32_t events)
{
	int what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		   (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

	act(source->data, source->fd, what);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *assigned)
{
	uint32_t events =
		(what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	struct loop_source *source = assigned;
	struct http *http = data;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (source)
			loop_unwatch(http->loop, source);
		free(source);
		return 0;
	}
	if (!source) {
		source = calloc(1, sizeof(*source));
		if (!source)
			return -1;
		*source = (struct loop_source){ .fd = fd, .fn = serve_socket, .data = http };
		curl_multi_assign(http->multi, fd, source);
	}
	return loop_watch(http->loop, source, events, NULL) ? -1 : 0;
}

static void serve_timer(struct loop_timer *timer)
{
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long ms, void *data)
{
	struct http *http = data;

	(void)multi;
	if (ms < 0)
		loop_disarm(http->loop, &http->timer);
	else
		loop_arm(http->loop, &http->timer, (__u64)ms);
	return 0;
}

/* ---- what is heard --------------------------------------------------------------------------- */

static size_t on_head(char *bytes, size_t size, size_t n, void *data)
{
	struct http_call *call = data;
	long status = 0;

	(void)bytes;
	call->heard = loop_now_ms();
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	call->status = (int)status;
	return size * n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *data)
{
	struct http_call *call = data;
	size_t len = size * n, rest = sizeof(call->text) - 1 - call->len;

	call->heard = loop_now_ms();
	if (call->status / 100 != 2) {
		memcpy(call->text + call->len, bytes, len < rest ? len : rest);
		call->len += len < rest ? len : rest;
		return len;
	}
	if (call->data && call->data(call, bytes, len, &call->err))
		return 0;
	return len;
}

/* The timer stands still while bytes come, and looks at its end when the last one came. */
static void check_silence(struct loop_timer *timer)
{
	struct http_call *call = timer->data;
	unsigned int patience = call->http->config.silence_ms;
	__u64 quiet = loop_now_ms() - call->heard;
	struct err err;

	if (quiet < patience) {
		loop_arm(call->http->loop, timer, patience - quiet);
		return;
	}
	release(call);
	err_cni(&err, CNI_TRY_AGAIN, "nothing heard for %llu ms", (unsigned long long)quiet);
	call->done(call, 0, &err);
}

/* ---- a call ---------------------------------------------------------------------------------- */

static int add_header(struct http_call *call, const char *name, const char *value)
{
	_cleanup_free_ char *line = NULL;
	struct curl_slist *headers;

	if (asprintf(&line, "%s: %s", name, value) < 0) {
		line = NULL;
		return -ENOMEM;
	}
	headers = curl_slist_append(call->headers, line);
	if (!headers)
		return -ENOMEM;
	call->headers = headers;
	return 0;
}

/* Without the line's end; in a header, one would begin another header. */
static int read_token(const char *file, char **out, struct err *err)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *token = NULL;
	size_t len;

	if (fd < 0)
		return err_set(err, -errno, "open token '%s'", file);
	if (file_read_all(fd, TOKEN_MAX, &token, &len, err))
		return err_wrap(err, "token '%s'", file);
	token[strcspn(token, "\r\n")] = '\0';
	if (!token[0])
		return err_set(err, -ENODATA, "token '%s'", file);
	*out = TAKE_PTR(token);
	return 0;
}

static CURLcode configure(struct http_call *call, const char *url)
{
	const struct http_config *config = &call->http->config;
	CURL *easy = call->easy;

	return curl_easy_setopt(easy, CURLOPT_URL, url) ?:
	       curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https") ?:
	       curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ?:
	       curl_easy_setopt(easy, CURLOPT_PROXY, "") ?:
	       curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file) ?:
	       curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) ?:
	       curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L) ?:
	       curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_ms) ?:
	       curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) ?:
	       curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S) ?:
	       curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S / 3) ?:
	       curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) ?:
	       curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) ?:
	       curl_easy_setopt(easy, CURLOPT_USERAGENT, "ctnatd") ?:
	       curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers) ?:
	       curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->why) ?:
	       curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) ?:
	       curl_easy_setopt(easy, CURLOPT_HEADERDATA, call) ?:
	       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) ?:
	       curl_easy_setopt(easy, CURLOPT_WRITEDATA, call) ?:
	       curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
}

static CURLcode add_body(struct http_call *call, const char *body)
{
	return curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, "PATCH")
		       ?: curl_easy_setopt(call->easy, CURLOPT_COPYPOSTFIELDS, body);
}

/* Everything that can fail, but for the token. `type` and `body`: NULL for a GET. */
static int prepare(struct http_call *call, const char *token, const char *path, const char *type,
		   const char *body)
{
	_cleanup_free_ char *url = NULL, *bearer = NULL;

	if (asprintf(&url, "%s%s", call->http->config.server, path) < 0) {
		url = NULL;
		return -ENOMEM;
	}
	if (asprintf(&bearer, "Bearer %s", token) < 0) {
		bearer = NULL;
		return -ENOMEM;
	}
	if (add_header(call, "Accept", "application/json") ||
	    add_header(call, "Authorization", bearer) ||
	    (type && add_header(call, "Content-Type", type)))
		return -ENOMEM;
	call->why = calloc(1, CURL_ERROR_SIZE);
	call->easy = curl_easy_init();
	if (!call->why || !call->easy || configure(call, url) || (body && add_body(call, body)))
		return -ENOMEM;
	return curl_multi_add_handle(call->http->multi, call->easy) ? -ENOMEM : 0;
}

static int begin(struct http *http, struct http_call *call, const char *path, const char *type,
		 const char *body, struct err *err)
{
	_cleanup_free_ char *token = NULL;
	int ret;

	ret = read_token(http->config.token_file, &token, err);
	if (ret)
		return ret;
	call->http = http;
	call->status = 0;
	call->len = 0;
	call->err.errnum = 0;
	call->heard = loop_now_ms();
	call->silence.fn = check_silence;
	call->silence.data = call;
	ret = prepare(call, token, path, type, body);
	if (ret) {
		release(call);
		return err_set(err, ret, "ask '%s%s'", http->config.server, path);
	}
	loop_arm(http->loop, &call->silence, http->config.silence_ms);
	return 0;
}

int http_get(struct http *http, struct http_call *call, const char *path, struct err *err)
{
	return begin(http, call, path, NULL, NULL, err);
}

int http_patch(struct http *http, struct http_call *call, const char *path, const char *type,
	       const char *body, struct err *err)
{
	return begin(http, call, path, type, body, err);
}

void http_abort(struct http_call *call)
{
	if (call->easy)
		release(call);
}

bool http_is_streaming(const struct http_call *call)
{
	return call->easy && call->status / 100 == 2;
}

char *http_escape(const char *text)
{
	char *escaped = malloc(3 * strlen(text) + 1), *at = escaped;

	if (!escaped)
		return NULL;
	for (; *text; text++)
		if (strchr(PLAIN_CHARACTERS, *text))
			*at++ = *text;
		else
			at += sprintf(at, "%%%02X", (unsigned char)*text);
	*at = '\0';
	return escaped;
}

/* ---- the server ------------------------------------------------------------------------------ */

int http_open(struct http *http, struct loop *loop, const struct http_config *config,
	      struct err *err)
{
	memset(http, 0, sizeof(*http));
	if (!(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS))
		return err_set(err, -ENOTSUP, "libcurl would wait for names to be resolved");
	http->loop = loop;
	http->config = *config;
	http->timer.fn = serve_timer;
	http->timer.data = http;
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return err_set(err, -ENOMEM, "initialise libcurl");
	http->multi = curl_multi_init();
	if (!http->multi || curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket) ||
	    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) ||
	    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer) ||
	    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http) ||
	    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, IDLE_MAX)) {
		http_close(http);
		return err_set(err, -ENOMEM, "initialise libcurl");
	}
	return 0;
}

void http_close(struct http *http)
{
	if (!http->multi)
		return;
	curl_multi_cleanup(http->multi);
	loop_disarm(http->loop, &http->timer);
	curl_global_cleanup();
	http->multi = NULL;
}
