/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_REFLECTOR_H
#define CTNAT_AGENT_REFLECTOR_H

/*
 * Keeps the model true for one kind of object: lists it in pages, then watches it, and begins anew
 * when the server has forgotten where we were. It never gives up.
 */
#include "agent/backoff.h"
#include "agent/cluster.h"
#include "agent/http.h"
#include "agent/scan.h"

#define REFLECTOR_ERROR_MAX 256

/* For metrics and messages. */
struct kube_state {
	bool synced;   /* a list was complete once */
	bool watching; /* the server streams to us */
	bool absent;   /* the server has none, or not for us: ServiceCIDRs only */
	unsigned long long lists, events, errors; /* lists: that were complete */
	unsigned long long bad;			  /* objects that made no sense */
	long long last_event;			  /* Unix time; 0: never */
	char last_error[REFLECTOR_ERROR_MAX];	  /* "": none yet */
};

/* The caller's; strings live as long as the reflectors. */
struct reflector_config {
	struct http *http;
	struct loop *loop;
	struct cluster *cluster;
	unsigned int retry_ms;	/* the first delay after an error; the longest is 30 times that */
	unsigned int absent_ms; /* when to ask again for what the server does not have */
	void (*changed)(void *data);
	void (*trouble)(void *data, enum kind kind, const struct err *err); /* may be NULL */
	void *data;
};

struct reflector {
	const struct reflector_config *config;
	enum kind kind;
	const char *only; /* an object's name; NULL: all */
	struct kube_state state;

	/* reflector.c's */
	struct http_call call;
	struct scan scan;
	struct loop_timer timer;
	struct backoff backoff;
	char version[OBJECT_VERSION_MAX]; /* where to watch from; "": list first */
	char *more;			  /* the next page; NULL: the first */
	bool watching;			  /* what the call does */
	bool complete;			  /* the page, or the watch by the server's own word */
	bool lost;			  /* the server knows `version` no longer */
	bool whole;			  /* list without pages */
	bool beta;			  /* ServiceCIDRs as of v1beta1 */
	__u64 begun;			  /* the call; loop_now_ms() */
	unsigned long long heard;	  /* state.events when it began */
	__u64 told;			  /* the generation that changed() was called for */
};

/* Begins, with a list; `config` stays the caller's. */
void reflector_start(struct reflector *r, const struct reflector_config *config, enum kind kind,
		     const char *only);
void reflector_stop(struct reflector *r);

/* Of all objects, or of another one; nothing if it is so already. */
void reflector_restrict(struct reflector *r, const char *only);

void reflector_state(const struct reflector *r, struct kube_state *out);

#endif
