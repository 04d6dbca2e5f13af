// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: unknown keys are tolerated, as runtimes and later versions add some; a key that we know
 * must have a value that we can honour, or nothing is made at all. What identifies a network is
 * read first and for every verb; the rest only by those that make or judge something (netconf.h).
 * The ipam section and runtimeConfig have files of their own.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "cni/ipamconf.h"
#include "cni/json.h"
#include "cni/netconf.h"
#include "cni/runtimeconf.h"
#include "cni/value.h"
#include "cni/version.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define DEFAULT_PORT_MIN     1024
#define DEFAULT_PORT_MAX     65535
#define DEFAULT_INSERT_LIMIT 2000
#define MTU_MIN		     68	  /* RFC 791 */
#define MTU_MIN_V6	     1280 /* RFC 8200; below, the kernel takes IPv6 off the interface */

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

/* ---- node settings --------------------------------------------------------------------------- */

static int read_cidrs(const struct json *root, const char *key, struct cidr_list *out,
		      struct err *err)
{
	struct json list, item = { 0 };
	int ret;

	ret = json_get_list(root, key, &list, err);
	if (ret <= 0)
		return ret;
	out->set = true;
	while (json_next(&list, &item)) {
		if (out->n == CONF_CIDRS_MAX)
			return json_reject(&list, err, "more than %d prefixes", CONF_CIDRS_MAX);
		ret = value_cidr(&item, &out->cidrs[out->n], err);
		if (ret)
			return ret;
		out->n++;
	}
	return 0;
}

/* A longer prefix wins over a shorter one whatever its list; the same prefix in two lists means two
 * things. */
static int distinct(const char *key_a, const struct cidr_list *a, const char *key_b,
		    const struct cidr_list *b, struct err *err)
{
	char text[ADDR_STRLEN];

	for (size_t i = 0; i < a->n; i++)
		for (size_t j = 0; j < b->n; j++)
			if (a->cidrs[i].len == b->cidrs[j].len &&
			    addr_equal(&a->cidrs[i].addr, &b->cidrs[j].addr))
				return err_cni(err, CNI_INVALID_CONFIG, "%s: \"%s\": is in %s too",
					       key_a, cidr_format(&a->cidrs[i], text), key_b);
	return 0;
}

static int read_destinations(const struct json *root, struct network *net, struct err *err)
{
	static const char leave_key[] = "nonMasqueradeCIDRs", service_key[] = "serviceCIDRs",
			  masquerade_key[] = "masqueradeCIDRs";
	struct node_settings *node = &net->node;
	int ret;

	ret = read_cidrs(root, leave_key, &node->non_masquerade, err);
	if (!ret)
		ret = read_cidrs(root, service_key, &node->services, err);
	if (!ret)
		ret = read_cidrs(root, masquerade_key, &node->masquerade, err);
	if (!ret)
		ret = distinct(masquerade_key, &node->masquerade, leave_key, &node->non_masquerade,
			       err);
	if (!ret)
		ret = distinct(masquerade_key, &node->masquerade, service_key, &node->services,
			       err);
	if (!ret)
		ret = distinct(service_key, &node->services, leave_key, &node->non_masquerade, err);
	return ret;
}

static int read_uplinks(const struct json *root, struct network *net, struct err *err)
{
	struct json list, item = { 0 };
	int ret;

	ret = json_get_list(root, "uplinks", &list, err);
	if (ret <= 0)
		return ret;
	while (json_next(&list, &item)) {
		if (net->node.n_uplinks == CONF_UPLINKS_MAX)
			return json_reject(&list, err, "more than %d uplinks", CONF_UPLINKS_MAX);
		ret = value_ifname(&item, net->node.uplinks[net->node.n_uplinks], err);
		if (ret)
			return ret;
		net->node.n_uplinks++;
	}
	return 0;
}

static int read_mtu(const struct json *root, struct network *net, struct err *err)
{
	unsigned long long mtu;
	struct json value;
	int ret;

	ret = json_get(root, "mtu", &value, err);
	if (ret <= 0)
		return ret;
	ret = json_integer(&value, UINT16_MAX, &mtu, err);
	if (ret)
		return ret;
	if (mtu && mtu < MTU_MIN)
		return json_reject(&value, err,
				   "must be 0 (the smallest of the uplinks') or at least %d",
				   MTU_MIN);
	net->node.mtu = (__u32)mtu;
	for (size_t i = 0; i < net->n_sets; i++)
		if (mtu && mtu < MTU_MIN_V6 && !addr_is_v4(&net->sets[i].ranges[0].first))
			return json_reject(&value, err, "IPv6 addresses need at least %d",
					   MTU_MIN_V6);
	return 0;
}

static int read_ports(const struct json *root, struct network *net, struct err *err)
{
	struct json value;
	const char *text;
	int ret;

	ret = json_get(root, "portRange", &value, err);
	if (ret <= 0)
		return ret;
	ret = json_string(&value, &text, err);
	if (ret)
		return ret;
	if (parse_port_range(text, &net->node.port_min, &net->node.port_max))
		return json_reject(&value, err, "not a range of ports such as \"1024-65535\"");
	return 0;
}

static int read_insert_limit(const struct json *root, struct network *net, struct err *err)
{
	unsigned long long limit;
	int ret;

	ret = json_get_integer(root, "insertLimit", UINT32_MAX, &limit, err);
	if (ret > 0)
		net->node.insert_limit = (__u32)limit;
	return ret;
}

static int read_spoof_check(const struct json *root, struct network *net, struct err *err)
{
	return json_get_bool(root, "spoofCheck", &net->node.spoof_check, err);
}

/* Returns 1 and the word's place, 0 if the key is not there, or -errno. */
static int read_word(const struct json *root, const char *key, const char *const *words, size_t n,
		     size_t *out, struct err *err)
{
	struct json value;
	int ret;

	ret = json_get(root, key, &value, err);
	if (ret <= 0)
		return ret;
	ret = value_word(&value, words, n, out, err);
	return ret < 0 ? ret : 1;
}

static int read_datapath(const struct json *root, struct network *net, struct err *err)
{
	static const char *const words[] = {
		[LEVEL_NONE] = "auto",
		[LEVEL_FULL] = "full",
		[LEVEL_ASSISTED] = "assisted",
		[LEVEL_NFTABLES] = "nftables",
	};
	size_t level;
	int ret = read_word(root, "datapath", words, COUNT(words), &level, err);

	if (ret > 0)
		net->node.datapath = (enum datapath_level)level;
	return ret;
}

static int read_short_way(const struct json *root, struct network *net, struct err *err)
{
	static const char *const words[] = {
		[SHORT_CACHED] = "cached",
		[SHORT_UNCACHED] = "uncached",
		[SHORT_OFF] = "off",
	};
	size_t way;
	int ret = read_word(root, "shortWay", words, COUNT(words), &way, err);

	if (ret > 0)
		net->node.short_way = (enum short_way)way;
	return ret;
}

static int read_stack_mark(const struct json *root, struct network *net, struct err *err)
{
	struct json value;
	int ret;

	ret = json_get(root, "stackMark", &value, err);
	return ret > 0 ? value_mask(&value, &net->node.stack_mark, err) : ret;
}

static int read_status_when_full(const struct json *root, struct network *net, struct err *err)
{
	static const char *const words[] = { "error", "ok" };
	size_t ok;
	int ret = read_word(root, "statusWhenFull", words, COUNT(words), &ok, err);

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
	static int (*const readers[])(const struct json *root, struct network *net,
				      struct err *err) = {
		read_destinations,
		read_uplinks,
		read_mtu,
		read_ports,
		read_insert_limit,
		read_spoof_check,
		read_datapath,
		read_short_way,
		read_stack_mark,
		read_status_when_full,
		read_shaped,
	};
	int ret;

	net->node.port_min = DEFAULT_PORT_MIN;
	net->node.port_max = DEFAULT_PORT_MAX;
	net->node.insert_limit = DEFAULT_INSERT_LIMIT;
	net->node.spoof_check = true;
	for (size_t i = 0; i < COUNT(readers); i++) {
		ret = readers[i](root, net, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int netconf_parse(const char *text, size_t len, enum verb verb, const struct cni_args *args,
		  struct network *net, struct err *err)
{
	struct json ipam = { 0 }, runtime = { 0 };
	_cleanup_json_ struct json root = { 0 };
	int ret;

	memset(net, 0, sizeof(*net)); /* padding too: node settings are hashed as they lie */
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
