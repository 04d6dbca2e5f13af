// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the installed list has several masters. Ours are the object of type ctnat, the versions,
 * and whatever else the template says at the top. Everybody else's are the other plugins, whether
 * they were chained in behind us (istio-cni) or once came from our template and were changed since,
 * and keys that the template does not know: those stay as they are, where they are. Nothing is ever
 * taken out of the list; a plugin of the template that it lacks is put in, behind the one that
 * stands before it in the template, as soon as its binary is there: a runtime fails every ADD for
 * one that is not.
 *
 * Versions: of those that the template lists, those that every plugin of the result speaks; if that
 * is none, all that we speak and that are older. `cniVersion` is the template's if it can be, else
 * the newest up to 1.0.0: containerd up to 1.7 reads no other key and refuses 1.1.0, newer ones
 * choose from `cniVersions`.
 *
 * Compared are values, not bytes: whoever formats the file does not make us write it again.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/conflist.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "conf/json.h"
#include "conf/version.h"

#define OURS "ctnat"

static void free_json(cJSON **json)
{
	cJSON_Delete(*json);
}

#define _cleanup_cjson_ __attribute__((cleanup(free_json)))

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "put the network configuration together");
}

/* ---- reading --------------------------------------------------------------------------------- */

static int check_plugin(const struct json *plugin, bool *ours, struct err *err)
{
	struct json type;
	const char *name;
	int ret = json_get(plugin, "type", &type, err);

	if (!ret)
		return json_missing(plugin, "type", err, "a plugin needs one");
	if (ret > 0)
		ret = json_string(&type, &name, err);
	if (ret < 0)
		return ret;
	if (!parse_is_name(name) || strlen(name) >= CHAINED_TYPE_MAX)
		return json_reject(&type, err, "is no name of a plugin");
	*ours = *ours || !strcmp(name, OURS);
	return 0;
}

/* A list of plugins, each with a name, of which one is ours. */
static int check_list(const struct conflist_text *list, const char *what, struct err *err)
{
	struct json plugins = { 0 }, plugin = { 0 };
	_cleanup_json_ struct json root = { 0 };
	bool ours = false;
	int ret;

	ret = json_parse(list->text, list->len, what, &root, err);
	if (!ret)
		ret = json_get_list(&root, "plugins", &plugins, err);
	while (ret >= 0 && json_next(&plugins, &plugin))
		ret = check_plugin(&plugin, &ours, err);
	if (ret >= 0 && !ours)
		return json_missing(&root, "plugins", err, "there is no object of type " OURS);
	return ret < 0 ? ret : 0;
}

static cJSON *plugins_of(const cJSON *list)
{
	return cJSON_GetObjectItem(list, "plugins");
}

static const char *type_of(const cJSON *plugin)
{
	return cJSON_GetStringValue(cJSON_GetObjectItem(plugin, "type")) ?: "";
}

static cJSON *find_plugin(const cJSON *list, const char *type)
{
	cJSON *plugin;

	cJSON_ArrayForEach(plugin, plugins_of(list))
		if (!strcmp(type_of(plugin), type))
			return plugin;
	return NULL;
}

bool conflist_is_ours(const struct conflist_text *installed)
{
	return !check_list(installed, "list", NULL);
}

bool conflist_has_foreign(const struct conflist_text *installed,
			  const struct conflist_text *template)
{
	_cleanup_cjson_ cJSON *have = cJSON_ParseWithLength(installed->text, installed->len);
	_cleanup_cjson_ cJSON *known = cJSON_ParseWithLength(template->text, template->len);
	const cJSON *plugin;

	cJSON_ArrayForEach(plugin, plugins_of(have))
		if (strcmp(type_of(plugin), OURS) && !find_plugin(known, type_of(plugin)))
			return true;
	return false;
}

/* ---- our own object -------------------------------------------------------------------------- */

/* One set for each family, in order of appearance: a pod gets an address from each. */
static cJSON *make_sets(const struct cidr *ranges, size_t n)
{
	cJSON *sets = cJSON_CreateArray(), *set[2] = { NULL, NULL };
	char text[ADDR_STRLEN];

	for (size_t i = 0; i < n; i++) {
		unsigned int family = addr_is_v4(&ranges[i].addr) ? 0 : 1;
		cJSON *range = cJSON_CreateObject();

		if (!set[family]) {
			set[family] = cJSON_CreateArray();
			cJSON_AddItemToArray(sets, set[family]);
		}
		cJSON_AddItemToArray(set[family], range);
		if (!cJSON_AddStringToObject(range, "subnet", cidr_format(&ranges[i], text))) {
			cJSON_Delete(sets);
			return NULL;
		}
	}
	return sets;
}

static bool is_absent(const cJSON *object, const char *key)
{
	const cJSON *value = cJSON_GetObjectItem(object, key);

	return !value || cJSON_IsNull(value);
}

/* Does the template leave the ranges to us? `{}` makes pods without addresses, and means it. */
static bool wants_ranges(const cJSON *ipam)
{
	const char *type = cJSON_GetStringValue(cJSON_GetObjectItem(ipam, "type"));

	return type && !strcmp(type, OURS) && is_absent(ipam, "ranges") &&
	       is_absent(ipam, "subnet");
}

static int fill_ranges(const cJSON *template, const struct cidr *ranges, size_t n, struct err *err)
{
	cJSON *ipam = cJSON_GetObjectItem(find_plugin(template, OURS), "ipam"), *sets;

	if (!wants_ranges(ipam))
		return 0;
	if (!n)
		return err_cni(err, CNI_NOT_AVAILABLE,
			       "the node has no podCIDR yet, and the template no ipam.ranges");
	sets = make_sets(ranges, n);
	cJSON_DeleteItemFromObject(ipam, "ranges");
	return sets && cJSON_AddItemToObject(ipam, "ranges", sets) ? 0 : no_memory(err);
}

/* ---- the list -------------------------------------------------------------------------------- */

static bool is_special(const char *key)
{
	return !strcasecmp(key, "plugins") || !strcasecmp(key, "cniVersion") ||
	       !strcasecmp(key, "cniVersions");
}

/* In the place of what has that key. */
static int set_key(cJSON *object, const char *key, cJSON *value)
{
	bool done = value && (cJSON_HasObjectItem(object, key)
				      ? cJSON_ReplaceItemInObject(object, key, value)
				      : cJSON_AddItemToObject(object, key, value));

	if (!done)
		cJSON_Delete(value);
	return done ? 0 : -ENOMEM;
}

static int take_top(cJSON *list, const cJSON *template)
{
	const cJSON *item;
	int ret = 0;

	cJSON_ArrayForEach(item, template)
		if (!ret && !is_special(item->string))
			ret = set_key(list, item->string, cJSON_Duplicate(item, true));
	return ret;
}

/* Our object into the place of the first of ours; a second one would be another network's. */
static int take_ours(cJSON *list, const cJSON *template)
{
	cJSON *ours = cJSON_Duplicate(find_plugin(template, OURS), true), *other, *next;

	if (!ours || !cJSON_ReplaceItemViaPointer(plugins_of(list), find_plugin(list, OURS), ours))
		return -ENOMEM;
	for (other = ours->next; other; other = next) {
		next = other->next;
		if (!strcmp(type_of(other), OURS))
			cJSON_Delete(cJSON_DetachItemViaPointer(plugins_of(list), other));
	}
	return 0;
}

static int place_of(const cJSON *list, const char *type)
{
	const cJSON *plugin;
	int i = 0;

	cJSON_ArrayForEach(plugin, plugins_of(list)) {
		if (!strcmp(type_of(plugin), type))
			return i;
		i++;
	}
	return -1;
}

/* Those behind move up. (cJSON_InsertItemInArray() of 1.7.17, and of Debian 12, refuses.) */
static int insert(cJSON *plugins, int place, cJSON *plugin)
{
	int behind = cJSON_GetArraySize(plugins) - place;

	if (!plugin)
		return -ENOMEM;
	cJSON_AddItemToArray(plugins, plugin);
	while (behind--)
		cJSON_AddItemToArray(plugins, cJSON_DetachItemFromArray(plugins, place));
	return 0;
}

/* Puts in what the template has and the list has not. */
static int put_in(cJSON *list, const cJSON *template, struct chained *chained, struct notes *notes)
{
	const cJSON *plugin;
	int before = -1;

	cJSON_ArrayForEach(plugin, plugins_of(template)) {
		const char *type = type_of(plugin);

		if (!find_plugin(list, type) && !chained_ask(chained, type, notes)->is_there) {
			notes_add(notes, "plugin '%s' is left out of the network, '%s' has none",
				  type, chained->bin_dir);
			continue;
		}
		if (!find_plugin(list, type) &&
		    insert(plugins_of(list), before + 1, cJSON_Duplicate(plugin, true)))
			return -ENOMEM;
		before = place_of(list, type);
	}
	return 0;
}

/* A fresh one has our object alone, to begin with. */
static cJSON *begin_list(const cJSON *template, const struct conflist_text *installed)
{
	cJSON *list, *plugins;

	if (installed->text)
		return cJSON_ParseWithLength(installed->text, installed->len);
	list = cJSON_Duplicate(template, true);
	plugins = cJSON_CreateArray();
	cJSON_AddItemToArray(plugins, cJSON_Duplicate(find_plugin(template, OURS), true));
	if (list && !set_key(list, "plugins", plugins))
		return list;
	cJSON_Delete(list);
	return NULL;
}

/* ---- versions -------------------------------------------------------------------------------- */

/* Which the template lists: cniVersion, and cniVersions. */
static size_t listed_versions(const cJSON *template, const char *out[CHAINED_VERSIONS_MAX])
{
	const char *one = cJSON_GetStringValue(cJSON_GetObjectItem(template, "cniVersion"));
	const cJSON *item;
	size_t n = 0;

	if (one)
		out[n++] = one;
	cJSON_ArrayForEach(item, cJSON_GetObjectItem(template, "cniVersions"))
		if (cJSON_IsString(item) && n < CHAINED_VERSIONS_MAX)
			out[n++] = item->valuestring;
	return n;
}

static int choose_versions(const cJSON *list, const cJSON *template, struct chained *chained,
			   struct chained_versions *out, struct err *err)
{
	const char *types[CHAINED_MAX], *wanted[CHAINED_VERSIONS_MAX];
	size_t n_wanted = listed_versions(template, wanted), n = 0;
	const cJSON *plugin;

	cJSON_ArrayForEach(plugin, plugins_of(list)) {
		if (n == CHAINED_MAX)
			return err_cni(err, CNI_INVALID_CONFIG, "plugins: more than %d",
				       CHAINED_MAX);
		types[n++] = type_of(plugin);
	}
	return chained_common(chained, types, n, wanted, n_wanted, out, err);
}

static int write_versions(cJSON *list, const cJSON *template,
			  const struct chained_versions *versions)
{
	const char *wanted = cJSON_GetStringValue(cJSON_GetObjectItem(template, "cniVersion"));
	const char *one = versions->list[versions->n - 1];

	for (size_t i = 0; i < versions->n; i++)
		if (version_compare(versions->list[i], "1.0.0") <= 0)
			one = versions->list[i];
	for (size_t i = 0; wanted && i < versions->n; i++)
		if (!version_compare(versions->list[i], wanted))
			one = versions->list[i];
	if (set_key(list, "cniVersion", cJSON_CreateString(one)))
		return -ENOMEM;
	if (versions->n > 1 || cJSON_HasObjectItem(template, "cniVersions"))
		return set_key(list, "cniVersions",
			       cJSON_CreateStringArray(versions->list, (int)versions->n));
	cJSON_DeleteItemFromObject(list, "cniVersions");
	return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* What the runtime will stumble over. */
static void note_missing(const cJSON *list, struct chained *chained, struct notes *notes)
{
	const cJSON *plugin;

	cJSON_ArrayForEach(plugin, plugins_of(list))
		if (!chained_ask(chained, type_of(plugin), notes)->is_there)
			notes_add(notes,
				  "plugin '%s' is in the installed network, and '%s' has "
				  "none: pods fail unless the runtime finds it elsewhere",
				  type_of(plugin), chained->bin_dir);
}

static int print(const cJSON *list, struct conflist_text *out, struct err *err)
{
	char *text = cJSON_Print(list), *line;

	line = text ? realloc(text, strlen(text) + sizeof("\n")) : NULL;
	if (!line) {
		free(text);
		return no_memory(err);
	}
	out->text = strcat(line, "\n");
	out->len = strlen(line);
	return 0;
}

int conflist_merge(const struct conflist_text *template, const struct conflist_text *installed,
		   const struct cidr *ranges, size_t n_ranges, struct chained *chained,
		   struct conflist_text *out, struct notes *notes, struct err *err)
{
	_cleanup_cjson_ cJSON *from = NULL, *list = NULL, *have = NULL;
	struct chained_versions versions;
	int ret = check_list(template, "template", err);

	if (!ret && installed->text)
		ret = check_list(installed, "installed list", err);
	if (ret)
		return ret;
	from = cJSON_ParseWithLength(template->text, template->len);
	if (!from)
		return no_memory(err);
	ret = fill_ranges(from, ranges, n_ranges, err);
	if (ret)
		return ret;
	list = begin_list(from, installed);
	if (!list || take_top(list, from) || take_ours(list, from) ||
	    put_in(list, from, chained, notes))
		return no_memory(err);
	note_missing(list, chained, notes);
	ret = choose_versions(list, from, chained, &versions, err);
	if (ret)
		return ret;
	if (write_versions(list, from, &versions))
		return no_memory(err);
	have = installed->text ? cJSON_ParseWithLength(installed->text, installed->len) : NULL;
	*out = (struct conflist_text){ 0 };
	return have && cJSON_Compare(have, list, true) ? 0 : print(list, out, err);
}
