// SPDX-License-Identifier: Apache-2.0
/* GC's input: a pod that is not in it is deleted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cni/attachments.h"

#define KEY   "\"cni.dev/valid-attachments\":"
#define OLDER "\"cni.dev/attachments\":"

static void valid_ones_are_read_from_either_key(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} cases[] = {
		{ "{" KEY "[]}", 0 },
		{ "{" KEY "null}", 0 },
		{ "{" OLDER "null}", 0 },
		{ "{" KEY "[{\"containerID\":\"a\",\"ifname\":\"eth0\"}]}", 1 },
		{ "{" OLDER "[{\"containerID\":\"a\",\"ifname\":\"eth0\"}]}", 1 },
		{ "{" KEY "null," OLDER "[{\"containerID\":\"a\",\"ifname\":\"eth0\"}]}", 1 },
		{ "{" KEY "[{\"containerID\":\"a\",\"ifname\":\"eth0\"},{\"containerID\":\"b\",\"ifname\":\"eth0\"}],"
		      OLDER "[{\"containerID\":\"a\",\"ifname\":\"eth0\"}]}", 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct attachment_key *valid = NULL;
		size_t n = 99;

		assert_int_equal(attachments_parse(cases[i].text, &valid, &n, NULL), 0);
		assert_int_equal(n, cases[i].n);
		if (n) {
			static const struct attachment_key first = { "a", "eth0" };

			assert_memory_equal(&valid[0], &first, sizeof(first));
		}
		free(valid);
	}
}

static void who_does_not_say_is_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "{}", "cni.dev/valid-attachments: missing" },
		{ "{" KEY "{}}", "cni.dev/valid-attachments: {}" },
		{ "{" KEY "[\"a\"]}", "cni.dev/valid-attachments[0]: \"a\"" },
		{ "{" KEY "[{\"ifname\":\"eth0\"}]}", "cni.dev/valid-attachments[0].containerID: missing" },
		{ "{" KEY "[{\"containerID\":\"a\"}]}", "cni.dev/valid-attachments[0].ifname: missing" },
		{ "{" KEY "[{\"containerID\":\"../a\",\"ifname\":\"eth0\"}]}", "[0].containerID: \"../a\"" },
		{ "{" KEY "[]," OLDER "[{\"containerID\":\"a\",\"ifname\":\"a/b\"}]}", "cni.dev/attachments[0].ifname: \"a/b\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct attachment_key *valid = NULL;
		struct err err = { 0 };
		size_t n;

		assert_int_not_equal(attachments_parse(cases[i].text, &valid, &n, &err), 0);
		assert_int_equal(err.code, CNI_INVALID_CONFIG);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("'%s', not '%s'", err.msg, cases[i].says);
		assert_null(valid);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_ones_are_read_from_either_key),
		cmocka_unit_test(who_does_not_say_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("attachments", tests, NULL, NULL);
}
