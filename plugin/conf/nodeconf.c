// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: what concerns the node as a whole is said once, by whoever holds it: a network's
 * configuration, or ctnatd's. Both have the same keys, read here, and the same defaults. A key that
 * is there must have a value that we can honour, or none of it counts.
 */
#include <stdint.h>
#include <string.h>

#include "base/parse.h"
#include "conf/nodeconf.h"
#include "conf/value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define DEFAULT_PORT_MIN     1024
#define DEFAULT_PORT_MAX     65535
#define DEFAULT_INSERT_LIMIT 2000
#define MTU_MIN		     68 /* RFC 791 */

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

static int read_destinations(const struct json *root, struct node_settings *node, struct err *err)
{
	static const char leave_key[] = "nonMasqueradeCIDRs", service_key[] = "serviceCIDRs",
			  masquerade_key[] = "masqueradeCIDRs";
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

static int read_uplinks(const struct json *root, struct node_settings *node, struct err *err)
{
	struct json list, item = { 0 };
	int ret;

	ret = json_get_list(root, "uplinks", &list, err);
	if (ret <= 0)
		return ret;
	while (json_next(&list, &item)) {
		if (node->n_uplinks == CONF_UPLINKS_MAX)
			return json_reject(&list, err, "more than %d uplinks", CONF_UPLINKS_MAX);
		ret = value_ifname(&item, node->uplinks[node->n_uplinks], err);
		if (ret)
			return ret;
		node->n_uplinks++;
	}
	return 0;
}

static int read_mtu(const struct json *root, struct node_settings *node, struct err *err)
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
	node->mtu = (__u32)mtu;
	return 0;
}

static int read_ports(const struct json *root, struct node_settings *node, struct err *err)
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
	if (parse_port_range(text, &node->port_min, &node->port_max))
		return json_reject(&value, err, "not a range of ports such as \"1024-65535\"");
	return 0;
}

static int read_insert_limit(const struct json *root, struct node_settings *node, struct err *err)
{
	unsigned long long limit;
	int ret;

	ret = json_get_integer(root, "insertLimit", UINT32_MAX, &limit, err);
	if (ret > 0)
		node->insert_limit = (__u32)limit;
	return ret;
}

static int read_spoof_check(const struct json *root, struct node_settings *node, struct err *err)
{
	return json_get_bool(root, "spoofCheck", &node->spoof_check, err);
}

static int read_datapath(const struct json *root, struct node_settings *node, struct err *err)
{
	static const char *const words[] = {
		[LEVEL_NONE] = "auto",
		[LEVEL_FULL] = "full",
		[LEVEL_ASSISTED] = "assisted",
		[LEVEL_NFTABLES] = "nftables",
	};
	size_t level;
	int ret = value_get_word(root, "datapath", words, COUNT(words), &level, err);

	if (ret > 0)
		node->datapath = (enum datapath_level)level;
	return ret;
}

static int read_short_way(const struct json *root, struct node_settings *node, struct err *err)
{
	static const char *const words[] = {
		[SHORT_CACHED] = "cached",
		[SHORT_UNCACHED] = "uncached",
		[SHORT_OFF] = "off",
	};
	size_t way;
	int ret = value_get_word(root, "shortWay", words, COUNT(words), &way, err);

	if (ret > 0)
		node->short_way = (enum short_way)way;
	return ret;
}

static int read_stack_mark(const struct json *root, struct node_settings *node, struct err *err)
{
	struct json value;
	int ret;

	ret = json_get(root, "stackMark", &value, err);
	return ret > 0 ? value_mask(&value, &node->stack_mark, err) : ret;
}

int nodeconf_parse(const struct json *root, struct node_settings *node, struct err *err)
{
	static int (*const readers[])(const struct json *root, struct node_settings *node,
				      struct err *err) = {
		read_destinations, read_uplinks,      read_mtu,
		read_ports,	   read_insert_limit, read_spoof_check,
		read_datapath,	   read_short_way,    read_stack_mark,
	};
	int ret;

	memset(node, 0, sizeof(*node)); /* padding too: settings are hashed as they lie */
	node->port_min = DEFAULT_PORT_MIN;
	node->port_max = DEFAULT_PORT_MAX;
	node->insert_limit = DEFAULT_INSERT_LIMIT;
	node->spoof_check = true;
	for (size_t i = 0; i < COUNT(readers); i++) {
		ret = readers[i](root, node, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}
