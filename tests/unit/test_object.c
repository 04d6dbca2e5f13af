// SPDX-License-Identifier: Apache-2.0
/* Objects of the cluster, and what they come in: what is read, and how what is wrong is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/envelope.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NODE(rest)    "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\"}" rest "}"
#define SERVICE(rest) "{\"metadata\":{\"name\":\"s\",\"namespace\":\"n\",\"resourceVersion\":\"8\"}" rest "}"

static struct object object;

static void parse(enum kind kind, const char *text)
{
	struct err err = { 0 };

	if (object_parse(text, strlen(text), kind, &object, &err))
		fail_msg("%s: %s", text, err.msg);
}

/* What was read, as text. */
static const char *describe(void)
{
	static char text[32768];
	char buf[ADDR_STRLEN], *at = text;

	at += sprintf(at, "%s@%s", object.name, object.version);
	if (object.kind == KIND_NODE) {
		assert_string_equal(object.peer.name, object.name);
		at += sprintf(at, "%s", object.peer.cloud ? " cloud" : "");
		for (size_t i = 0; i < 2; i++)
			if (!addr_is_zero(&object.peer.addr[i]))
				at += sprintf(at, " %s", addr_format(&object.peer.addr[i], buf));
		for (size_t i = 0; i < object.peer.n_pod_cidrs; i++)
			at += sprintf(at, " %s", cidr_format(&object.peer.pod_cidrs[i], buf));
	} else if (object.kind == KIND_SERVICE) {
		for (int i = 0; i < object.service.n_cluster + object.service.n_external; i++)
			at += sprintf(at, "%s%s", i == object.service.n_cluster ? " | " : " ",
				      addr_format(&object.service.addrs[i], buf));
	} else {
		for (size_t i = 0; i < object.service_cidr.n; i++)
			at += sprintf(at, " %s", cidr_format(&object.service_cidr.cidrs[i], buf));
	}
	return text;
}

struct example {
	const char *text, *says;
};

static void check(enum kind kind, const struct example *examples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		parse(kind, examples[i].text);
		if (strcmp(describe(), examples[i].says))
			fail_msg("%s: '%s', not '%s'", examples[i].text, describe(), examples[i].says);
	}
}

static void nodes(void **state)
{
	static const struct example examples[] = {
		{ NODE(""), "a@7" },
		{ NODE(",\"spec\":{},\"status\":{}"), "a@7" },
		{ NODE(",\"spec\":null,\"status\":{\"addresses\":null}"), "a@7" },
		{ NODE(",\"spec\":{\"podCIDR\":\"10.244.1.0/24\"}"), "a@7 10.244.1.0/24" },
		{ NODE(",\"spec\":{\"podCIDR\":\"\"}"), "a@7" },
		{ NODE(",\"spec\":{\"podCIDR\":\"10.244.1.0/24\",\"podCIDRs\":[\"10.244.1.0/24\",\"fd00:10:244:1::/64\"]}"),
		  "a@7 10.244.1.0/24 fd00:10:244:1::/64" },
		{ NODE(",\"spec\":{\"podCIDR\":\"10.244.1.0/24\",\"podCIDRs\":[]}"), "a@7 10.244.1.0/24" },
		{ NODE(",\"spec\":{\"podCIDRs\":[\"10.244.1.7/24\"]}"), "a@7 10.244.1.0/24" },
		{ NODE(",\"status\":{\"addresses\":[{\"type\":\"Hostname\",\"address\":\"a\"},"
		       "{\"type\":\"ExternalIP\",\"address\":\"203.0.113.1\"},"
		       "{\"type\":\"InternalIP\",\"address\":\"2001:db8::1\"},"
		       "{\"type\":\"InternalIP\",\"address\":\"192.0.2.1\"},"
		       "{\"type\":\"InternalIP\",\"address\":\"192.0.2.2\"},"
		       "{\"type\":\"InternalIP\"},{}]}"),
		  "a@7 192.0.2.1 2001:db8::1" },
		{ NODE(",\"foreign\":{\"items\":[1,2,{\"x\":[]}]},\"spec\":{\"taints\":[{\"key\":\"k\"}]}"), "a@7" },
	};

	(void)state;
	check(KIND_NODE, examples, COUNT(examples));
}

static void clouds(void **state)
{
	static const struct {
		const char *provider;
		bool cloud;
	} cases[] = {
		{ "aws:///eu-central-1a/i-0123", true },
		{ "gce://project/zone/name", true },
		{ "azure:///subscriptions/x", true },
		{ "hcloud://123", true },
		{ "kinder://x", true },
		{ "ki://x", true },
		{ "kind://docker/kind/kind-worker", false },
		{ "k3s://name", false },
		{ "rke2://name", false },
		{ "docker:////container", false },
		{ "name-without-a-scheme", false },
		{ "://", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[256];

		snprintf(text, sizeof(text), NODE(",\"spec\":{\"providerID\":\"%s\"}"), cases[i].provider);
		parse(KIND_NODE, text);
		if (object.peer.cloud != cases[i].cloud)
			fail_msg("'%s': %d", cases[i].provider, object.peer.cloud);
	}
}

static void services(void **state)
{
	static const struct example examples[] = {
		{ SERVICE(""), "n/s@8" },
		{ SERVICE(",\"spec\":{\"clusterIP\":\"10.96.0.1\"}"), "n/s@8 10.96.0.1" },
		{ SERVICE(",\"spec\":{\"clusterIP\":\"10.96.0.1\",\"clusterIPs\":[\"10.96.0.1\",\"fd00::1\"]}"),
		  "n/s@8 10.96.0.1 fd00::1" },
		{ SERVICE(",\"spec\":{\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"]}"), "n/s@8" },
		{ SERVICE(",\"spec\":{\"clusterIP\":\"\",\"type\":\"ExternalName\"}"), "n/s@8" },
		{ SERVICE(",\"spec\":{\"clusterIP\":\"10.96.0.1\",\"externalIPs\":[\"203.0.113.1\",\"2001:db8::1\"]},"
			  "\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"203.0.113.9\",\"ipMode\":\"Proxy\"},"
			  "{\"hostname\":\"x.example\"},{\"ip\":\"\"}]}}"),
		  "n/s@8 10.96.0.1 | 203.0.113.1 2001:db8::1 203.0.113.9" },
		{ SERVICE(",\"status\":{\"loadBalancer\":{}}"), "n/s@8" },
		{ SERVICE(",\"spec\":{},\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"203.0.113.9\"}]}}"),
		  "n/s@8 | 203.0.113.9" },
	};

	(void)state;
	check(KIND_SERVICE, examples, COUNT(examples));
}

static void service_cidrs(void **state)
{
	static const struct example examples[] = {
		{ NODE(""), "a@7" },
		{ NODE(",\"spec\":{\"cidrs\":[\"10.96.0.0/12\"]}"), "a@7 10.96.0.0/12" },
		{ NODE(",\"spec\":{\"cidrs\":[\"10.96.0.1/12\",\"fd00::/108\"]}"), "a@7 10.96.0.0/12 fd00::/108" },
	};

	(void)state;
	check(KIND_SERVICE_CIDR, examples, COUNT(examples));
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		enum kind kind;
		const char *text, *says;
		bool named;
	} cases[] = {
		{ KIND_NODE, "{", "node: JSON that ends too early", false },
		{ KIND_NODE, "[]", "not a JSON object", false },
		{ KIND_NODE, "{}", "metadata: missing", false },
		{ KIND_NODE, "{\"metadata\":{}}", "metadata.name: missing", false },
		{ KIND_NODE, "{\"metadata\":{\"name\":\"\"}}", "metadata.name: missing", false },
		{ KIND_NODE, "{\"metadata\":{\"name\":1}}", "metadata.name: 1: must be a string", false },
		{ KIND_NODE, NODE(",\"spec\":[]"), "node 'a': spec: []: must be an object", true },
		{ KIND_NODE, NODE(",\"spec\":{\"podCIDRs\":[\"10.244.0.0/33\"]}"),
		  "node 'a': spec.podCIDRs[0]: \"10.244.0.0/33\": not a prefix", true },
		{ KIND_NODE, NODE(",\"spec\":{\"podCIDR\":\"x\"}"), "node 'a': spec.podCIDR: \"x\": not a prefix", true },
		{ KIND_NODE, NODE(",\"spec\":{\"podCIDR\":3}"), "node 'a': spec.podCIDR: 3: must be a string", true },
		{ KIND_NODE, NODE(",\"spec\":{\"podCIDRs\":[\"10.0.0.0/8\",\"10.0.0.0/8\",\"10.0.0.0/8\",\"10.0.0.0/8\",\"10.0.0.0/8\"]}"),
		  "node 'a': spec.podCIDRs[4]: \"10.0.0.0/8\": more than 4 prefixes", true },
		{ KIND_NODE, NODE(",\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"here\"}]}"),
		  "node 'a': status.addresses[0].address: \"here\": not an IP address", true },
		{ KIND_NODE, NODE(",\"status\":{\"addresses\":[3]}"), "status.addresses[0]: 3: must be an object", true },
		{ KIND_SERVICE, SERVICE(",\"spec\":{\"clusterIPs\":[\"10.96.0.1/32\"]}"),
		  "service 'n/s': spec.clusterIPs[0]: \"10.96.0.1/32\": not an IP address", true },
		{ KIND_SERVICE, SERVICE(",\"spec\":{\"clusterIPs\":[\"10.96.0.1\",\"10.96.0.2\",\"10.96.0.3\"]}"),
		  "service 'n/s': spec.clusterIPs[2]: \"10.96.0.3\": more than 2 addresses", true },
		{ KIND_SERVICE, SERVICE(",\"spec\":{\"externalIPs\":{}}"), "spec.externalIPs: {}: must be a list", true },
		{ KIND_SERVICE, SERVICE(",\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":7}]}},\"spec\":{}"),
		  "status.loadBalancer.ingress[0].ip: 7: must be a string", true },
		{ KIND_SERVICE_CIDR, NODE(",\"spec\":{\"cidrs\":\"10.96.0.0/12\"}"),
		  "servicecidr 'a': spec.cidrs: \"10.96.0.0/12\": must be a list", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };

		if (!object_parse(cases[i].text, strlen(cases[i].text), cases[i].kind, &object, &err))
			fail_msg("'%s' was taken", cases[i].text);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("'%s': '%s', not '%s'", cases[i].text, err.msg, cases[i].says);
		if ((object.name[0] != '\0') != cases[i].named)
			fail_msg("'%s': name '%s'", cases[i].text, object.name);
	}
}

static void a_name_that_is_too_long_is_refused(void **state)
{
	char text[1024], name[400];
	struct err err;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (size_t len = 253; len <= 254; len++) {
		snprintf(text, sizeof(text), "{\"metadata\":{\"name\":\"%.*s\"}}", (int)len, name);
		assert_int_equal(object_parse(text, strlen(text), KIND_NODE, &object, &err) != 0, len > 253);
	}
}

static void the_same_object_is_the_same_bytes(void **state)
{
	static const char text[] = NODE(",\"spec\":{\"podCIDR\":\"10.244.1.0/24\"}");
	static struct object other;

	(void)state;
	memset(&object, 0xaa, sizeof(object));
	memset(&other, 0x55, sizeof(other));
	parse(KIND_NODE, text);
	assert_int_equal(object_parse(text, strlen(text), KIND_NODE, &other, NULL), 0);
	assert_memory_equal(&object, &other, sizeof(object));
}

/* ---- envelopes ------------------------------------------------------------------------------- */

static void pages(void **state)
{
	static const struct {
		const char *text, *version, *more; /* version NULL: an error, and `more` is in it */
	} cases[] = {
		{ "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[]}", "5", NULL },
		{ "{\"metadata\":{\"resourceVersion\":\"5\",\"continue\":\"\"}}", "5", NULL },
		{ "{\"metadata\":{\"resourceVersion\":\"5\",\"continue\":\"abc\"}}", "5", "abc" },
		{ "{\"metadata\":{\"resourceVersion\":\"\"}}", NULL, "metadata.resourceVersion: missing" },
		{ "{\"metadata\":{\"resourceVersion\":5}}", NULL, "must be a string" },
		{ "{\"kind\":\"NodeList\"}", NULL, "metadata: missing" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct page page = { .more = NULL };
		struct err err = { 0 };
		int ret = page_parse(cases[i].text, strlen(cases[i].text), &page, &err);

		assert_int_equal(ret == 0, cases[i].version != NULL);
		if (ret) {
			if (!strstr(err.msg, cases[i].more))
				fail_msg("%s: %s", cases[i].text, err.msg);
			continue;
		}
		assert_string_equal(page.version, cases[i].version);
		assert_string_equal(page.more ? page.more : "", cases[i].more ? cases[i].more : "");
		free(page.more);
	}
}

static void events(void **state)
{
	static const struct {
		const char *text;
		enum event_type type;
		const char *name, *version;
	} cases[] = {
		{ "{\"type\":\"ADDED\",\"object\":" NODE("") "}", EVENT_PUT, "a", "7" },
		{ "{\"type\":\"MODIFIED\",\"object\":" NODE("") "}", EVENT_PUT, "a", "7" },
		{ "{\"type\":\"DELETED\",\"object\":" NODE(",\"spec\":{\"podCIDR\":\"nonsense\"}") "}", EVENT_DELETE, "a", "7" },
		{ "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Node\",\"metadata\":{\"resourceVersion\":\"9\","
		  "\"creationTimestamp\":null}}}", EVENT_BOOKMARK, "", "9" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct event event;
		struct err err = { 0 };

		if (event_parse(cases[i].text, strlen(cases[i].text), KIND_NODE, &event, &err))
			fail_msg("%s: %s", cases[i].text, err.msg);
		assert_int_equal(event.type, cases[i].type);
		assert_string_equal(event.object.name, cases[i].name);
		assert_string_equal(event.object.version, cases[i].version);
	}
}

static void the_servers_own_word(void **state)
{
	static const char text[] = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,"
				   "\"reason\":\"Expired\",\"message\":\"too old resource version: 1 (5)\"}}";
	struct event event;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(event_parse(text, strlen(text), KIND_NODE, &event, &err), 0);
	assert_int_equal(event.type, EVENT_ERROR);
	assert_string_equal(err.msg, "the watch says 410: too old resource version: 1 (5)");
	assert_true(err.errnum < 0);
	assert_string_equal(event.object.version, "");
}

static void events_without_sense(void **state)
{
	static const struct {
		const char *text, *says, *name, *version;
	} cases[] = {
		{ "{}", "type: missing", "", "" },
		{ "{\"type\":\"MOVED\",\"object\":{}}", "\"MOVED\": not known", "", "" },
		{ "{\"type\":\"ADDED\"}", "object: missing", "", "" },
		{ "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"6\"}}}", "name: missing", "", "6" },
		{ "{\"type\":\"ADDED\",\"object\":" NODE(",\"spec\":7") "}", "node 'a': object.spec: 7", "a", "7" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct event event;
		struct err err = { 0 };

		assert_true(event_parse(cases[i].text, strlen(cases[i].text), KIND_NODE, &event, &err) < 0);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("%s: %s", cases[i].text, err.msg);
		assert_string_equal(event.object.name, cases[i].name);
		assert_string_equal(event.object.version, cases[i].version);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes),
		cmocka_unit_test(clouds),
		cmocka_unit_test(services),
		cmocka_unit_test(service_cidrs),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_name_that_is_too_long_is_refused),
		cmocka_unit_test(the_same_object_is_the_same_bytes),
		cmocka_unit_test(pages),
		cmocka_unit_test(events),
		cmocka_unit_test(the_servers_own_word),
		cmocka_unit_test(events_without_sense),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}
