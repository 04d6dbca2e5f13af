// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a delegate gets our environment, with the verb and the pod that this request is about (an
 * ADD that fails is followed by a DEL, and GC or an ADD may have to DEL for somebody else), and our
 * configuration. It may run for as long as it likes: whoever waits for us decides.
 *
 * Which verbs a delegate knows, its VERSION tells. A delegate may be older than the network's
 * cniVersion (host-local 1.1.1 knows nothing beyond 1.0.0); it then refuses with error 1, and is
 * asked once more in the newest version that both speak: the shapes that we read from it are the
 * same. So VERSION is asked for only when it matters.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cni/dnsconf.h"
#include "cni/ipam_exec.h"
#include "conf/json.h"
#include "conf/value.h"
#include "conf/version.h"
#include "kern/program.h"

/* ---- running --------------------------------------------------------------------------------- */

/* The type is a plain name (netconf.c), so no candidate lies outside the directories. */
static int find(const char *type, const char *dirs, char *path, size_t size, struct err *err)
{
	if (!dirs)
		return err_cni(err, CNI_INVALID_ENV,
			       "CNI_PATH: not set, and IPAM plugin '%s' needs it", type);
	if (program_find(type, dirs, path, size))
		return err_cni(err, CNI_DELEGATE, "CNI_PATH: '%.300s': has no IPAM plugin '%s'",
			       dirs, type);
	return 0;
}

static int run(const char *path, enum verb verb, const struct request *req, const char *config,
	       char **output, size_t *len, struct err *err)
{
	bool has_pod = verb == VERB_ADD || verb == VERB_DEL || verb == VERB_CHECK;
	const struct program_var vars[] = {
		{ "CNI_COMMAND", verb_name(verb) },
		{ "CNI_CONTAINERID", req->key.container_id },
		{ "CNI_IFNAME", req->key.ifname },
		{ "CNI_NETNS", req->netns },
	};

	return program_run(path, vars, has_pod ? sizeof(vars) / sizeof(vars[0]) : 1, config, 0,
			   output, len, err);
}

/* ---- understanding --------------------------------------------------------------------------- */

/* The error that it printed, in its own words and with its own code. */
static int read_error(const char *type, const char *text, size_t len, struct err *err)
{
	const char *msg = "", *details = "";
	_cleanup_json_ struct json root = { 0 };
	unsigned long long code = 0;

	if (json_parse(text, len, type, &root, NULL) ||
	    json_get_integer(&root, "code", UINT32_MAX, &code, NULL) < 0 ||
	    json_get_string(&root, "msg", &msg, NULL) < 0 ||
	    json_get_string(&root, "details", &details, NULL) < 0 || !*msg)
		return err_cni(err, CNI_DELEGATE, "IPAM plugin '%s' failed without saying why",
			       type);
	return err_cni(err, code ? (unsigned int)code : CNI_DELEGATE,
		       "IPAM plugin '%s': %.480s%s%.480s", type, msg, *details ? "; " : "",
		       details);
}

static int read_addrs(const struct json *root, struct delegate_result *out, struct err *err)
{
	struct json ips = { 0 }, item = { 0 }, address;
	int ret;

	ret = json_get_list(root, "ips", &ips, err);
	if (ret < 0)
		return ret;
	while (json_next(&ips, &item)) {
		if (out->n_addrs == POD_ADDRS_MAX)
			return json_reject(&ips, err, "a pod can have no more than %d addresses",
					   POD_ADDRS_MAX);
		ret = json_get(&item, "address", &address, err);
		if (!ret)
			return json_missing(&item, "address", err, "an IP needs one");
		if (ret > 0)
			ret = value_address(&address, &out->addrs[out->n_addrs], err);
		if (ret)
			return ret;
		out->n_addrs++;
	}
	return out->n_addrs
		       ? 0
		       : json_missing(root, "ips", err, "no address came from the IPAM plugin");
}

static int read_routes(const struct json *root, struct delegate_result *out, struct err *err)
{
	struct json routes = { 0 }, item = { 0 }, dst;
	int ret;

	ret = json_get_list(root, "routes", &routes, err);
	if (ret < 0)
		return ret;
	while (json_next(&routes, &item)) {
		struct pod_route *route = &out->routes[out->n_routes];
		unsigned long long mtu = 0;

		if (out->n_routes == CONF_ROUTES_MAX)
			return json_reject(&routes, err, "more than %d routes", CONF_ROUTES_MAX);
		ret = json_get(&item, "dst", &dst, err);
		if (!ret)
			return json_missing(&item, "dst", err, "a route needs one");
		if (ret > 0)
			ret = value_address(&dst, &route->dst, err);
		if (!ret)
			ret = json_get_integer(&item, "mtu", UINT16_MAX, &mtu, err);
		if (ret < 0)
			return ret;
		route->dst = cidr_mask(&route->dst);
		route->mtu = (__u32)mtu;
		out->n_routes++;
	}
	return 0;
}

static int read_result(const char *type, const char *text, size_t len, struct delegate_result *out,
		       struct err *err)
{
	_cleanup_json_ struct json root = { 0 };
	struct delegate_result result = { 0 };
	struct json dns;
	int ret;

	ret = json_parse(text, len, "result", &root, err);
	if (!ret)
		ret = read_addrs(&root, &result, err);
	if (!ret)
		ret = read_routes(&root, &result, err);
	if (!ret)
		ret = json_get_object(&root, "dns", &dns, err);
	if (ret > 0)
		ret = dns_read(&dns, &dns_result_keys, &result.dns, err);
	if (ret < 0) {
		err_wrap(err, "result of IPAM plugin '%s'", type);
		if (err)
			err->code = CNI_DELEGATE;
		return ret;
	}
	*out = result;
	return 0;
}

/* ---- versions -------------------------------------------------------------------------------- */

/* The newest version of those that it lists and we know, "" if there is none. */
static int newest_common(const char *path, const struct request *req, const struct network *net,
			 char out[sizeof(net->cni_version)], struct err *err)
{
	_cleanup_json_ struct json root = { 0 };
	_cleanup_free_ char *text = NULL;
	struct json list = { 0 }, item = { 0 };
	const char *newest = "", *version;
	size_t len;
	int ret;

	ret = run(path, VERB_VERSION, req, "{\"cniVersion\":\"" VERSION_NEWEST "\"}", &text, &len,
		  err);
	if (ret > 0)
		ret = read_error(net->ipam_type, text, len, err);
	if (!ret)
		ret = json_parse(text, len, "VERSION", &root, err);
	if (!ret)
		ret = json_get_list(&root, "supportedVersions", &list, err);
	while (ret >= 0 && json_next(&list, &item)) {
		ret = json_string(&item, &version, err);
		if (!ret && version_supported(version) && version_compare(version, newest) > 0)
			newest = version;
	}
	if (ret < 0)
		return err_wrap(err, "VERSION of IPAM plugin '%s'", net->ipam_type);
	snprintf(out, sizeof(net->cni_version), "%s", newest);
	return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* 0 with the output, or the error of the program or of running it. */
static int ask(const char *path, enum verb verb, const struct request *req, const char *config,
	       const struct network *net, char **text, size_t *len, struct err *err)
{
	_cleanup_free_ char *output = NULL;
	int ret;

	ret = run(path, verb, req, config, &output, len, err);
	if (ret > 0)
		return read_error(net->ipam_type, output, *len, err);
	if (!ret)
		*text = TAKE_PTR(output);
	return ret;
}

/* The same question in the newest version that it does speak. 1 if there is none in which the
 * question can be put. */
static int ask_in_older_version(const char *path, enum verb verb, const struct request *req,
				const struct network *net, char **text, size_t *len,
				struct err *err)
{
	char version[sizeof(net->cni_version)];
	_cleanup_free_ char *config = NULL;

	if (newest_common(path, req, net, version, NULL) ||
	    version_compare(version, version_of_verb(verb)) < 0 ||
	    version_compare(version, net->cni_version) >= 0)
		return 1;
	config = json_with_string(req->config, "cniVersion", version);
	if (!config)
		return err_set(err, -ENOMEM, "configuration of IPAM plugin '%s'", net->ipam_type);
	return ask(path, verb, req, config, net, text, len, err);
}

static int execute(enum verb verb, const struct request *req, const struct network *net,
		   struct delegate_result *out, struct err *err)
{
	char path[PATH_MAX], version[sizeof(net->cni_version)];
	_cleanup_free_ char *text = NULL;
	size_t len;
	int ret;

	ret = find(net->ipam_type, req->cni_path, path, sizeof(path), err);
	if (ret)
		return ret;
	if (verb == VERB_CHECK || verb == VERB_GC || verb == VERB_STATUS) {
		ret = newest_common(path, req, net, version, err);
		if (ret || version_compare(version, version_of_verb(verb)) < 0)
			return ret;
	}
	ret = ask(path, verb, req, req->config, net, &text, &len, err);
	if (ret && err->code == CNI_INCOMPATIBLE_VERSION) {
		int again = ask_in_older_version(path, verb, req, net, &text, &len, err);

		ret = again <= 0 ? again : ret;
	}
	if (ret)
		return ret;
	return verb == VERB_ADD ? read_result(net->ipam_type, text, len, out, err) : 0;
}

/* Its error code decides what is done next, so there is one, whether the caller wants it or not. */
int ipam_exec(enum verb verb, const struct request *req, const struct network *net,
	      struct delegate_result *out, struct err *err)
{
	struct err ignored;

	return execute(verb, req, net, out, err ? err : &ignored);
}
