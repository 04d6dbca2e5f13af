// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: what is not in this list is removed, so doubt counts for the pod. The list has a name of
 * the specification's and an older one; CRI-O sends both. Should they ever differ, the union is
 * valid. null is an empty list, but no list at all is a runtime that did not say, and an entry that
 * cannot be read could be a living pod: both are errors.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "cni/attachments.h"
#include "conf/json.h"
#include "conf/value.h"

#define KEY	  "cni.dev/valid-attachments"
#define OLDER_KEY "cni.dev/attachments"

static int get_required(const struct json *object, const char *key, struct json *out,
			struct err *err)
{
	int ret = json_get(object, key, out, err);

	return ret ? ret : json_missing(object, key, err, "an attachment needs it");
}

static int read_attachment(const struct json *item, struct attachment_key *out, struct err *err)
{
	struct json container_id, ifname;
	int ret;

	ret = get_required(item, "containerID", &container_id, err);
	if (ret > 0)
		ret = get_required(item, "ifname", &ifname, err);
	if (ret > 0)
		ret = value_name(&container_id, out->container_id, sizeof(out->container_id), err);
	if (!ret)
		ret = value_ifname(&ifname, out->ifname, err);
	return ret;
}

static int read_list(const struct json *list, struct attachment_key *out, size_t *n,
		     struct err *err)
{
	struct json item = { 0 };
	int ret;

	while (json_next(list, &item)) {
		ret = read_attachment(&item, &out[*n], err);
		if (ret)
			return ret;
		++*n;
	}
	return 0;
}

int attachments_parse(const char *config, struct attachment_key **out, size_t *n, struct err *err)
{
	_cleanup_free_ struct attachment_key *valid = NULL;
	_cleanup_json_ struct json root = { 0 };
	struct json list = { 0 }, older = { 0 };
	size_t used = 0;
	int ret;

	ret = json_parse(config, strlen(config), "configuration", &root, err);
	if (ret)
		return ret;
	if (!json_has(&root, KEY) && !json_has(&root, OLDER_KEY))
		return json_missing(&root, KEY, err, "GC must be told which attachments are valid");
	ret = json_get_list(&root, KEY, &list, err);
	if (ret >= 0)
		ret = json_get_list(&root, OLDER_KEY, &older, err);
	if (ret < 0)
		return ret;

	valid = calloc(json_count(&list) + json_count(&older) + 1, sizeof(*valid));
	if (!valid)
		return err_set(err, -ENOMEM, KEY);
	ret = read_list(&list, valid, &used, err);
	if (!ret)
		ret = read_list(&older, valid, &used, err);
	if (ret)
		return ret;
	*out = TAKE_PTR(valid);
	*n = used;
	return 0;
}
