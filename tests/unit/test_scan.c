// SPDX-License-Identifier: Apache-2.0
/* Documents out of a stream: what comes out must not depend on how it came in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/scan.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char heard[65536];
static size_t cut;

static int hear(struct scan *scan, const struct scanned *what, struct err *err)
{
	size_t used = strlen(heard);

	(void)scan;
	(void)err;
	assert_int_equal(strlen(what->text), what->len);
	cut += what->cut;
	snprintf(heard + used, sizeof(heard) - used, "%s<%.100s>", what->item ? "item" : "doc", what->text);
	return 0;
}

/* Feeds the text in pieces of that size. */
static int feed(struct scan *scan, const char *text, size_t len, size_t piece, struct err *err)
{
	int ret = 0;

	heard[0] = '\0';
	cut = 0;
	for (size_t at = 0; at < len && !ret; at += piece)
		ret = scan_feed(scan, text + at, len - at < piece ? len - at : piece, err);
	return ret;
}

static void pieces_do_not_matter(void **state)
{
	static const struct {
		const char *text, *heard;
	} cases[] = {
		{ "", "" },
		{ " \r\n\t", "" },
		{ "{}", "doc<{}>" },
		{ "{}{}\n{}", "doc<{}>doc<{}>doc<{}>" },
		{ "{\"a\":\"}{][\\\"}\"}\n{\"b\":1}\n", "doc<{\"a\":\"}{][\\\"}\"}>doc<{\"b\":1}>" },
		{ "{\"a\":\"\\\\\"}{}", "doc<{\"a\":\"\\\\\"}>doc<{}>" },
		{ "{\"items\":[]}", "doc<{\"items\":[]}>" },
		{ "{\"items\":[{\"a\":1},{\"b\":{\"items\":[{}]}}],\"z\":2}",
		  "item<{\"a\":1}>item<{\"b\":{\"items\":[{}]}}>doc<{\"items\":[],\"z\":2}>" },
		{ "{\"kind\":\"items\",\"items\" : [ {\"a\":1} , {\"b\":2} ] }",
		  "item<{\"a\":1}>item<{\"b\":2}>doc<{\"kind\":\"items\",\"items\" : [    ] }>" },
		{ "{\"items\":[{}],\"items\":[{}]}", "item<{}>item<{}>doc<{\"items\":[],\"items\":[]}>" },
		/* not lists of items */
		{ "{\"type\":\"ADDED\",\"object\":{\"items\":[{\"a\":1}]}}",
		  "doc<{\"type\":\"ADDED\",\"object\":{\"items\":[{\"a\":1}]}}>" },
		{ "{\"items\":{\"a\":[{}]}}", "doc<{\"items\":{\"a\":[{}]}}>" },
		{ "{\"item\":[{}]}", "doc<{\"item\":[{}]}>" },
		{ "{\"items\":[null,[1],{\"a\":1}]}", "item<[1]>item<{\"a\":1}>doc<{\"items\":[null]}>" },
		/* nonsense that the parser will see */
		{ "{]", "doc<{]>" },
		{ "{,:}", "doc<{,:}>" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t piece = 1; piece < 80; piece++) {
			struct scan scan = { .each = hear };
			struct err err = { 0 };

			if (feed(&scan, cases[i].text, strlen(cases[i].text), piece, &err))
				fail_msg("'%s' by %zu: %s", cases[i].text, piece, err.msg);
			assert_true(scan_is_idle(&scan));
			if (strcmp(heard, cases[i].heard))
				fail_msg("'%s' by %zu: '%s', not '%s'", cases[i].text, piece, heard,
					 cases[i].heard);
			scan_free(&scan);
		}
}

static void what_cannot_be_json_is_an_error(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "404 page not found", "no JSON begins with '4'" },
		{ "\x16\x03", "no JSON begins with '?'" },
		{ "null", "no JSON begins with 'n'" },
		{ "\"a\"", "no JSON begins with '\"'" },
		{ "[{}]", "a list, not an object" },
		{ "{}}", "'}' closes nothing" },
		{ "{\"a\":\"b\n", "byte 0xa within a string" },
		{ "{\"a\":\"\\\n", "byte 0xa within a string" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct scan scan = { .each = hear };
		struct err err = { 0 };

		assert_int_equal(feed(&scan, cases[i].text, strlen(cases[i].text), 1, &err), -EINVAL);
		assert_int_equal(err.code, CNI_DECODE);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("'%s': '%s'", cases[i].text, err.msg);
		/* and after that, another stream is */
		scan_reset(&scan);
		assert_int_equal(feed(&scan, "{\"x\":1}", 7, 7, &err), 0);
		assert_string_equal(heard, "doc<{\"x\":1}>");
		scan_free(&scan);
	}
}

/* An object of about that many bytes. Returns its end. */
static char *put_object(char *at, size_t size)
{
	at = stpcpy(at, "{\"a\":\"");
	memset(at, 'x', size);
	return stpcpy(at + size, "\"}");
}

static void what_is_too_large_is_cut_and_the_rest_is_not(void **state)
{
	char *text = malloc(3 * SCAN_MAX), *at = text;
	struct scan scan = { .each = hear };
	struct err err = { 0 };

	(void)state;
	assert_non_null(text);
	at = stpcpy(at, "{\"items\":[{\"b\":1},");
	at = put_object(at, SCAN_MAX);
	at = stpcpy(at, ",{\"c\":1},");
	at = put_object(at, SCAN_MAX - 100);
	at = stpcpy(at, "],\"d\":1}");
	for (size_t piece = 1; piece < 100000; piece = piece * 3 + 4000) {
		assert_int_equal(feed(&scan, text, (size_t)(at - text), piece, &err), 0);
		assert_int_equal(cut, 1);
		assert_true(scan_is_idle(&scan));
		assert_non_null(strstr(heard, "item<{\"b\":1}>item<{\"a\":\"xxx"));
		assert_non_null(strstr(heard, "xxx>item<{\"c\":1}>item<{\"a\":\"xxx"));
		assert_non_null(strstr(heard, "xxx>doc<{\"items\":[],\"d\":1}>"));
		assert_true(scan.size <= 1 << 18); /* given back */
	}
	scan_free(&scan);
	free(text);
}

static void a_document_that_is_too_large_is_cut_as_well(void **state)
{
	char *text = malloc(2 * SCAN_MAX), *at;
	struct scan scan = { .each = hear };
	struct err err = { 0 };

	(void)state;
	assert_non_null(text);
	at = put_object(text, SCAN_MAX);
	at = stpcpy(at, "\n{\"b\":1}");
	assert_int_equal(feed(&scan, text, (size_t)(at - text), 16384, &err), 0);
	assert_int_equal(cut, 1);
	assert_non_null(strstr(heard, "doc<{\"b\":1}>"));
	scan_free(&scan);
	free(text);
}

static int refuse(struct scan *scan, const struct scanned *what, struct err *err)
{
	(void)scan;
	return err_set(err, -EPERM, "refuse '%s'", what->text);
}

static void a_callback_can_end_it(void **state)
{
	struct scan scan = { .each = refuse };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(scan_feed(&scan, "{}{}", 4, &err), -EPERM);
	assert_non_null(strstr(err.msg, "refuse '{}'"));
	scan_free(&scan);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_do_not_matter),
		cmocka_unit_test(what_cannot_be_json_is_an_error),
		cmocka_unit_test(what_is_too_large_is_cut_and_the_rest_is_not),
		cmocka_unit_test(a_document_that_is_too_large_is_cut_as_well),
		cmocka_unit_test(a_callback_can_end_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
