// SPDX-License-Identifier: Apache-2.0
/* JSON, read with suspicion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct json parse(const char *text)
{
	struct json root = { 0 };
	struct err err = { 0 };

	if (json_parse(text, strlen(text), "document", &root, &err))
		fail_msg("%s: %s", text, err.msg);
	return root;
}

static void what_is_no_json_object_is_refused(void **state)
{
	static const struct {
		const char *text;
		size_t len;		/* 0: strlen() */
		const char *says;
	} cases[] = {
		{ "", 0, "document: empty" },
		{ "{", 0, "ends too early" },
		{ "{\"a\":1", 0, "ends too early" },
		{ "{\"a\":", 0, "ends too early" },
		{ "{\"a\":1}x", 0, "not JSON from byte 7 on: 'x'" },
		{ "{\"a\":1}{}", 0, "not JSON from byte 7" },
		{ "{\"a\" 1}", 0, "not JSON" },
		{ "{a:1}", 0, "not JSON" },
		{ "{\"a\":nul}", 0, "not JSON" },
		{ "{\"a\":\"\\x\"}", 0, "not JSON" },
		{ "{\"a\":\"\\ud800\"}", 0, "not JSON" },
		{ "[]", 0, "not a JSON object" },
		{ "\"text\"", 0, "not a JSON object" },
		{ "null", 0, "not a JSON object" },
		{ "{\"a\":1}\0", 8, "a NUL at byte 7" },
		{ "{\"a\":\0 1}", 9, "a NUL at byte 5" },
		{ "{\"a\":\"b\\u0000c\"}", 0, "a NUL at byte 7" },
		{ "{\"a\\u0000b\":1}", 0, "a NUL at byte 3" },
		{ "{\"a\":\"\\\\\\u0000\"}", 0, "a NUL at byte 8" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = cases[i].len ? cases[i].len : strlen(cases[i].text);
		struct json root = { 0 };
		struct err err = { 0 };

		if (!json_parse(cases[i].text, len, "document", &root, &err))
			fail_msg("'%s' was parsed", cases[i].text);
		assert_int_equal(err.code, CNI_DECODE);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("'%s': '%s', not '%s'", cases[i].text, err.msg, cases[i].says);
		assert_null(root.node);
	}
}

static void an_escaped_backslash_is_no_nul(void **state)
{
	struct json root = parse("{\"a\":\"\\\\u0000\"}");
	const char *text;

	(void)state;
	assert_int_equal(json_get_string(&root, "a", &text, NULL), 1);
	assert_string_equal(text, "\\u0000");
	json_free(&root);
}

static void depth_is_bounded(void **state)
{
	enum { DEPTH = 100000 };
	char *text = malloc(2 * DEPTH + sizeof("{\"a\":}"));
	struct json root = { 0 };
	struct err err = { 0 };
	char *p = text;

	(void)state;
	assert_non_null(text);
	p = stpcpy(p, "{\"a\":");
	memset(p, '[', DEPTH);
	memset(p + DEPTH, ']', DEPTH);
	strcpy(p + 2 * DEPTH, "}");
	assert_int_not_equal(json_parse(text, strlen(text), "document", &root, &err), 0);
	assert_int_equal(err.code, CNI_DECODE);
	free(text);
}

static void keys_are_found_whatever_their_case(void **state)
{
	struct json root = parse("{\"HostPort\":7,\"nothing\":null}"), value;
	unsigned long long number = 0;

	(void)state;
	assert_int_equal(json_get_integer(&root, "hostPort", 10, &number, NULL), 1);
	assert_int_equal(number, 7);
	assert_int_equal(json_get(&root, "nothing", &value, NULL), 0);
	assert_int_equal(json_get(&root, "absent", &value, NULL), 0);
	assert_true(json_has(&root, "nothing"));
	assert_false(json_has(&root, "absent"));
	json_free(&root);
}

static void a_key_that_is_there_twice_is_an_error(void **state)
{
	struct json root = parse("{\"a\":{\"b\":1,\"B\":2}}"), a, value;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(json_get(&root, "a", &a, &err), 1);
	assert_true(json_get(&a, "b", &value, &err) < 0);
	assert_int_equal(err.code, CNI_INVALID_CONFIG);
	assert_string_equal(err.msg, "a.b: 1: the key is there twice");
	json_free(&root);
}

static void integers_are_what_they_look_like(void **state)
{
	static const struct {
		const char *text;
		int found;
		unsigned long long number;
	} cases[] = {
		{ "{\"n\":0}", 1, 0 },
		{ "{\"n\":4294967296}", 1, 4294967296 },
		{ "{\"n\":1e3}", 1, 1000 },
		{ "{\"n\":9007199254740992}", 1, 1ULL << 53 },
		{ "{\"n\":9007199254740994}", -1, 0 },
		{ "{\"n\":-1}", -1, 0 },
		{ "{\"n\":1.5}", -1, 0 },
		{ "{\"n\":1e400}", -1, 0 },
		{ "{\"n\":-1e400}", -1, 0 },
		{ "{\"n\":\"1\"}", -1, 0 },
		{ "{\"n\":true}", -1, 0 },
		{ "{\"n\":[1]}", -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct json root = parse(cases[i].text);
		unsigned long long number = 0;
		int ret = json_get_integer(&root, "n", 1ULL << 53, &number, NULL);

		if ((ret > 0) - (ret < 0) != cases[i].found || number != cases[i].number)
			fail_msg("%s: %d, %llu", cases[i].text, ret, number);
		json_free(&root);
	}
}

static void types_are_not_converted(void **state)
{
	struct json root = parse("{\"s\":\"x\",\"b\":false,\"l\":[],\"o\":{},\"n\":1}"), value;
	const char *text = NULL;
	bool flag = true;

	(void)state;
	assert_int_equal(json_get_string(&root, "s", &text, NULL), 1);
	assert_string_equal(text, "x");
	assert_int_equal(json_get_bool(&root, "b", &flag, NULL), 1);
	assert_false(flag);
	assert_int_equal(json_get_list(&root, "l", &value, NULL), 1);
	assert_true(json_is_empty(&value));
	assert_int_equal(json_get_object(&root, "o", &value, NULL), 1);
	assert_true(json_get_string(&root, "n", &text, NULL) < 0);
	assert_true(json_get_bool(&root, "n", &flag, NULL) < 0);
	assert_true(json_get_list(&root, "o", &value, NULL) < 0);
	assert_true(json_get_object(&root, "l", &value, NULL) < 0);
	json_free(&root);
}

static void a_value_knows_its_way(void **state)
{
	struct json root = parse("{\"a\":[[1],[2,{\"b\":\"c\"}]]}"), a, outer = { 0 }, inner = { 0 }, b;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(json_get_list(&root, "a", &a, NULL), 1);
	assert_int_equal(json_count(&a), 2);
	assert_true(json_next(&a, &outer) && json_next(&a, &outer));
	assert_true(json_next(&outer, &inner) && json_next(&outer, &inner));
	assert_int_equal(json_get(&inner, "b", &b, NULL), 1);
	json_reject(&b, &err, "no %s", "good");
	assert_string_equal(err.msg, "a[1][1].b: \"c\": no good");
	json_missing(&inner, "d", &err, "wanted");
	assert_string_equal(err.msg, "a[1][1].d: missing: wanted");
	assert_false(json_next(&outer, &inner));
	json_free(&root);
}

static void long_values_are_cut(void **state)
{
	char text[4096] = "{\"a\":\"";
	struct json root, value;
	struct err err = { 0 };

	(void)state;
	memset(text + strlen(text), 'x', 3000);
	strcat(text, "\"}");
	root = parse(text);
	assert_int_equal(json_get(&root, "a", &value, NULL), 1);
	json_reject(&value, &err, "too long");
	assert_non_null(strstr(err.msg, "a: \"xxxx"));
	assert_non_null(strstr(err.msg, "xxx...: too long"));
	json_free(&root);
}

static void one_string_can_be_changed(void **state)
{
	char *changed = json_with_string("{\"cniVersion\":\"1.1.0\",\"a\":[1,null]}", "cniVersion", "1.0.0");

	(void)state;
	assert_string_equal(changed, "{\"a\":[1,null],\"cniVersion\":\"1.0.0\"}");
	free(changed);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_json_object_is_refused),
		cmocka_unit_test(an_escaped_backslash_is_no_nul),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(keys_are_found_whatever_their_case),
		cmocka_unit_test(a_key_that_is_there_twice_is_an_error),
		cmocka_unit_test(integers_are_what_they_look_like),
		cmocka_unit_test(types_are_not_converted),
		cmocka_unit_test(a_value_knows_its_way),
		cmocka_unit_test(long_values_are_cut),
		cmocka_unit_test(one_string_can_be_changed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
