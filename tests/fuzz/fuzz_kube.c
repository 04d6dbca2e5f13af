// SPDX-License-Identifier: Apache-2.0
/*
 * All that comes from an API server. The first byte says which kind of object, whether it is a list
 * or a watch, and in pieces of which size it comes. It is taken as the reflector takes it. Whatever
 * the pieces, the same must come out; what was taken makes sense, and what was not is named.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cluster.h"
#include "agent/envelope.h"
#include "agent/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cluster cluster;
static enum kind kind;
static bool watch;
static uint64_t digest; /* of all documents, in order */

static void must_tell(int ret, const struct err *err)
{
	assert(ret < 0 && err->errnum < 0 && err->msg[0] && strlen(err->msg) < sizeof(err->msg));
}

static void put(const struct object *object)
{
	assert(object->name[0] && strlen(object->name) < sizeof(object->name));
	assert(strlen(object->version) < sizeof(object->version));
	assert(cluster_put(&cluster, object, NULL) == 0);
}

static void take_event(const struct scanned *what)
{
	struct err err = { 0 };
	struct event event;
	int ret = event_parse(what->text, what->len, kind, &event, &err);

	assert(strlen(event.object.name) < sizeof(event.object.name));
	if (ret)
		must_tell(ret, &err);
	else if (event.type == EVENT_PUT)
		put(&event.object);
	else if (event.type == EVENT_DELETE)
		cluster_delete(&cluster, kind, event.object.name);
	else if (event.type == EVENT_ERROR)
		must_tell(err.errnum, &err);
}

static void take_item(const struct scanned *what)
{
	struct err err = { 0 };
	struct object object;
	int ret = object_parse(what->text, what->len, kind, &object, &err);

	if (!ret)
		put(&object);
	else
		must_tell(ret, &err);
}

static void take_page(const struct scanned *what)
{
	struct page page = { .more = NULL };
	struct err err = { 0 };
	int ret = page_parse(what->text, what->len, &page, &err);

	if (ret)
		must_tell(ret, &err);
	else
		assert(page.version[0]);
	free(page.more);
}

static int take(struct scan *scan, const struct scanned *what, struct err *err)
{
	(void)scan;
	(void)err;
	assert(what->text[what->len] == '\0' && !what->cut);
	for (size_t i = 0; i < what->len; i++)
		digest = (digest ^ (uint8_t)what->text[i]) * 1099511628211u;
	digest += what->item;
	if (watch)
		take_event(what);
	else if (what->item)
		take_item(what);
	else
		take_page(what);
	return 0;
}

static uint64_t feed(const uint8_t *data, size_t size, size_t piece)
{
	struct scan scan = { .each = take };
	struct err err = { 0 };
	int ret = 0;

	digest = 0;
	for (size_t at = 0; at < size && !ret; at += piece)
		ret = scan_feed(&scan, (const char *)data + at, size - at < piece ? size - at : piece,
				&err);
	if (ret)
		must_tell(ret, &err);
	scan_free(&scan);
	return digest;
}

static void look(void)
{
	const struct peer *peers;
	struct cidr *cidrs;
	size_t n;

	assert(!cluster_peers(&cluster, &peers, &n, NULL));
	for (size_t i = 1; i < n; i++)
		assert(strcmp(peers[i - 1].name, peers[i].name) < 0);
	assert(!cluster_service_cidrs(&cluster, &cidrs, &n, NULL));
	free(cidrs);
	assert(!cluster_externals(&cluster, &cidrs, &n, NULL));
	free(cidrs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t whole;

	if (!size)
		return 0;
	kind = data[0] % KINDS;
	watch = data[0] & 0x40;
	assert(!cluster_init(&cluster, "a", NULL));
	cluster_begin(&cluster, kind);
	whole = feed(data + 1, size - 1, size);
	look();
	assert(feed(data + 1, size - 1, 1 + (data[0] & 7)) == whole);
	look();
	cluster_end(&cluster, kind);
	cluster_free(&cluster);
	return 0;
}
