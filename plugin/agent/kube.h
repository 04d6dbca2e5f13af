/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_KUBE_H
#define CTNAT_AGENT_KUBE_H

/*
 * The API server: what it knows of the cluster comes into the model, by itself and for as long as
 * it takes. Nothing here waits; a server that is gone, slow or silent costs a few timers.
 */
#include "agent/reflector.h"

struct kube_config {
	const char *server; /* "https://192.0.2.1:6443"; all strings live as long as the struct */
	const char *ca_file, *token_file;
	const char *node_name;
	bool all_nodes; /* false: only our own */

	/* The model has changed, or is known for the first time. Neither may call kube_*(), but
	 * for kube_state(). */
	void (*changed)(void *data);
	/* Something failed and will be tried again, or an object made no sense; may be NULL. Also
	 * from within kube_*(). */
	void (*trouble)(void *data, enum kind kind, const struct err *err);
	void *data;

	/* 0: as it should be; for tests */
	unsigned int connect_ms, silence_ms, retry_ms, absent_ms;
};

struct kube {
	struct kube_config config;
	struct http http;
	struct reflector_config reflecting;
	struct reflector reflectors[KINDS];

	/* the condition */
	struct http_call patch;
	struct loop_timer again;
	struct backoff backoff;
	bool available; /* the server has taken it */
};

/* Begins to list and to watch. `loop` and `cluster` stay the caller's. */
int kube_start(struct kube *kube, struct loop *loop, const struct kube_config *config,
	       struct cluster *cluster, struct err *err);
void kube_stop(struct kube *kube); /* also of a zeroed one */

/* From now on all nodes, or only our own. */
void kube_nodes(struct kube *kube, bool all);

/* Sets the node's condition NetworkUnavailable to False, and tries until that has succeeded
 * (kube->available); no more after that, until it is called again. */
void kube_mark_available(struct kube *kube);

void kube_state(const struct kube *kube, enum kind kind, struct kube_state *out);

#endif
