// SPDX-License-Identifier: Apache-2.0
/* ctnatd's configuration: what is taken, and what a bad one is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/config.h"

static struct agent_config config;

static void defaults(void **state)
{
	(void)state;
	assert_int_equal(config_parse("{}", 2, &config, NULL), 0);
	assert_int_equal(config.overlay, OVERLAY_AUTO);
	assert_int_equal(config.log_level, LOG_INFO);
	assert_string_equal(config.metrics_address, "127.0.0.1:10244");
	assert_int_equal(config.node.port_min, 1024);
	assert_false(config.node.services.set);
}

static void every_key(void **state)
{
	static const char text[] = "{\"nonMasqueradeCIDRs\":[\"10.0.0.0/8\"],\"masqueradeCIDRs\":[\"10.9.0.0/16\"],"
				   "\"uplinks\":[\"eth0\"],\"mtu\":1400,\"overlay\":\"none\",\"portRange\":\"2000-3000\","
				   "\"datapath\":\"assisted\",\"logLevel\":\"debug\",\"metricsAddress\":\"\"}";

	(void)state;
	assert_int_equal(config_parse(text, strlen(text), &config, NULL), 0);
	assert_int_equal(config.overlay, OVERLAY_NONE);
	assert_int_equal(config.log_level, LOG_DEBUG);
	assert_string_equal(config.metrics_address, "");
	assert_int_equal(config.node.port_max, 3000);
	assert_int_equal(config.node.datapath, LEVEL_ASSISTED);
	assert_string_equal(config.node.uplinks[0], "eth0");
}

static void a_bad_one_is_rejected_by_name(void **state)
{
	static const struct {
		const char *text, *named;
	} cases[] = {
		{ "{", "ctnatd.json" },
		{ "[]", "ctnatd.json" },
		{ "{\"nonMasqueradeCidr\":[]}", "nonMasqueradeCidr" },
		{ "{\"overlay\":\"sometimes\"}", "overlay" },
		{ "{\"logLevel\":7}", "logLevel" },
		{ "{\"metricsAddress\":9440}", "metricsAddress" },
		{ "{\"metricsAddress\":\"localhost\"}", "metricsAddress" },
		{ "{\"nonMasqueradeCIDRs\":[\"10.0.0.0/8\",\"10.1.2.3/33\"]}", "nonMasqueradeCIDRs[1]" },
		{ "{\"mtu\":12}", "mtu" },
		{ "{\"portRange\":\"9\"}", "portRange" },
		{ "{\"mtu\":1400,\"mtu\":1500}", "mtu" },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		err.msg[0] = '\0';
		assert_true(config_parse(cases[i].text, strlen(cases[i].text), &config, &err) < 0);
		if (!strstr(err.msg, cases[i].named))
			fail_msg("%s: '%s' does not name %s", cases[i].text, err.msg, cases[i].named);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(every_key),
		cmocka_unit_test(a_bad_one_is_rejected_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
