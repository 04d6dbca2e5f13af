// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: one call at a time, and between two calls either nothing or the timer. What is asked next
 * follows from what is known:
 *
 *	version	more
 *	""	NULL	first page of a list
 *	""	token	its next page
 *	set		watch from that version on
 *
 * All that fails is asked again after a while, and goes on where it was: a page by its token, a
 * watch by its version. Only when the server says that it does not know these (410 Gone, or another
 * refusal of the request as such) both are forgotten. The model stays as it is meanwhile: the sweep
 * is at the end of a list.
 *
 * The first list may be the server's cache's (resourceVersion=0), as every informer's is: when all
 * nodes of a cluster start at once, their lists must not all go to etcd. Such a list may be old;
 * the watch makes up for that. It may also come as one page, which costs us nothing (agent/scan.h).
 * Lists after that are asked for as of now.
 */
#define _GNU_SOURCE /* asprintf() */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/envelope.h"
#include "agent/reflector.h"
#include "base/cleanup.h"

#define PAGE	  500
#define WATCH_S	  600	/* the server ends a watch after half of that to all of it */
#define STEADY_MS 10000 /* a watch that held so long was none that fails */
#define HURRY_MS  1000	/* ... and one that ended before is not begun anew at once */

static const char *const paths[KINDS] = {
	[KIND_NODE] = "/api/v1/nodes",
	[KIND_SERVICE] = "/api/v1/services",
	[KIND_SERVICE_CIDR] = "/apis/networking.k8s.io/v1/servicecidrs",
};

static const char beta_path[] = "/apis/networking.k8s.io/v1beta1/servicecidrs";

/* ---- asking ---------------------------------------------------------------------------------- */

/* "&fieldSelector=metadata.name=<name>", or nothing. NULL: memory is short. */
static char *selector(const struct reflector *r)
{
	_cleanup_free_ char *name = http_escape(r->only ? r->only : "");
	char *text;

	if (!name ||
	    asprintf(&text, "%s%s", r->only ? "&fieldSelector=metadata.name%3D" : "", name) < 0)
		return NULL;
	return text;
}

/* What to ask next. The caller frees it. NULL: memory is short. */
static char *next_path(const struct reflector *r)
{
	const char *path = r->beta ? beta_path : paths[r->kind];
	_cleanup_free_ char *select = selector(r), *version = http_escape(r->version);
	_cleanup_free_ char *more = http_escape(r->more ? r->more : "");
	const char *from = r->more ? "&continue=" : r->state.synced ? "" : "&resourceVersion=0";
	char *text;
	int n;

	if (!select || !version || !more)
		return NULL;
	if (r->version[0])
		n = asprintf(&text,
			     "%s?watch=1&allowWatchBookmarks=true&resourceVersion=%s"
			     "&timeoutSeconds=%u%s",
			     path, version, backoff_spread(WATCH_S), select);
	else
		n = asprintf(&text, "%s?limit=%d%s%s%s", path, r->whole ? 0 : PAGE, from, more,
			     select);
	return n < 0 ? NULL : text;
}

static void wait_longer(struct reflector *r)
{
	loop_arm(r->config->loop, &r->timer, backoff_next(&r->backoff, r->config->retry_ms));
}

static void tell_trouble(struct reflector *r, const struct err *err)
{
	snprintf(r->state.last_error, sizeof(r->state.last_error), "%.*s",
		 (int)sizeof(r->state.last_error) - 1, err->msg);
	if (r->config->trouble)
		r->config->trouble(r->config->data, r->kind, err);
}

/* The server does not know where we are: a list is next. */
static void forget(struct reflector *r)
{
	r->version[0] = '\0';
	free(r->more);
	r->more = NULL;
}

/* Says which call it was. */
static void name_call(const struct reflector *r, struct err *err)
{
	err_wrap(err, "%s %ss", r->watching ? "watch" : "list", kind_name(r->kind));
}

static void failed(struct reflector *r, const struct err *err)
{
	r->state.errors++;
	tell_trouble(r, err);
	wait_longer(r);
}

static void ask(struct reflector *r)
{
	_cleanup_free_ char *path = next_path(r);
	struct err err;
	int ret;

	r->watching = r->version[0];
	r->complete = r->lost = false;
	r->begun = loop_now_ms();
	r->heard = r->state.events;
	scan_reset(&r->scan);
	if (!r->watching && !r->more)
		cluster_begin(r->config->cluster, r->kind);
	if (!path)
		ret = err_set(&err, -ENOMEM, "ask for them");
	else
		ret = http_get(r->config->http, &r->call, path, &err);
	if (ret) {
		name_call(r, &err);
		failed(r, &err);
	}
}

static void serve_timer(struct loop_timer *timer)
{
	ask(timer->data);
}

/* ---- what comes ------------------------------------------------------------------------------ */

static void tell_changed(struct reflector *r)
{
	__u64 generation = r->config->cluster->generation[r->kind];

	if (r->told == generation)
		return;
	r->told = generation;
	r->config->changed(r->config->data);
}

/* One that makes no sense is skipped, and counted. */
static void bad_object(struct reflector *r, const char *name, const struct err *err)
{
	r->state.bad++;
	if (name[0])
		cluster_keep(r->config->cluster, r->kind, name);
	tell_trouble(r, err);
}

/* Of what is larger than any object: its beginning may say which one it was. */
static void too_large(struct reflector *r, const struct scanned *what)
{
	struct err err;

	err_cni(&err, CNI_DECODE, "%s: more than %u bytes, which begin with '%.100s'",
		kind_name(r->kind), SCAN_MAX, what->text);
	bad_object(r, "", &err);
}

static int take_item(struct reflector *r, const struct scanned *what, struct err *err)
{
	struct object object;
	struct err bad;

	if (object_parse(what->text, what->len, r->kind, &object, &bad)) {
		bad_object(r, object.name, &bad);
		return 0;
	}
	return cluster_put(r->config->cluster, &object, err);
}

/* The page itself, after its items. */
static int take_page(struct reflector *r, const struct scanned *what, struct err *err)
{
	struct page page;
	int ret;

	if (r->complete)
		return err_cni(err, CNI_DECODE, "something follows a page");
	ret = page_parse(what->text, what->len, &page, err);
	if (ret)
		return ret;
	free(r->more);
	r->more = page.more;
	r->complete = true;
	if (!r->more)
		snprintf(r->version, sizeof(r->version), "%s", page.version);
	return 0;
}

static int take_event(struct reflector *r, const struct scanned *what, struct err *err)
{
	struct cluster *cluster = r->config->cluster;
	struct event event;
	struct err said;
	int ret = event_parse(what->text, what->len, r->kind, &event, &said);

	if (ret) {
		bad_object(r, event.object.name, &said);
	} else if (event.type == EVENT_ERROR) {
		r->lost = true;
		*err = said;
		return err->errnum;
	} else if (event.type == EVENT_PUT) {
		ret = cluster_put(cluster, &event.object, err);
		if (ret)
			return ret;
	} else if (event.type == EVENT_DELETE) {
		cluster_delete(cluster, r->kind, event.object.name);
	}
	r->state.events++;
	r->state.last_event = time(NULL);
	if (event.object.version[0])
		memcpy(r->version, event.object.version, sizeof(r->version));
	tell_changed(r);
	return 0;
}

static int on_document(struct scan *scan, const struct scanned *what, struct err *err)
{
	struct reflector *r = (void *)((char *)scan - offsetof(struct reflector, scan));

	if (what->cut && !what->item && !r->watching)
		return err_cni(err, CNI_DECODE, "a page of more than %u bytes", SCAN_MAX);
	if (what->cut) {
		too_large(r, what);
		return 0;
	}
	if (r->watching)
		return take_event(r, what, err);
	return what->item ? take_item(r, what, err) : take_page(r, what, err);
}

static int on_data(struct http_call *call, const char *bytes, size_t len, struct err *err)
{
	struct reflector *r = call->owner;

	return scan_feed(&r->scan, bytes, len, err);
}

/* ---- how it ends ----------------------------------------------------------------------------- */

/* The request as such is refused: asked again, it would be again. */
static bool is_refusal(int status)
{
	return status / 100 == 4 && status != 401 && status != 403 && status != 408 &&
	       status != 429;
}

static void end_list(struct reflector *r)
{
	cluster_end(r->config->cluster, r->kind);
	r->state.lists++;
	r->state.last_event = time(NULL);
	r->state.synced = true;
	r->state.absent = false;
	r->whole = false;
	tell_changed(r);
}

/* None there, or not for us. What is known stays; what was never known is nothing. */
static void absent(struct reflector *r, const struct err *err)
{
	if (!r->state.absent)
		tell_trouble(r, err);
	r->state.absent = true;
	r->beta = false;
	forget(r);
	if (!cluster_knows(r->config->cluster, r->kind))
		cluster_end(r->config->cluster, r->kind);
	loop_arm(r->config->loop, &r->timer, backoff_spread(r->config->absent_ms));
	tell_changed(r);
}

static void list_failed(struct reflector *r, int status, const struct err *err)
{
	if (status == 410 && r->more)
		r->whole = true; /* pages take longer than the server remembers */
	if (is_refusal(status))
		forget(r);
	if (r->kind != KIND_SERVICE_CIDR || (status != 403 && status != 404)) {
		failed(r, err);
	} else if (status == 404 && !r->beta) {
		r->beta = true;
		ask(r);
	} else {
		absent(r, err);
	}
}

static void watch_failed(struct reflector *r, int status, const struct err *err)
{
	if (r->lost || is_refusal(status))
		forget(r);
	failed(r, err);
}

static void page_done(struct reflector *r)
{
	if (r->version[0])
		end_list(r);
	ask(r);
}

static void on_done(struct http_call *call, int status, const struct err *err)
{
	struct reflector *r = call->owner;
	__u64 lasted = loop_now_ms() - r->begun;
	struct err copy = { 0 };

	if (err)
		copy = *err;
	else if (!r->watching && !r->complete)
		err_cni(&copy, CNI_DECODE, "a page that ends too early");
	if (copy.errnum)
		name_call(r, &copy);
	if (r->watching && (r->state.events != r->heard || lasted >= STEADY_MS))
		r->backoff.tries = 0;
	if (copy.errnum && r->watching)
		watch_failed(r, status, &copy);
	else if (copy.errnum)
		list_failed(r, status, &copy);
	else if (!r->watching)
		page_done(r);
	else if (lasted < HURRY_MS)
		wait_longer(r);
	else
		ask(r);
}

/* ---- the reflector --------------------------------------------------------------------------- */

void reflector_start(struct reflector *r, const struct reflector_config *config, enum kind kind,
		     const char *only)
{
	memset(r, 0, sizeof(*r));
	r->config = config;
	r->kind = kind;
	r->only = only;
	r->call.data = on_data;
	r->call.done = on_done;
	r->call.owner = r;
	r->scan.each = on_document;
	r->timer.fn = serve_timer;
	r->timer.data = r;
	ask(r);
}

void reflector_stop(struct reflector *r)
{
	if (!r->config)
		return;
	http_abort(&r->call);
	loop_disarm(r->config->loop, &r->timer);
	scan_free(&r->scan);
	forget(r);
	r->config = NULL;
}

void reflector_restrict(struct reflector *r, const char *only)
{
	if (r->only == only)
		return;
	http_abort(&r->call);
	loop_disarm(r->config->loop, &r->timer);
	forget(r);
	r->only = only;
	ask(r);
}

void reflector_state(const struct reflector *r, struct kube_state *out)
{
	*out = r->state;
	out->watching = r->watching && http_is_streaming(&r->call);
}
