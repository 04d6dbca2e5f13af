// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "ctl/out.h"

#define DEPTH_MAX   8
#define COLUMNS_MAX 16

struct out {
	cJSON *open[DEPTH_MAX];	/* open[depth] is where values go; open[0] the root */
	int depth;
};

struct out *out_new(void)
{
	struct out *out = calloc(1, sizeof(*out));

	if (out)
		out->open[0] = cJSON_CreateObject();
	return out;
}

void out_free(struct out *out)
{
	if (out)
		cJSON_Delete(out->open[0]);
	free(out);
}

static void put(struct out *out, const char *key, cJSON *item)
{
	if (key)
		cJSON_AddItemToObject(out->open[out->depth], key, item);
	else
		cJSON_AddItemToArray(out->open[out->depth], item);
}

void out_text(struct out *out, const char *key, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	put(out, key, cJSON_CreateString(text));
}

/* cJSON keeps numbers as doubles, exact to 2^53: more than any counter here lives to see. */
void out_number(struct out *out, const char *key, __u64 value)
{
	put(out, key, cJSON_CreateNumber((double)value));
}

void out_flag(struct out *out, const char *key, bool value)
{
	put(out, key, cJSON_CreateBool(value));
}

static void enter(struct out *out, const char *key, cJSON *item)
{
	put(out, key, item);
	if (out->depth + 1 < DEPTH_MAX)
		out->open[++out->depth] = item;
}

void out_object(struct out *out, const char *key)
{
	enter(out, key, cJSON_CreateObject());
}

void out_list(struct out *out, const char *key)
{
	enter(out, key, cJSON_CreateArray());
}

void out_close(struct out *out)
{
	if (out->depth)
		out->depth--;
}

/* ---- for people ------------------------------------------------------------------------------ */

static const char *as_text(const cJSON *item, char buf[32])
{
	if (cJSON_IsString(item))
		return item->valuestring[0] ? item->valuestring : "-";
	if (cJSON_IsNumber(item)) {
		snprintf(buf, 32, "%.0f", item->valuedouble);
		return buf;
	}
	return cJSON_IsTrue(item) ? "yes" : cJSON_IsFalse(item) ? "no" : "-";
}

static void print_upper(const char *text, int width)
{
	for (; *text; text++, width--)
		putchar(*text == '_' ? ' ' : toupper((unsigned char)*text));
	printf("%*s", width > 0 ? width : 0, "");
}

static int text_width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;	/* UTF-8: bytes that begin a character */
	return n;
}

/* Rows are the children; with keys of their own, those are the first column. */
static void print_table(const cJSON *rows)
{
	int width[COLUMNS_MAX] = { 0 }, key_width = 0, column;
	const cJSON *row, *cell;
	char buf[32];

	for (row = rows->child; row; row = row->next) {
		if (row->string && text_width(row->string) > key_width)
			key_width = text_width(row->string);
		column = 0;
		for (cell = row->child; cell && column < COLUMNS_MAX; cell = cell->next, column++) {
			int value = text_width(as_text(cell, buf)), head = text_width(cell->string);

			width[column] = value > width[column] ? value : width[column];
			width[column] = head > width[column] ? head : width[column];
		}
	}
	printf("  %*s", key_width ? key_width + 2 : 0, "");
	column = 0;
	for (cell = rows->child->child; cell && column < COLUMNS_MAX; cell = cell->next, column++)
		print_upper(cell->string, cell->next ? width[column] + 2 : 0);
	putchar('\n');
	for (row = rows->child; row; row = row->next) {
		printf("  ");
		if (key_width)
			printf("%-*s", key_width + 2, row->string);
		column = 0;
		for (cell = row->child; cell && column < COLUMNS_MAX; cell = cell->next, column++) {
			const char *text = as_text(cell, buf);

			printf("%s%*s", text, cell->next ? width[column] + 2 - text_width(text) : 0,
			       "");
		}
		putchar('\n');
	}
}

static bool is_table(const cJSON *item)
{
	return (cJSON_IsArray(item) || cJSON_IsObject(item)) && item->child &&
	       cJSON_IsObject(item->child);
}

static void print_lines(const cJSON *root)
{
	const cJSON *item;
	int width = 0;
	char buf[32];

	cJSON_ArrayForEach(item, root)
		if (!cJSON_IsArray(item) && !cJSON_IsObject(item) &&
		    text_width(item->string) > width)
			width = text_width(item->string);
	cJSON_ArrayForEach(item, root)
		if (!cJSON_IsArray(item) && !cJSON_IsObject(item))
			printf("%-*s  %s\n", width, item->string, as_text(item, buf));
	cJSON_ArrayForEach(item, root) {
		if (is_table(item)) {
			printf("\n%s\n", item->string);
			print_table(item);
		} else if (cJSON_IsArray(item) || cJSON_IsObject(item)) {
			printf("\n%s\n  none\n", item->string);
		}
	}
}

void out_print(const struct out *out, bool json)
{
	if (json) {
		char *text = cJSON_Print(out->open[0]);

		puts(text ? text : "{}");
		cJSON_free(text);
	} else if (is_table(out->open[0])) {
		print_table(out->open[0]);
	} else {
		print_lines(out->open[0]);
	}
}
