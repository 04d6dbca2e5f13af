// SPDX-License-Identifier: Apache-2.0
/* Errors gain context on their way up, and never more than fits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static void context_comes_first(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, -ENOENT, "open '%s'", "/x"), -ENOENT);
	assert_int_equal(err_wrap(&err, "pod '%s'", "p"), -ENOENT);
	assert_string_equal(err.msg, "pod 'p': open '/x': No such file or directory");
	assert_int_equal(err.code, CNI_KERNEL);
}

static void codes_choose_the_errno(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_cni(&err, CNI_INVALID_CONFIG, "mtu: -1"), -EINVAL);
	assert_string_equal(err.msg, "mtu: -1");
	assert_int_equal(err_cni(&err, CNI_TRY_AGAIN, "busy"), -EAGAIN);
	assert_int_equal(err_cni(NULL, CNI_IO, "nobody listens"), -EIO);
}

static void what_does_not_fit_is_cut(void **state)
{
	char longest[sizeof(((struct err *)0)->msg)];
	struct err err;

	(void)state;
	memset(longest, 'm', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	err_cni(&err, CNI_IO, "%s", longest);
	for (int i = 0; i < 8; i++)
		err_wrap(&err, "%s", longest);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(context_comes_first),
		cmocka_unit_test(codes_choose_the_errno),
		cmocka_unit_test(what_does_not_fit_is_cut),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
