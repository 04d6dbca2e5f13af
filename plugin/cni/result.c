// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the shapes of all versions from 0.3.0 on are one shape with a few keys less or more:
 *
 *	ips[].version			"4" or "6", before 1.0.0
 *	interfaces[].mtu, routes[].mtu	from 1.1.0
 *
 * The result tells later plugins what to find: portmap the addresses whose interface bears
 * CNI_IFNAME in a sandbox, bandwidth the host's interface by having none. In a chain ours comes
 * behind prevResult's, so our interfaces' indexes start where its end.
 *
 * cJSON's adders return NULL where memory ends, and take NULL for an object that was not made. So a
 * document is built without a look, each adder's result collected in `ok`, and judged once, before
 * the first byte is written.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cni/result.h"
#include "conf/version.h"

#define NEW_KEYS_VERSION  "1.1.0" /* mtu */
#define NO_FAMILY_VERSION "1.0.0" /* ips[].version is gone */

static void delete_document(cJSON **document)
{
	cJSON_Delete(*document);
}

#define _cleanup_document_ __attribute__((cleanup(delete_document)))

static int write_document(const cJSON *document, bool ok, struct err *err)
{
	_cleanup_free_ char *text = ok ? cJSON_Print(document) : NULL;
	int ret;

	if (!text)
		return err_set(err, -ENOMEM, "result");
	ret = file_write_all(STDOUT_FILENO, text, strlen(text), err);
	if (!ret)
		ret = file_write_all(STDOUT_FILENO, "\n", 1, err);
	if (ret && err)
		err->code = CNI_IO;
	return ret ? err_wrap(err, "result to stdout") : 0;
}

static bool add_string(cJSON *object, const char *key, const char *value)
{
	return cJSON_AddStringToObject(object, key, value);
}

static bool add_number(cJSON *object, const char *key, double value)
{
	return cJSON_AddNumberToObject(object, key, value);
}

/* A new object at the end of a list, NULL on failure. */
static cJSON *append_object(cJSON *list)
{
	cJSON *object = cJSON_CreateObject();

	if (cJSON_AddItemToArray(list, object))
		return object;
	cJSON_Delete(object);
	return NULL;
}

/* The list that is there (from prevResult), or a new one; NULL on failure. */
static cJSON *list_of(cJSON *document, const char *key)
{
	cJSON *list = cJSON_GetObjectItem(document, key);

	if (list && !cJSON_IsNull(list))
		return list;
	cJSON_DeleteItemFromObject(document, key);
	return cJSON_AddArrayToObject(document, key);
}

/* ---- ADD ------------------------------------------------------------------------------------- */

static bool add_interface(cJSON *list, const struct pod_interface *interface, bool with_mtu)
{
	cJSON *object = append_object(list);
	const __u8 *m = interface->mac;
	char mac[sizeof("00:00:00:00:00:00")];
	bool ok;

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
		 m[5]);
	ok = add_string(object, "name", interface->name) && add_string(object, "mac", mac);
	if (with_mtu && interface->mtu)
		ok = ok && add_number(object, "mtu", interface->mtu);
	if (interface->sandbox[0])
		ok = ok && add_string(object, "sandbox", interface->sandbox);
	return ok;
}

static const char *gateway_of(const struct addr *addr)
{
	return addr_is_v4(addr) ? POD_GATEWAY4 : POD_GATEWAY6;
}

static bool add_ip(cJSON *list, const struct cidr *address, int interface, bool with_family)
{
	cJSON *object = append_object(list);
	char text[ADDR_STRLEN];
	bool ok = object;

	if (with_family)
		ok = ok && add_string(object, "version", addr_is_v4(&address->addr) ? "4" : "6");
	return ok && add_number(object, "interface", interface) &&
	       add_string(object, "address", cidr_format(address, text)) &&
	       add_string(object, "gateway", gateway_of(&address->addr));
}

static bool add_route(cJSON *list, const struct pod_route *route, bool with_mtu)
{
	cJSON *object = append_object(list);
	char text[ADDR_STRLEN];
	bool ok;

	ok = add_string(object, "dst", cidr_format(&route->dst, text)) &&
	     add_string(object, "gw", gateway_of(&route->dst.addr));
	if (with_mtu && route->mtu)
		ok = ok && add_number(object, "mtu", route->mtu);
	return ok;
}

static bool add_strings(cJSON *object, const char *key, const char *strings, size_t size, size_t n)
{
	cJSON *list;
	bool ok = true;

	if (!n)
		return true;
	list = cJSON_AddArrayToObject(object, key);
	for (size_t i = 0; i < n; i++)
		ok = ok && cJSON_AddItemToArray(list, cJSON_CreateString(strings + i * size));
	return ok;
}

static bool add_dns(cJSON *document, const struct dns *dns)
{
	cJSON *object = cJSON_GetObjectItem(document, "dns");
	bool ok;

	if (object && object->child) /* prevResult's */
		return true;
	cJSON_DeleteItemFromObject(document, "dns");
	object = cJSON_AddObjectToObject(document, "dns");
	ok = object && add_strings(object, "nameservers", dns->nameservers[0],
				   sizeof(dns->nameservers[0]), dns->n_nameservers);
	if (dns->domain[0])
		ok = ok && add_string(object, "domain", dns->domain);
	return ok &&
	       add_strings(object, "search", dns->search[0], sizeof(dns->search[0]),
			   dns->n_search) &&
	       add_strings(object, "options", dns->options[0], sizeof(dns->options[0]),
			   dns->n_options);
}

/* A copy of prevResult, whose lists prevresult_read() has judged, or an empty result. NULL on
 * failure. */
static cJSON *begin(const char *config, const char *version)
{
	cJSON *root = cJSON_Parse(config);
	const cJSON *prev = cJSON_GetObjectItem(root, "prevResult");
	cJSON *document = cJSON_IsObject(prev) ? cJSON_Duplicate(prev, true) : cJSON_CreateObject();

	cJSON_Delete(root);
	cJSON_DeleteItemFromObject(document, "cniVersion");
	add_string(document, "cniVersion", version);
	return document;
}

int result_add(const struct request *req, const struct network *net,
	       const struct attachment_result *result, struct err *err)
{
	bool with_mtu = version_compare(net->cni_version, NEW_KEYS_VERSION) >= 0;
	bool with_family = version_compare(net->cni_version, NO_FAMILY_VERSION) < 0;
	_cleanup_document_ cJSON *document = begin(req->config, net->cni_version);
	cJSON *interfaces = list_of(document, "interfaces");
	cJSON *ips = list_of(document, "ips");
	cJSON *routes = list_of(document, "routes");
	int pod_index = cJSON_GetArraySize(interfaces) + 1;
	bool ok;

	ok = cJSON_GetObjectItem(document, "cniVersion") && ips && routes &&
	     add_interface(interfaces, &result->host, with_mtu) &&
	     add_interface(interfaces, &result->pod, with_mtu);
	for (size_t i = 0; i < result->n_addrs; i++)
		ok = ok && add_ip(ips, &result->addrs[i], pod_index, with_family);
	for (size_t i = 0; i < result->n_routes; i++)
		ok = ok && add_route(routes, &result->routes[i], with_mtu);
	ok = ok && add_dns(document, &result->dns);
	return write_document(document, ok, err);
}

/* ---- VERSION, errors ------------------------------------------------------------------------- */

int result_version(const char *version, struct err *err)
{
	_cleanup_document_ cJSON *document = cJSON_CreateObject();
	bool ok = add_string(document, "cniVersion", version);
	cJSON *list = cJSON_AddArrayToObject(document, "supportedVersions");

	for (const char *const *known = supported_versions; *known; known++)
		ok = ok && cJSON_AddItemToArray(list, cJSON_CreateString(*known));
	return write_document(document, ok, err);
}

/* A message quotes what came from outside, which need not be UTF-8; what we write must be. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			*text = '?';
}

void result_error(const char *version, const struct err *error)
{
	_cleanup_document_ cJSON *document = cJSON_CreateObject();
	char msg[sizeof(error->msg)];
	bool ok;

	memcpy(msg, error->msg, sizeof(msg));
	make_printable(msg);
	ok = add_string(document, "cniVersion", version) &&
	     add_number(document, "code", error->code) && add_string(document, "msg", msg);
	write_document(document, ok, NULL);
}
