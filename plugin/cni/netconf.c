// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: unknown keys are tolerated, as runtimes and later versions add some; a key that we know
 * must have a value that we can honour, or nothing is made at all. What identifies a network is
 * read first and for every verb; the rest only by those that make or judge something (netconf.h).
 * The ipam section and runtimeConfig have files of their own.
 */
#include <stdio.h>
#include <string.h>

#include "cni/ipamconf.h"
#include "cni/netconf.h"
#include "cni/runtimeconf.h"
#include "conf/nodeconf.h"
#include "conf/value.h"
#include "conf/version.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MTU_MIN_V6 1280 /* RFC 8200; below, the kernel takes IPv6 off the interface */

/* ---- what identifies a network --------------------------------------------------------------- */

static int read_version(const struct json *root, enum verb verb, struct network *net,
			struct err *err)
{
	struct json value;
	const char *text;
	int ret;

	ret = json_get(root, "cniVersion", &value, err);
	if (ret < 0)
		return ret;
	if (!ret)
		return err_cni(err, CNI_INCOMPATIBLE_VERSION,
			       "cniVersion: missing: 0.3.0 to %s are supported", VERSION_NEWEST);
	ret = json_string(&value, &text, err);
	if (ret)
		return ret;
	if (!version_supported(text))
		return json_reject_code(&value, CNI_INCOMPATIBLE_VERSION, err,
					"0.3.0 to %s are supported", VERSION_NEWEST);
	if (version_compare(text, version_of_verb(verb)) < 0)
		return json_reject_code(&value, CNI_INCOMPATIBLE_VERSION, err, "%s came with %s",
					verb_name(verb), version_of_verb(verb));
	snprintf(net->cni_version, sizeof(net->cni_version), "%s", text);
	return 0;
}

static int read_name(const struct json *object, const char *key, const char *purpose, char *out,
		     size_t size, struct err *err)
{
	struct json value;
	int ret;

	ret = json_get(object, key, &value, err);
	if (ret < 0)
		return ret;
	return ret ? value_name(&value, out, size, err) : json_missing(object, key, err, purpose);
}

/* For those who make pods `ipam` must be there, if only as {}: a forgotten one would mean pods
 * without an address. */
static int read_ipam_type(const struct json *root, enum verb verb, struct network *net,
			  struct json *ipam, struct err *err)
{
	int ret;

	ret = json_get_object(root, "ipam", ipam, err);
	if (ret < 0)
		return ret;
	if (!ret && verb != VERB_DEL && verb != VERB_GC)
		return json_missing(root, "ipam", err, "{} makes pods without addresses");
	if (json_is_empty(ipam))
		return 0;
	return read_name(ipam, "type", "ctnat, or the name of another IPAM plugin", net->ipam_type,
			 sizeof(net->ipam_type), err);
}

static int read_identity(const struct json *root, enum verb verb, struct network *net,
			 struct json *ipam, struct err *err)
{
	char type[NETWORK_NAME_MAX];
	int ret;

	ret = read_name(root, "name", "a network needs one", net->name, sizeof(net->name), err);
	if (!ret)
		ret = read_version(root, verb, net, err);
	if (!ret)
		ret = read_name(root, "type", "the name of this plugin", type, sizeof(type), err);
	if (!ret)
		ret = read_ipam_type(root, verb, net, ipam, err);
	return ret;
}

void netconf_version(const char *text, size_t len, char out[CNI_VERSION_MAX])
{
	_cleanup_json_ struct json root = { 0 };
	const char *version = VERSION_NEWEST;

	if (!json_parse(text, len, "configuration", &root, NULL))
		json_get_string(&root, "cniVersion", &version, NULL);
	if (!*version || strlen(version) >= CNI_VERSION_MAX ||
	    version[strspn(version, "0123456789.")])
		version = VERSION_NEWEST;
	snprintf(out, CNI_VERSION_MAX, "%s", version);
}

/* ---- what concerns this network alone -------------------------------------------------------- */

/* The node's MTU must suit this network's addresses. */
static int check_mtu(const struct json *root, const struct network *net, struct err *err)
{
	struct json value;

	if (!net->node.mtu || net->node.mtu >= MTU_MIN_V6 ||
	    json_get(root, "mtu", &value, err) <= 0)
		return 0;
	for (size_t i = 0; i < net->n_sets; i++)
		if (!addr_is_v4(&net->sets[i].ranges[0].first))
			return json_reject(&value, err, "IPv6 addresses need at least %d",
					   MTU_MIN_V6);
	return 0;
}

static int read_status_when_full(const struct json *root, struct network *net, struct err *err)
{
	static const char *const words[] = { "error", "ok" };
	size_t ok;
	int ret = value_get_word(root, "statusWhenFull", words, COUNT(words), &ok, err);

	if (ret > 0)
		net->status_when_full_ok = ok;
	return ret;
}

static int read_shaped(const struct json *root, struct network *net, struct err *err)
{
	return json_get_bool(root, "shaped", &net->shaped, err);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int read_settings(const struct json *root, struct network *net, struct err *err)
{
	int ret = nodeconf_parse(root, &net->node, err);

	if (!ret)
		ret = check_mtu(root, net, err);
	if (ret < 0)
		return ret;
	ret = read_status_when_full(root, net, err);
	if (ret >= 0)
		ret = read_shaped(root, net, err);
	return ret < 0 ? ret : 0;
}

int netconf_parse(const char *text, size_t len, enum verb verb, const struct cni_args *args,
		  struct network *net, struct err *err)
{
	struct json ipam = { 0 }, runtime = { 0 };
	_cleanup_json_ struct json root = { 0 };
	int ret;

	memset(net, 0, sizeof(*net));
	ret = json_parse(text, len, "configuration", &root, err);
	if (!ret)
		ret = read_identity(&root, verb, net, &ipam, err);
	if (ret || verb == VERB_DEL || verb == VERB_GC)
		return ret;

	ret = json_get_object(&root, "runtimeConfig", &runtime, err);
	if (ret >= 0)
		ret = ipamconf_parse(&ipam, &runtime, verb, net, err);
	if (!ret)
		ret = read_settings(&root, net, err);
	if (!ret)
		ret = runtimeconf_parse(&root, &runtime, args, net, err);
	return ret;
}
