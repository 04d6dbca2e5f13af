// SPDX-License-Identifier: Apache-2.0
#include <limits.h>
#include <string.h>

#include "conf/json.h"
#include "cni/prevresult.h"
#include "conf/value.h"

#define KEY "prevResult"

/* The parts that result.c appends to must be lists of objects, if they are there. */
static int check_lists(const struct json *prev, struct json *interfaces, struct json *ips,
		       struct err *err)
{
	struct json routes = { 0 };
	const struct {
		const char *key;
		struct json *list;
	} parts[] = { { "interfaces", interfaces }, { "ips", ips }, { "routes", &routes } };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct json item = { 0 };
		int ret = json_get_list(prev, parts[i].key, parts[i].list, err);

		while (ret >= 0 && json_next(parts[i].list, &item))
			ret = json_object(&item, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Is this string of the object `wanted`? 1, 0 or -errno. */
static int string_is(const struct json *object, const char *key, const char *wanted,
		     struct err *err)
{
	const char *text;
	int ret = json_get_string(object, key, &text, err);

	return ret > 0 ? !strcmp(text, wanted) : ret;
}

/* The index of the pod's interface, or -errno. A host interface may bear the same name, but it has
 * no sandbox. */
static int find_interface(const struct json *prev, const struct json *interfaces,
			  const struct request *req, struct err *err)
{
	struct json item = { 0 };

	while (json_next(interfaces, &item)) {
		int ret = string_is(&item, "name", req->key.ifname, err);

		if (ret > 0)
			ret = string_is(&item, "sandbox", req->netns, err);
		if (ret)
			return ret < 0 ? ret : (int)item.index;
	}
	return json_reject(interfaces->node ? interfaces : prev, err,
			   "has no interface '%s' in '%s'", req->key.ifname, req->netns);
}

static int read_addrs(const struct json *ips, unsigned int interface, struct request *req,
		      struct err *err)
{
	struct json item = { 0 }, address;

	while (json_next(ips, &item)) {
		unsigned long long index;
		int ret = json_get_integer(&item, "interface", INT_MAX, &index, err);

		if (ret < 0)
			return ret;
		if (!ret || index != interface)
			continue;
		ret = json_get(&item, "address", &address, err);
		if (!ret)
			return json_missing(&item, "address", err, "an IP needs one");
		if (ret > 0 && req->n_expected == POD_ADDRS_MAX)
			return json_reject(ips, err, "more than %d addresses for '%s'",
					   POD_ADDRS_MAX, req->key.ifname);
		if (ret > 0)
			ret = value_host(&address, &req->expected[req->n_expected], err);
		if (ret)
			return ret;
		req->n_expected++;
	}
	return 0;
}

int prevresult_read(struct request *req, struct err *err)
{
	struct json prev, interfaces = { 0 }, ips = { 0 };
	_cleanup_json_ struct json root = { 0 };
	int interface, ret;

	ret = json_parse(req->config, strlen(req->config), "configuration", &root, err);
	if (ret)
		return ret;
	ret = json_get_object(&root, KEY, &prev, err);
	if (!ret && req->verb == VERB_CHECK)
		return json_missing(&root, KEY, err, "CHECK needs the result of the ADD");
	if (ret <= 0)
		return ret;
	ret = check_lists(&prev, &interfaces, &ips, err);
	if (ret || req->verb != VERB_CHECK)
		return ret;
	interface = find_interface(&prev, &interfaces, req, err);
	return interface < 0 ? interface : read_addrs(&ips, (unsigned int)interface, req, err);
}
