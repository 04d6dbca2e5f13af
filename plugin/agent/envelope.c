// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the envelope is the server's word on the stream itself, not on an object. What is wrong
 * with a page makes the list worthless; an event that makes no sense is one event lost.
 */
#include <errno.h>
#include <string.h>

#include "agent/envelope.h"
#include "conf/json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int page_parse(const char *text, size_t len, struct page *out, struct err *err)
{
	_cleanup_json_ struct json root = { 0 };
	struct page page = { .more = NULL };
	const char *more = "";
	struct json metadata;
	int ret;

	ret = json_parse(text, len, "list", &root, err);
	if (!ret)
		ret = object_read_version(&root, page.version, err);
	if (ret)
		return ret;
	if (!page.version[0])
		return json_missing(&root, "metadata.resourceVersion", err, "every list has one");
	ret = json_get_object(&root, "metadata", &metadata, err);
	if (ret > 0)
		ret = json_get_string(&metadata, "continue", &more, err);
	if (ret < 0)
		return ret;
	page.more = more[0] ? strdup(more) : NULL;
	if (more[0] && !page.more)
		return err_set(err, -ENOMEM, "keep a token to continue with");
	*out = page;
	return 0;
}

static int get_type(const struct json *root, enum event_type *out, struct err *err)
{
	static const char *const words[] = { "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR" };
	static const enum event_type types[] = { EVENT_PUT, EVENT_PUT, EVENT_DELETE, EVENT_BOOKMARK,
						 EVENT_ERROR };
	const char *text;
	int ret;

	ret = json_get_string(root, "type", &text, err);
	if (ret <= 0)
		return ret ? ret : json_missing(root, "type", err, "every event has one");
	for (size_t i = 0; i < COUNT(words); i++)
		if (!strcmp(text, words[i])) {
			*out = types[i];
			return 0;
		}
	return err_cni(err, CNI_DECODE, "type: \"%.40s\": not known", text);
}

/* Puts into err what a Status says. */
static void say_status(const struct json *status, struct err *err)
{
	const char *message = "no message";
	unsigned long long code = 0;

	json_get_integer(status, "code", 999, &code, NULL);
	json_get_string(status, "message", &message, NULL);
	err_cni(err, CNI_TRY_AGAIN, "the watch says %llu: %s", code, message);
}

int event_parse(const char *text, size_t len, enum kind kind, struct event *out, struct err *err)
{
	_cleanup_json_ struct json root = { 0 };
	struct object *object = &out->object;
	struct json value;
	int ret;

	object->name[0] = '\0';
	object->version[0] = '\0';
	ret = json_parse(text, len, "event", &root, err);
	if (!ret)
		ret = get_type(&root, &out->type, err);
	if (ret)
		return ret;
	ret = json_get_object(&root, "object", &value, err);
	if (ret <= 0)
		return ret ? ret : json_missing(&root, "object", err, "every event has one");
	switch (out->type) {
	case EVENT_PUT:
		return object_read(&value, kind, object, err);
	case EVENT_DELETE:
		return object_read_head(&value, kind, object, err);
	case EVENT_BOOKMARK:
		return object_read_version(&value, object->version, err);
	case EVENT_ERROR:
		say_status(&value, err);
	}
	return 0;
}
