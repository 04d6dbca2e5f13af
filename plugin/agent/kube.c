// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: three reflectors side by side, which know nothing of each other, and a PATCH.
 *
 * A silent watch is normal in a cluster where nothing happens; but a server sends a bookmark about
 * once a minute. So silence of three minutes means that the connection is dead, and nobody has told
 * us: a watch begun anew from the same version loses nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/kube.h"
#include "base/cleanup.h"

#define CONNECT_MS 10000
#define SILENCE_MS 180000
#define RETRY_MS   1000
#define ABSENT_MS  600000

#define PATCH_TYPE "application/strategic-merge-patch+json"
#define PATCH_BODY                                                                            \
	"{\"status\":{\"conditions\":[{\"type\":\"NetworkUnavailable\",\"status\":\"False\"," \
	"\"reason\":\"CtnatIsUp\",\"message\":\"ctnatd has programmed this node's routes\","  \
	"\"lastHeartbeatTime\":\"%s\",\"lastTransitionTime\":\"%s\"}]}}"

/* ---- the condition --------------------------------------------------------------------------- */

static void try_again(struct kube *kube, const struct err *why)
{
	struct err err = *why;

	err_wrap(&err, "set condition NetworkUnavailable");
	if (kube->config.trouble)
		kube->config.trouble(kube->config.data, KIND_NODE, &err);
	loop_arm(kube->http.loop, &kube->again,
		 backoff_next(&kube->backoff, kube->reflecting.retry_ms));
}

static int send_condition(struct kube *kube, struct err *err)
{
	_cleanup_free_ char *name = http_escape(kube->config.node_name);
	char path[1024], body[512], now[32]; /* an escaped name may have 759 bytes */
	time_t seconds = time(NULL);
	struct tm tm;

	if (!name)
		return err_set(err, -ENOMEM, "escape a name");
	strftime(now, sizeof(now), "%FT%TZ", gmtime_r(&seconds, &tm));
	snprintf(path, sizeof(path), "/api/v1/nodes/%s/status", name);
	snprintf(body, sizeof(body), PATCH_BODY, now, now);
	return http_patch(&kube->http, &kube->patch, path, PATCH_TYPE, body, err);
}

static void patch(struct kube *kube)
{
	struct err err;

	if (send_condition(kube, &err))
		try_again(kube, &err);
}

static void serve_again(struct loop_timer *timer)
{
	patch(timer->data);
}

static void patch_done(struct http_call *call, int status, const struct err *err)
{
	struct kube *kube = call->owner;

	(void)status;
	kube->available = !err;
	if (err)
		try_again(kube, err);
}

void kube_mark_available(struct kube *kube)
{
	if (kube->patch.easy || kube->again.armed)
		return;
	kube->available = false;
	kube->backoff.tries = 0;
	patch(kube);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static unsigned int or_default(unsigned int ms, unsigned int standard)
{
	return ms ? ms : standard;
}

static const char *only(const struct kube *kube, bool all)
{
	return all ? NULL : kube->config.node_name;
}

int kube_start(struct kube *kube, struct loop *loop, const struct kube_config *config,
	       struct cluster *cluster, struct err *err)
{
	struct http_config http = {
		.server = config->server,
		.ca_file = config->ca_file,
		.token_file = config->token_file,
		.connect_ms = or_default(config->connect_ms, CONNECT_MS),
		.silence_ms = or_default(config->silence_ms, SILENCE_MS),
	};
	int ret;

	memset(kube, 0, sizeof(*kube));
	ret = http_open(&kube->http, loop, &http, err);
	if (ret)
		return ret;
	kube->config = *config;
	kube->reflecting = (struct reflector_config){
		.http = &kube->http,
		.loop = loop,
		.cluster = cluster,
		.retry_ms = or_default(config->retry_ms, RETRY_MS),
		.absent_ms = or_default(config->absent_ms, ABSENT_MS),
		.changed = config->changed,
		.trouble = config->trouble,
		.data = config->data,
	};
	kube->patch.done = patch_done;
	kube->patch.owner = kube;
	kube->again.fn = serve_again;
	kube->again.data = kube;
	for (enum kind kind = KIND_NODE; kind < KINDS; kind++)
		reflector_start(&kube->reflectors[kind], &kube->reflecting, kind,
				kind == KIND_NODE ? only(kube, config->all_nodes) : NULL);
	return 0;
}

void kube_stop(struct kube *kube)
{
	for (size_t kind = 0; kind < KINDS; kind++)
		reflector_stop(&kube->reflectors[kind]);
	http_abort(&kube->patch);
	if (kube->http.loop)
		loop_disarm(kube->http.loop, &kube->again);
	http_close(&kube->http);
}

void kube_nodes(struct kube *kube, bool all)
{
	reflector_restrict(&kube->reflectors[KIND_NODE], only(kube, all));
}

void kube_state(const struct kube *kube, enum kind kind, struct kube_state *out)
{
	reflector_state(&kube->reflectors[kind], out);
}
