// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: brackets outside of strings say where a value ends; nothing else needs to be understood.
 * One buffer holds the document as far as it was read. An item stands at its end, and goes when it
 * has been handed over:
 *
 *	{"kind":"NodeList","metadata":{...},"items":[	{"metadata":...
 *	                                            	^ item
 *
 * Control characters within a string are what no JSON has: the stream is out of step then, and is
 * given up rather than swallowed until somebody closes enough brackets.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/scan.h"

#define FIRST_SIZE 32768u
#define KEEP_SIZE  262144u /* a larger buffer is given back after what needed it */

static const char items_key[] = "\"items\"";

static int grow(struct scan *scan, size_t needed, struct err *err)
{
	size_t size = scan->size ? scan->size : FIRST_SIZE;
	char *text;

	while (size < needed)
		size *= 2;
	text = realloc(scan->text, size);
	if (!text)
		return err_set(err, -ENOMEM, "keep %zu bytes", size);
	scan->text = text;
	scan->size = size;
	return 0;
}

static int append(struct scan *scan, const char *bytes, size_t len, struct err *err)
{
	size_t begin = scan->in_one ? scan->item : 0, needed = scan->used + len + 1;
	int ret = 0;

	if (scan->cut || scan->used - begin + len > SCAN_MAX) {
		scan->cut = true;
		return 0;
	}
	if (needed > scan->size)
		ret = grow(scan, needed, err);
	if (ret)
		return ret;
	memcpy(scan->text + scan->used, bytes, len);
	scan->used += len;
	return 0;
}

/* Hands over what was read from `begin` on, and forgets it. */
static int deliver(struct scan *scan, size_t begin, struct err *err)
{
	struct scanned what = {
		.text = scan->text + begin,
		.len = scan->used - begin,
		.item = scan->in_one,
		.cut = scan->cut,
	};
	int ret;

	scan->text[scan->used] = '\0';
	ret = scan->each(scan, &what, err);
	scan->used = begin;
	scan->cut = false;
	if (scan->size > KEEP_SIZE && begin < KEEP_SIZE) {
		char *text = realloc(scan->text, KEEP_SIZE);

		scan->size = text ? KEEP_SIZE : scan->size;
		scan->text = text ? text : scan->text;
	}
	return ret;
}

static bool is_items_key(const struct scan *scan)
{
	size_t len = sizeof(items_key) - 1;

	return scan->used >= scan->string + len &&
	       !memcmp(scan->text + scan->string, items_key, len);
}

static int open_bracket(struct scan *scan, char c, struct err *err)
{
	if (!scan->depth && c != '{')
		return err_cni(err, CNI_DECODE, "a list, not an object");
	if (scan->in_items && scan->depth == 2) {
		scan->in_one = true;
		scan->item = scan->used;
	}
	if (scan->depth == 1 && c == '[')
		scan->in_items = is_items_key(scan);
	scan->depth++;
	return append(scan, &c, 1, err);
}

static int close_bracket(struct scan *scan, char c, struct err *err)
{
	int ret;

	if (!scan->depth)
		return err_cni(err, CNI_DECODE, "'%c' closes nothing", c);
	scan->depth--;
	ret = append(scan, &c, 1, err);
	if (!ret && !scan->depth)
		return deliver(scan, 0, err);
	if (!ret && scan->in_one && scan->depth == 2) {
		ret = deliver(scan, scan->item, err);
		scan->in_one = false;
	}
	if (scan->depth == 1)
		scan->in_items = false;
	return ret;
}

static int outside_of_strings(struct scan *scan, char c, struct err *err)
{
	switch (c) {
	case '{':
	case '[':
		return open_bracket(scan, c, err);
	case '}':
	case ']':
		return close_bracket(scan, c, err);
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		return scan->depth ? append(scan, &c, 1, err) : 0;
	case ',':
		if (scan->in_items && scan->depth == 2)
			return 0; /* the items are gone */
		break;
	case '"':
		scan->quoted = true;
		if (scan->depth == 1)
			scan->string = scan->used;
		break;
	}
	if (!scan->depth)
		return err_cni(err, CNI_DECODE, "no JSON begins with '%c'",
			       c >= ' ' && c <= '~' ? c : '?');
	return append(scan, &c, 1, err);
}

static int within_string(struct scan *scan, char c, struct err *err)
{
	if (scan->escaped)
		scan->escaped = false;
	else if (c == '\\')
		scan->escaped = true;
	else if (c == '"')
		scan->quoted = false;
	if ((unsigned char)c < ' ')
		return err_cni(err, CNI_DECODE, "byte %#x within a string", c);
	return append(scan, &c, 1, err);
}

/* Bytes of a string that mean only themselves: most of what there is. */
static size_t plain_bytes(const char *bytes, size_t len)
{
	size_t n = 0;

	while (n < len && bytes[n] != '"' && bytes[n] != '\\' && (unsigned char)bytes[n] >= ' ')
		n++;
	return n;
}

int scan_feed(struct scan *scan, const char *bytes, size_t len, struct err *err)
{
	int ret = 0;

	while (len && !ret) {
		size_t n = scan->quoted && !scan->escaped ? plain_bytes(bytes, len) : 0;

		if (n)
			ret = append(scan, bytes, n, err);
		else if (scan->quoted)
			ret = within_string(scan, *bytes, err);
		else
			ret = outside_of_strings(scan, *bytes, err);
		bytes += n ? n : 1;
		len -= n ? n : 1;
	}
	return ret;
}

bool scan_is_idle(const struct scan *scan)
{
	return !scan->depth;
}

void scan_reset(struct scan *scan)
{
	char *text = scan->text;

	*scan = (struct scan){ .each = scan->each, .text = text, .size = scan->size };
}

void scan_free(struct scan *scan)
{
	free(scan->text);
	*scan = (struct scan){ .each = scan->each };
}
