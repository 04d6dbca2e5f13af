// SPDX-License-Identifier: Apache-2.0
/* The text that Prometheus reads, of a node without state: format, escaping, and that every series
 * is there. What a node counts: tests/e2e/metrics.bats. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/metrics.h"
#include "core/inspect.h"

static struct metrics_watch watch = { .resource = "nodes" };
static struct node none = NODE_CLOSED;
static struct metrics_input in;
static char *text;

static struct cidr range(const char *prefix)
{
	struct cidr c;

	assert_int_equal(cidr_parse(prefix, &c), 0);
	return c;
}

static int set_up(void **state)
{
	(void)state;
	watch = (struct metrics_watch){ .resource = "nodes" };
	in = (struct metrics_input){
		.version = "v", .node = &none, .watches = &watch, .n_watches = 1
	};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

static void render(void)
{
	size_t len;

	free(text);
	assert_int_equal(metrics_render(&in, &text, &len, NULL), 0);
	assert_int_equal(len, strlen(text));
}

static bool has_line(const char *line)
{
	size_t len = strlen(line);

	for (const char *at = strstr(text, line); at; at = strstr(at + 1, line))
		if ((at == text || at[-1] == '\n') && at[len] == '\n')
			return true;
	return false;
}

static void assert_line(const char *line)
{
	if (!has_line(line))
		fail_msg("no line '%s' in:\n%s", line, text);
}

static void label_values_are_escaped(void **state)
{
	(void)state;
	in.version = "a\\b\"c\nd";
	render();
	assert_line("ctnat_build_info{version=\"a\\\\b\\\"c\\nd\"} 1");
	in.version = "";
	render();
	assert_line("ctnat_build_info{version=\"\"} 1");
}

static void of_a_node_that_cannot_be_opened_nothing_is_told(void **state)
{
	(void)state;
	in.node = NULL;
	render();
	assert_null(strstr(text, "ctnat_datapath"));
	assert_null(strstr(text, "ctnat_addresses"));
	assert_line("ctnat_build_info{version=\"v\"} 1");
	assert_line("ctnat_base_whole 0");
}

/* Each line is a comment, or a name of ours with a number; a name is introduced before it is used,
 * once, and its lines stand together. */
static void every_line_is_of_the_format(void **state)
{
	char name[128] = "", type[16], *copy, *line, *rest;

	(void)state;
	render();
	copy = strdup(text);
	for (line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		size_t len = strcspn(line, "{ ");
		const char *value = strrchr(line, ' ');

		if (!strncmp(line, "# HELP ", 7)) {
			char introduction[160], *word = line + 7;

			len = strcspn(word, " ");
			assert_true(len < sizeof(name) && word[len] == ' ' && isupper(word[len + 1]));
			snprintf(name, sizeof(name), "%.*s", (int)len, word);
			snprintf(introduction, sizeof(introduction), "# HELP %s ", name);
			assert_null(strstr(strstr(text, introduction) + 1, introduction));
		} else if (!strncmp(line, "# TYPE ", 7)) {
			bool total = strlen(name) > 6 && !strcmp(name + strlen(name) - 6, "_total");

			assert_int_equal(strncmp(line + 7, name, strlen(name)), 0);
			assert_int_equal(sscanf(line + 7 + strlen(name), " %15s", type), 1);
			assert_string_equal(type, total ? "counter" : "gauge");
		} else {
			assert_int_equal(strncmp(line, "ctnat_", 6), 0);
			assert_true(len == strlen(name) && !strncmp(line, name, len));
			assert_non_null(value);
			assert_true(value[1] && strspn(value + 1, "0123456789.") == strlen(value + 1));
		}
	}
	free(copy);
}

static void every_series_is_there_from_the_start(void **state)
{
	static const char *const codes[] = {
		"0", "1", "2", "3", "4", "5", "6", "7", "11", "50", "51", "100", "101", "102", "103", "other",
	};
	char line[160];

	(void)state;
	render();
	for (int i = 0; i < REASON_MAX; i++) {
		snprintf(line, sizeof(line), "ctnat_datapath_packets_total{reason=\"%s\"} 0", reason_name(i));
		assert_line(line);
		snprintf(line, sizeof(line), "ctnat_datapath_bytes_total{reason=\"%s\"} 0", reason_name(i));
		assert_line(line);
	}
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		snprintf(line, sizeof(line), "ctnat_operations_total{verb=\"ADD\",code=\"%s\"} 0", codes[i]);
		assert_line(line);
	}
	assert_null(strstr(text, "VERSION"));
	assert_line("ctnat_table_packets_total{rule=\"masquerade\"} 0");
	assert_line("ctnat_datapath_info{level=\"none\",reason=\"no base state has been made\",build=\"0\"} 1");
	assert_line("ctnat_attachments{state=\"dying\"} 0");
	assert_line("ctnat_watch_last_event_timestamp_seconds{resource=\"nodes\"} 0.000");
}

static void the_readme_knows_every_name(void **state)
{
	static char readme[1 << 18];
	FILE *file = fopen("README.md", "r");

	(void)state;
	assert_non_null(file);
	readme[fread(readme, 1, sizeof(readme) - 1, file)] = '\0';
	fclose(file);
	render();
	for (char *at = strstr(text, "# TYPE "); at; at = strstr(at + 1, "# TYPE ")) {
		char name[128];

		assert_int_equal(sscanf(at, "# TYPE %126s", name + 1), 1);
		name[0] = '`';
		strcat(name, "`");
		if (!strstr(readme, name))
			fail_msg("%s is not in README.md", name);
	}
}

static void what_is_given_is_told(void **state)
{
	(void)state;
	watch = (struct metrics_watch){ "services", true, true, 2, 3, 1763730000009999999 };
	in.base_whole = true;
	in.base_repairs = UINT64_MAX;
	in.vxlan_routes = 5000;
	in.config_generation = 9;
	in.config_good = true;
	render();
	assert_line("ctnat_watch_synced{resource=\"services\"} 1");
	assert_line("ctnat_watch_connected{resource=\"services\"} 1");
	assert_line("ctnat_watch_lists_total{resource=\"services\"} 2");
	assert_line("ctnat_watch_errors_total{resource=\"services\"} 3");
	assert_line("ctnat_watch_last_event_timestamp_seconds{resource=\"services\"} 1763730000.009");
	assert_line("ctnat_base_whole 1");
	assert_line("ctnat_base_repairs_total 18446744073709551615");
	assert_line("ctnat_routes{way=\"direct\"} 0");
	assert_line("ctnat_routes{way=\"vxlan\"} 5000");
	assert_line("ctnat_config_generation 9");
	assert_line("ctnat_config_reload_success 1");
}

/* As many as the plugin hands out: without that of the network, and IPv4's broadcast. */
static void ranges_have_a_size(void **state)
{
	static const struct {
		const char *range, *free;
	} cases[] = {
		{ "10.244.1.0/24", "254" }, { "10.244.1.0/30", "2" }, { "10.244.1.0/31", "2" },
		{ "10.244.1.1/32", "1" },   { "10.244.0.0/16", "65534" },
		{ "fd00:10:244:1::/120", "255" }, { "fd00:10:244:1::/127", "2" },
		{ "fd00:10:244:1::1/128", "1" },  { "fd00:10:244:1::/64", "18446744073709551615" },
		{ "fd00:10:244::/48", "18446744073709551615" },
	};
	struct cidr one;
	char line[160];

	(void)state;
	in.ranges = &one;
	in.n_ranges = 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		one = range(cases[i].range);
		render();
		snprintf(line, sizeof(line), "ctnat_addresses{range=\"%s\",state=\"free\"} %s", cases[i].range,
			 cases[i].free);
		assert_line(line);
	}
	assert_line("ctnat_addresses{range=\"other\",state=\"used\"} 0");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(label_values_are_escaped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_a_node_that_cannot_be_opened_nothing_is_told, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(every_line_is_of_the_format, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_series_is_there_from_the_start, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_readme_knows_every_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_given_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ranges_have_a_size, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
