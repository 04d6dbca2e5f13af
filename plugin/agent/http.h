/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_HTTP_H
#define CTNAT_AGENT_HTTP_H

/*
 * HTTP/1.1 over TLS to one server, in the loop: nothing here waits. Calls run side by side; each
 * lies in its caller's struct, zeroed before its first use but for what is the caller's, and can be
 * used again once it has ended.
 *
 * The server must prove itself by the CA file alone. The token is read from its file for every
 * call, the CA file for every connection: both may change at any time.
 */
#include <sys/types.h>

#include "agent/loop.h"

#define HTTP_TEXT_MAX 1024

struct http_config {
	const char *server; /* "https://192.0.2.1:6443"; all three live as long as the struct */
	const char *ca_file, *token_file;
	unsigned int connect_ms; /* until TLS stands */
	unsigned int silence_ms; /* a call of which nothing is heard for so long has failed */
};

struct http {
	struct loop *loop;
	struct http_config config;
	void *multi; /* NULL: not open */
	struct loop_timer timer;
};

struct http_call {
	/*
	 * The caller's. data() gets the body of an answer 2xx as it comes; NULL: nobody wants it.
	 * If it returns a negative errno, the call fails with its err. It must not touch calls, be
	 * it this one or another.
	 *
	 * done() is the end, once for each call that was begun and not aborted. With an answer,
	 * `status` is its HTTP status, and err is NULL if that is 2xx. Without a whole one it is 0.
	 * It may begin and abort calls, but not close the struct http.
	 */
	int (*data)(struct http_call *call, const char *bytes, size_t len, struct err *err);
	void (*done)(struct http_call *call, int status, const struct err *err);
	void *owner;

	/* http.c's */
	struct http *http;
	void *easy; /* NULL: not under way */
	void *headers;
	struct loop_timer silence;
	__u64 heard;		  /* loop_now_ms() */
	int status;		  /* once the head of the answer is there; 0: not yet */
	struct err err;		  /* what data() said */
	char text[HTTP_TEXT_MAX]; /* the beginning of a body that is not data()'s */
	size_t len;
	char *why; /* what libcurl said */
};

int http_open(struct http *http, struct loop *loop, const struct http_config *config,
	      struct err *err);
void http_close(struct http *http); /* no call is under way; also of one that is not open */

/* Begin a call. `path` begins with '/'. An error means that there is none, and no done(). */
int http_get(struct http *http, struct http_call *call, const char *path, struct err *err);
int http_patch(struct http *http, struct http_call *call, const char *path, const char *type,
	       const char *body, struct err *err);

/* Ends it without done(). Also one that is not under way. Not from data(). */
void http_abort(struct http_call *call);

/* Is the head of an answer 2xx there, and the call still under way? */
bool http_is_streaming(const struct http_call *call);

/* As a value in a path's query: what is not a letter, a digit or one of "-._~" becomes %XX. The
 * caller frees it. NULL: memory is short. */
char *http_escape(const char *text);

#endif
