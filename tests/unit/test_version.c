// SPDX-License-Identifier: Apache-2.0
/* Versions of the CNI specification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/version.h"

static void versions_have_numeric_order(void **state)
{
	static const char *const ascending[] = { "", "0.1.0", "0.3.0", "0.3.1", "0.4.0", "0.10.0", "1.0.0", "1.1.0", "2" };
	const size_t n = sizeof(ascending) / sizeof(ascending[0]);

	(void)state;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			int order = version_compare(ascending[i], ascending[j]);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	assert_int_equal(version_compare("1.0", "1.0.0"), 0);
}

static void supported_versions_ascend_up_to_the_newest(void **state)
{
	size_t n = 0;

	(void)state;
	for (; supported_versions[n]; n++) {
		assert_true(version_supported(supported_versions[n]));
		if (n)
			assert_true(version_compare(supported_versions[n - 1], supported_versions[n]) < 0);
	}
	assert_string_equal(supported_versions[n - 1], VERSION_NEWEST);
	assert_false(version_supported("0.2.0"));
	assert_false(version_supported("1.2.0"));
	assert_false(version_supported(""));
}

static void verbs_came_with_versions(void **state)
{
	(void)state;
	assert_string_equal(version_of_verb(VERB_CHECK), "0.4.0");
	assert_string_equal(version_of_verb(VERB_GC), "1.1.0");
	assert_string_equal(version_of_verb(VERB_STATUS), "1.1.0");
	assert_true(version_compare(version_of_verb(VERB_ADD), supported_versions[0]) < 0);
	assert_true(version_compare(version_of_verb(VERB_DEL), supported_versions[0]) < 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_have_numeric_order),
		cmocka_unit_test(supported_versions_ascend_up_to_the_newest),
		cmocka_unit_test(verbs_came_with_versions),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
