// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: cJSON parses, this file distrusts it where it is lenient. It ends a string at an escaped
 * NUL ("a\u0000b" becomes "a"), takes the first of two equal keys, and turns numbers beyond an int
 * into INT_MAX; so escaped NULs are refused before parsing, doubles looked for, and numbers read as
 * double only. Its limit of 1000 levels bounds the stack.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf/json.h"

#define PATH_TEXT_MAX  192
#define VALUE_TEXT_MAX 480 /* path, value and reason fit an error's message */
#define CJSON_SPARE    5   /* cJSON's estimates are off by up to this */

static const cJSON *node_of(const struct json *value)
{
	return value->node;
}

/* ---- naming ---------------------------------------------------------------------------------- */

/* "ipam.ranges[0].subnet" into path, cut where it ends. The document's own name stands only for
 * itself. */
static size_t write_path(const struct json *value, char *path, size_t size)
{
	size_t used =
		value->parent && value->parent->parent ? write_path(value->parent, path, size) : 0;
	int n;

	if (value->key)
		n = snprintf(path + used, size - used, "%s%s", used ? "." : "", value->key);
	else
		n = snprintf(path + used, size - used, "[%zu]", value->index);
	return used + (size_t)n < size ? used + (size_t)n : size - 1;
}

/* The value as it was written, more or less, cut if it is long. */
static void write_value(const struct json *value, char *text, size_t size)
{
	const cJSON *node = node_of(value);

	if (cJSON_IsNumber(node) && !isfinite(node->valuedouble))
		snprintf(text, size, "a number beyond all bounds");
	else if (cJSON_PrintPreallocated((cJSON *)node, text, (int)size - CJSON_SPARE, false))
		return;
	else if (cJSON_IsString(node))
		snprintf(text, size, "\"%.*s...", (int)(size - sizeof("\"...")), node->valuestring);
	else
		snprintf(text, size, "%s", cJSON_IsArray(node) ? "[...]" : "{...}");
}

static int reject(const struct json *value, unsigned int code, struct err *err, const char *fmt,
		  va_list args)
{
	char path[PATH_TEXT_MAX], text[VALUE_TEXT_MAX], reason[sizeof(err->msg)];

	write_path(value, path, sizeof(path));
	write_value(value, text, sizeof(text));
	vsnprintf(reason, sizeof(reason), fmt, args);
	return err_cni(err, code, "%s: %s: %s", path, text, reason);
}

int json_reject(const struct json *value, struct err *err, const char *fmt, ...)
{
	va_list args;
	int ret;

	va_start(args, fmt);
	ret = reject(value, CNI_INVALID_CONFIG, err, fmt, args);
	va_end(args);
	return ret;
}

int json_reject_code(const struct json *value, unsigned int code, struct err *err, const char *fmt,
		     ...)
{
	va_list args;
	int ret;

	va_start(args, fmt);
	ret = reject(value, code, err, fmt, args);
	va_end(args);
	return ret;
}

int json_missing(const struct json *object, const char *key, struct err *err, const char *reason)
{
	struct json value = { .parent = object, .key = key };
	char path[PATH_TEXT_MAX];

	write_path(&value, path, sizeof(path));
	return err_cni(err, CNI_INVALID_CONFIG, "%s: missing: %s", path, reason);
}

/* ---- documents ------------------------------------------------------------------------------- */

/* The first \u0000, or NULL. A backslash escapes what follows it, so "\\u0000" is five harmless
 * letters. */
static const char *find_escaped_nul(const char *text)
{
	while ((text = strchr(text, '\\'))) {
		if (!strncmp(text, "\\u0000", 6))
			return text;
		text += text[1] ? 2 : 1;
	}
	return NULL;
}

int json_parse(const char *text, size_t len, const char *what, struct json *out, struct err *err)
{
	const char *nul = memchr(text, '\0', len), *end = text;
	cJSON *node;

	if (nul || (nul = find_escaped_nul(text)))
		return err_cni(err, CNI_DECODE, "%s: a NUL at byte %td", what, nul - text);
	node = cJSON_ParseWithLengthOpts(text, len + 1, &end, true);
	if (!node && end >= text + len)
		return err_cni(err, CNI_DECODE, "%s: %s", what,
			       len ? "JSON that ends too early" : "empty");
	if (!node)
		return err_cni(err, CNI_DECODE, "%s: not JSON from byte %td on: '%.40s'", what,
			       end - text, end);
	if (!cJSON_IsObject(node)) {
		cJSON_Delete(node);
		return err_cni(err, CNI_DECODE, "%s: not a JSON object: '%.40s'", what, text);
	}
	*out = (struct json){ .node = node, .key = what };
	return 0;
}

void json_free(struct json *document)
{
	cJSON_Delete((cJSON *)document->node);
	document->node = NULL;
}

char *json_with_string(const char *text, const char *key, const char *value)
{
	cJSON *document = cJSON_Parse(text);
	char *changed = NULL;

	cJSON_DeleteItemFromObject(document, key);
	if (cJSON_AddStringToObject(document, key, value))
		changed = cJSON_PrintUnformatted(document);
	cJSON_Delete(document);
	return changed;
}

bool json_next(const struct json *list, struct json *item)
{
	const cJSON *first = list->node ? node_of(list)->child : NULL;
	const cJSON *next = item->node ? node_of(item)->next : first;
	size_t index = item->node ? item->index + 1 : 0;

	*item = (struct json){ .node = next, .parent = list, .index = index };
	return next;
}

/* ---- values ---------------------------------------------------------------------------------- */

int json_object(const struct json *value, struct err *err)
{
	return cJSON_IsObject(node_of(value)) ? 0 : json_reject(value, err, "must be an object");
}

int json_list(const struct json *value, struct err *err)
{
	return cJSON_IsArray(node_of(value)) ? 0 : json_reject(value, err, "must be a list");
}

int json_string(const struct json *value, const char **out, struct err *err)
{
	if (!cJSON_IsString(node_of(value)))
		return json_reject(value, err, "must be a string");
	*out = node_of(value)->valuestring;
	return 0;
}

int json_integer(const struct json *value, unsigned long long max, unsigned long long *out,
		 struct err *err)
{
	/* NaN if it is none, and fails every comparison */
	double number = cJSON_GetNumberValue(node_of(value));

	if (!(number >= 0 && number <= (double)max) || number != (double)(unsigned long long)number)
		return json_reject(value, err, "must be an integer from 0 to %llu", max);
	*out = (unsigned long long)number;
	return 0;
}

bool json_is_empty(const struct json *value)
{
	return !value->node || !node_of(value)->child;
}

size_t json_count(const struct json *value)
{
	return (size_t)cJSON_GetArraySize(node_of(value));
}

bool json_has(const struct json *object, const char *key)
{
	return cJSON_HasObjectItem(node_of(object), key);
}

int json_only(const struct json *object, const char *const *keys, size_t n, struct err *err)
{
	for (const cJSON *item = node_of(object)->child; item; item = item->next) {
		struct json value = { .node = item, .parent = object, .key = item->string };
		size_t i = 0;

		while (i < n && strcasecmp(item->string, keys[i]))
			i++;
		if (i == n)
			return json_reject(&value, err, "there is no such key");
	}
	return 0;
}

int json_get(const struct json *object, const char *key, struct json *out, struct err *err)
{
	struct json found = { .parent = object, .key = key };
	const cJSON *node;
	int ret;

	ret = json_object(object, err);
	if (ret)
		return ret;
	cJSON_ArrayForEach(node, node_of(object)) {
		if (strcasecmp(node->string, key))
			continue;
		if (found.node)
			return json_reject(&found, err, "the key is there twice");
		found.node = node;
	}
	if (!found.node || cJSON_IsNull(node_of(&found)))
		return 0;
	*out = found;
	return 1;
}

int json_get_object(const struct json *object, const char *key, struct json *out, struct err *err)
{
	struct json value;
	int ret;

	ret = json_get(object, key, &value, err);
	if (ret <= 0)
		return ret;
	ret = json_object(&value, err);
	if (ret)
		return ret;
	*out = value;
	return 1;
}

int json_get_list(const struct json *object, const char *key, struct json *out, struct err *err)
{
	struct json value;
	int ret;

	ret = json_get(object, key, &value, err);
	if (ret <= 0)
		return ret;
	ret = json_list(&value, err);
	if (ret)
		return ret;
	*out = value;
	return 1;
}

int json_get_bool(const struct json *object, const char *key, bool *out, struct err *err)
{
	struct json value;
	int ret;

	ret = json_get(object, key, &value, err);
	if (ret <= 0)
		return ret;
	if (!cJSON_IsBool(node_of(&value)))
		return json_reject(&value, err, "must be true or false");
	*out = cJSON_IsTrue(node_of(&value));
	return 1;
}

int json_get_integer(const struct json *object, const char *key, unsigned long long max,
		     unsigned long long *out, struct err *err)
{
	struct json value;
	int ret;

	ret = json_get(object, key, &value, err);
	if (ret <= 0)
		return ret;
	ret = json_integer(&value, max, out, err);
	return ret ? ret : 1;
}

int json_get_string(const struct json *object, const char *key, const char **out, struct err *err)
{
	struct json value;
	int ret;

	ret = json_get(object, key, &value, err);
	if (ret <= 0)
		return ret;
	ret = json_string(&value, out, err);
	return ret ? ret : 1;
}
