// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the head (name, version) is read first, by itself. So an object that we cannot make sense
 * of has a name nevertheless: it is reported by it, and what was known of it stays in force.
 *
 * An API server has validated what we read, or wrote it itself. What is refused here is what no
 * server sends, or more of something than we keep.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/object.h"
#include "conf/value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Schemes of providerIDs that stand for no network which knows addresses and drops others. An
 * unknown one is a cloud: the overlay that it gets then works everywhere. */
static const char *const plain_schemes[] = {
	"baremetalhost", "byoh",   "docker",   "k0s",	   "k3s",  "kind",   "kwok",
	"libvirt",	 "metal3", "microk8s", "minikube", "rke2", "sidero", "tinkerbell",
};

const char *kind_name(enum kind kind)
{
	static const char *const names[KINDS] = {
		[KIND_NODE] = "node",
		[KIND_SERVICE] = "service",
		[KIND_SERVICE_CIDR] = "servicecidr",
	};

	return names[kind];
}

/* ---- the head -------------------------------------------------------------------------------- */

static int get_text(const struct json *object, const char *key, char *out, size_t size,
		    struct err *err)
{
	struct json value;
	const char *text;
	int ret;

	ret = json_get(object, key, &value, err);
	if (ret <= 0)
		return ret;
	ret = json_string(&value, &text, err);
	if (ret)
		return ret;
	if (strlen(text) >= size)
		return json_reject(&value, err, "is longer than %zu bytes", size - 1);
	snprintf(out, size, "%s", text);
	return text[0] ? 1 : 0;
}

/* "namespace/name", or "name" of what has no namespace. */
static int get_name(const struct json *metadata, char out[OBJECT_NAME_MAX], struct err *err)
{
	char name[254], namespace[64] = "";
	int ret;

	ret = get_text(metadata, "name", name, sizeof(name), err);
	if (!ret)
		return json_missing(metadata, "name", err, "every object has one");
	if (ret > 0)
		ret = get_text(metadata, "namespace", namespace, sizeof(namespace), err);
	if (ret < 0)
		return ret;
	snprintf(out, OBJECT_NAME_MAX, "%s%s%s", namespace, namespace[0] ? "/" : "", name);
	return 0;
}

static int get_metadata(const struct json *object, struct json *out, struct err *err)
{
	int ret = json_get_object(object, "metadata", out, err);

	return ret ? ret : json_missing(object, "metadata", err, "every object has it");
}

int object_read_version(const struct json *value, char out[OBJECT_VERSION_MAX], struct err *err)
{
	struct json metadata;
	int ret;

	ret = get_metadata(value, &metadata, err);
	if (ret < 0)
		return ret;
	ret = get_text(&metadata, "resourceVersion", out, OBJECT_VERSION_MAX, err);
	return ret < 0 ? ret : 0;
}

int object_read_head(const struct json *value, enum kind kind, struct object *out, struct err *err)
{
	struct json metadata;
	int ret;

	memset(out, 0, sizeof(*out)); /* padding too: values are compared as they lie */
	out->kind = kind;
	ret = object_read_version(value, out->version, err);
	if (ret)
		return ret;
	ret = get_metadata(value, &metadata, err);
	return ret < 0 ? ret : get_name(&metadata, out->name, err);
}

/* ---- lists of addresses ---------------------------------------------------------------------- */

/* Appends the address if the value is one; "" and "None" are none. */
static int add_addr(const struct json *value, struct addr *addrs, uint16_t *n, size_t max,
		    struct err *err)
{
	const char *text;
	int ret;

	ret = json_string(value, &text, err);
	if (ret)
		return ret;
	if (!text[0] || !strcmp(text, "None"))
		return 0;
	if (*n == max)
		return json_reject(value, err, "more than %zu addresses", max);
	ret = value_addr(value, &addrs[*n], err);
	if (!ret)
		(*n)++;
	return ret;
}

static int add_addrs(const struct json *object, const char *key, struct addr *addrs, uint16_t *n,
		     size_t max, struct err *err)
{
	struct json list, item = { 0 };
	int ret;

	ret = json_get_list(object, key, &list, err);
	while (ret > 0 && json_next(&list, &item))
		ret = add_addr(&item, addrs, n, max, err) ?: 1;
	return ret < 0 ? ret : 0;
}

static int add_cidr(const struct json *value, struct cidr *cidrs, size_t *n, size_t max,
		    struct err *err)
{
	struct cidr cidr;
	int ret;

	if (*n == max)
		return json_reject(value, err, "more than %zu prefixes", max);
	ret = value_address(value, &cidr, err);
	if (!ret)
		cidrs[(*n)++] = cidr_mask(&cidr);
	return ret;
}

/* Of the list, or, if there is none and `single` is not NULL, of that one. */
static int get_cidrs(const struct json *object, const char *key, const char *single,
		     struct cidr *cidrs, size_t *n, size_t max, struct err *err)
{
	struct json list, item = { 0 };
	const char *text;
	int ret;

	ret = json_get_list(object, key, &list, err);
	while (ret > 0 && json_next(&list, &item))
		ret = add_cidr(&item, cidrs, n, max, err) ?: 1;
	if (ret < 0 || *n || !single)
		return ret < 0 ? ret : 0;
	ret = json_get_string(object, single, &text, err);
	if (ret <= 0 || !text[0])
		return ret < 0 ? ret : 0;
	ret = json_get(object, single, &item, err);
	return ret > 0 ? add_cidr(&item, cidrs, n, max, err) : ret;
}

/* ---- each kind ------------------------------------------------------------------------------- */

static bool names_cloud(const char *provider)
{
	const char *end = strstr(provider, "://");
	size_t len = end ? (size_t)(end - provider) : 0;

	for (size_t i = 0; i < COUNT(plain_schemes); i++)
		if (len == strlen(plain_schemes[i]) && !memcmp(provider, plain_schemes[i], len))
			return false;
	return len;
}

static int parse_node_spec(const struct json *spec, struct peer *peer, struct err *err)
{
	const char *provider;
	int ret;

	ret = json_get_string(spec, "providerID", &provider, err);
	if (ret > 0)
		peer->cloud = names_cloud(provider);
	if (ret >= 0)
		ret = get_cidrs(spec, "podCIDRs", "podCIDR", peer->pod_cidrs, &peer->n_pod_cidrs,
				NODE_CIDRS_MAX, err);
	return ret;
}

/* The first internal address of each family. */
static int parse_node_address(const struct json *item, struct peer *peer, struct err *err)
{
	struct json value;
	const char *type;
	struct addr addr;
	int ret;

	ret = json_get_string(item, "type", &type, err);
	if (ret <= 0 || strcmp(type, "InternalIP"))
		return ret < 0 ? ret : 0;
	ret = json_get(item, "address", &value, err);
	if (ret > 0)
		ret = value_addr(&value, &addr, err) ?: 1;
	if (ret <= 0)
		return ret;
	if (addr_is_zero(&peer->addr[!addr_is_v4(&addr)]))
		peer->addr[!addr_is_v4(&addr)] = addr;
	return 0;
}

/* Does the cluster hold the node for one without a network? */
static int parse_node_condition(const struct json *item, struct peer *peer, struct err *err)
{
	const char *type, *status;
	int ret = json_get_string(item, "type", &type, err);

	if (ret <= 0 || strcmp(type, "NetworkUnavailable"))
		return ret < 0 ? ret : 0;
	ret = json_get_string(item, "status", &status, err);
	peer->unavailable = ret > 0 && !strcmp(status, "True");
	return ret < 0 ? ret : 0;
}

static int parse_node_status(const struct json *status, struct peer *peer, struct err *err)
{
	struct json list, item = { 0 };
	int ret = json_get_list(status, "addresses", &list, err);

	while (ret > 0 && json_next(&list, &item))
		ret = parse_node_address(&item, peer, err) ?: 1;
	if (ret >= 0)
		ret = json_get_list(status, "conditions", &list, err);
	item = (struct json){ 0 };
	while (ret > 0 && json_next(&list, &item))
		ret = parse_node_condition(&item, peer, err) ?: 1;
	return ret < 0 ? ret : 0;
}

static int parse_node(const struct json *object, struct object *out, struct err *err)
{
	struct json spec, status;
	struct peer *peer = &out->peer;
	int ret;

	if (strlen(out->name) >= sizeof(peer->name))
		return err_cni(err, CNI_DECODE, "the name is too long");
	memcpy(peer->name, out->name, strlen(out->name));
	ret = json_get_object(object, "spec", &spec, err);
	if (ret > 0)
		ret = parse_node_spec(&spec, peer, err);
	if (ret < 0)
		return ret;
	ret = json_get_object(object, "status", &status, err);
	return ret > 0 ? parse_node_status(&status, peer, err) : ret;
}

static int parse_ingress(const struct json *object, struct service *service, struct err *err)
{
	struct json status, balancer, list, item = { 0 }, ip;
	struct addr *externals = service->addrs + service->n_cluster;
	int ret;

	ret = json_get_object(object, "status", &status, err);
	if (ret > 0)
		ret = json_get_object(&status, "loadBalancer", &balancer, err);
	if (ret > 0)
		ret = json_get_list(&balancer, "ingress", &list, err);
	while (ret > 0 && json_next(&list, &item)) {
		ret = json_get(&item, "ip", &ip, err);
		if (ret > 0)
			ret = add_addr(&ip, externals, &service->n_external, SERVICE_EXTERNALS_MAX,
				       err);
		ret = ret ?: 1;
	}
	return ret < 0 ? ret : 0;
}

static int parse_service(const struct json *object, struct object *out, struct err *err)
{
	struct service *service = &out->service;
	struct json spec, value;
	int ret;

	ret = json_get_object(object, "spec", &spec, err);
	if (ret <= 0)
		return ret;
	ret = add_addrs(&spec, "clusterIPs", service->addrs, &service->n_cluster,
			SERVICE_CLUSTER_MAX, err);
	if (!ret && !service->n_cluster)
		ret = json_get(&spec, "clusterIP", &value, err);
	if (ret > 0)
		ret = add_addr(&value, service->addrs, &service->n_cluster, 1, err);
	if (!ret)
		ret = add_addrs(&spec, "externalIPs", service->addrs + service->n_cluster,
				&service->n_external, SERVICE_EXTERNALS_MAX, err);
	return ret ? ret : parse_ingress(object, service, err);
}

static int parse_service_cidr(const struct json *object, struct object *out, struct err *err)
{
	struct json spec;
	int ret;

	ret = json_get_object(object, "spec", &spec, err);
	return ret > 0 ? get_cidrs(&spec, "cidrs", NULL, out->service_cidr.cidrs,
				   &out->service_cidr.n, SERVICE_CIDRS_MAX, err)
		       : ret;
}

int object_read(const struct json *value, enum kind kind, struct object *out, struct err *err)
{
	static int (*const parsers[KINDS])(const struct json *object, struct object *out,
					   struct err *err) = {
		[KIND_NODE] = parse_node,
		[KIND_SERVICE] = parse_service,
		[KIND_SERVICE_CIDR] = parse_service_cidr,
	};
	int ret;

	ret = object_read_head(value, kind, out, err);
	if (ret)
		return ret;
	ret = parsers[kind](value, out, err);
	return ret ? err_wrap(err, "%s '%s'", kind_name(kind), out->name) : 0;
}

int object_parse(const char *text, size_t len, enum kind kind, struct object *out, struct err *err)
{
	_cleanup_json_ struct json root = { 0 };
	int ret;

	out->name[0] = '\0';
	ret = json_parse(text, len, kind_name(kind), &root, err);
	return ret ? ret : object_read(&root, kind, out, err);
}
