/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_PAGES_H
#define CTNAT_AGENT_PAGES_H

/*
 * What ctnatd says of itself:
 *
 *	/healthz	it runs
 *	/readyz		200 if this node can serve pods, else 503; in words what is lacking
 *	/metrics	for Prometheus
 */
#include "agent/kube.h"
#include "agent/serve.h"
#include "agent/settle.h"

/* Looked at whenever a page is asked for. */
struct pages {
	const char *version;
	const struct settle *settle;
	const struct cluster *cluster;
	const struct kube *kube;
	const bool *config_good;
	const __u64 *config_generation;
	struct serve_path paths[3];
};

/* As serve_open(). *pages stays the caller's, and in its place. */
struct serve *pages_open(struct pages *pages, struct loop *loop, struct err *err);

#endif
