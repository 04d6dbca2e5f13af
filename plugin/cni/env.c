// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: which variable matters depends on the verb, and how much. ADD and CHECK are strict, so
 * that a mistake shows before anything is made. DEL needs the two IDs and uses the rest if it can:
 * nothing that broke since the ADD may keep a pod from being deleted. GC and STATUS concern no pod,
 * and VERSION must answer whatever is set (podman sets dummies). All of this is the table below.
 *
 * CNI_ARGS follows libcni: "K=V;K=V", and a key that we do not know is an error unless
 * IgnoreUnknown says otherwise. Kubernetes' own keys (K8S_*) never are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "cni/env.h"
#include "conf/value.h"
#include "kern/netns.h"

#define SHOWN_MAX 300 /* bytes of a value in a message */

enum use {
	UNUSED,
	WELCOME,  /* used if it can be; if not, as if it were not set */
	OPTIONAL, /* wrong is an error */
	REQUIRED,
};

static int reject(struct err *err, const char *name, const char *value, const char *reason)
{
	return err_cni(err, CNI_INVALID_ENV, "%s: '%.*s': %s", name, SHOWN_MAX, value, reason);
}

static int read_container_id(const char *value, struct request *req, struct cni_args *args,
			     struct err *err)
{
	(void)args;
	if (!parse_is_name(value))
		return reject(err, "CNI_CONTAINERID", value,
			      "must be a letter or digit, then letters, digits, '_', '.', '-'");
	if (strlen(value) >= sizeof(req->key.container_id))
		return reject(err, "CNI_CONTAINERID", value, "is too long");
	snprintf(req->key.container_id, sizeof(req->key.container_id), "%s", value);
	return 0;
}

static int read_ifname(const char *value, struct request *req, struct cni_args *args,
		       struct err *err)
{
	(void)args;
	if (!parse_is_ifname(value))
		return reject(err, "CNI_IFNAME", value, "not a name of a network interface");
	snprintf(req->key.ifname, sizeof(req->key.ifname), "%s", value);
	return 0;
}

/* The node's own namespace would pass every later test, and then its own interfaces would be the
 * pod's. */
static int read_netns(const char *value, struct request *req, struct cni_args *args,
		      struct err *err)
{
	_cleanup_close_ int pod = -1, self = -1;
	unsigned long long pod_inode, self_inode;
	struct err cause = { 0 };

	(void)args;
	if (strlen(value) >= sizeof(req->netns))
		return reject(err, "CNI_NETNS", value, "is too long");
	pod = netns_open(value, &cause);
	if (pod < 0)
		return reject(err, "CNI_NETNS", value, cause.msg);
	self = netns_open_self(err);
	if (self < 0)
		return self;
	if (netns_inode(pod, &pod_inode, err) || netns_inode(self, &self_inode, err))
		return err_wrap(err, "CNI_NETNS");
	if (pod_inode == self_inode)
		return reject(err, "CNI_NETNS", value, "is the node's own network namespace");
	snprintf(req->netns, sizeof(req->netns), "%s", value);
	return 0;
}

static int read_path(const char *value, struct request *req, struct cni_args *args, struct err *err)
{
	(void)args;
	(void)err;
	req->cni_path = value;
	return 0;
}

/* ---- CNI_ARGS -------------------------------------------------------------------------------- */

struct pod_names {
	const char *namespace, *name;
};

/* Returns 1 if the key is one of ours, 0 if it is unknown. */
static int read_arg(const char *key, const char *value, struct cni_args *args,
		    struct pod_names *pod, struct err *err)
{
	if (!strcmp(key, "IP")) {
		if (host_parse(value, &args->ip))
			return reject(err, "CNI_ARGS: IP", value, "not an IP address");
		args->has_ip = true;
	} else if (!strcmp(key, "MAC")) {
		if (parse_mac(value, args->mac) || !mac_is_unicast(args->mac))
			return reject(err, "CNI_ARGS: MAC", value,
				      "not a MAC address that an interface can have");
		args->has_mac = true;
	} else if (!strcmp(key, "K8S_POD_NAMESPACE")) {
		pod->namespace = value;
	} else if (!strcmp(key, "K8S_POD_NAME")) {
		pod->name = value;
	} else {
		return !strncmp(key, "K8S_", strlen("K8S_")) || !strcmp(key, "IgnoreUnknown");
	}
	return 1;
}

static bool is_true(const char *value)
{
	return !strcmp(value, "1") || !strcasecmp(value, "true");
}

static int read_args(const char *value, struct request *req, struct cni_args *args, struct err *err)
{
	const char *unknown = NULL, *unknown_value = NULL;
	_cleanup_free_ char *copy = strdup(value);
	struct pod_names pod = { NULL, NULL };
	struct cni_args found = { 0 };
	bool ignore_unknown = false;
	char *rest = copy, *pair;

	if (!copy)
		return err_set(err, -ENOMEM, "CNI_ARGS");
	while ((pair = strsep(&rest, ";"))) {
		char *equals = strchr(pair, '=');
		int ret;

		if (!*pair)
			continue;
		if (!equals || equals == pair)
			return reject(err, "CNI_ARGS", value,
				      "must be KEY=VALUE, separated by ';'");
		*equals = '\0';
		ret = read_arg(pair, equals + 1, &found, &pod, err);
		if (ret < 0)
			return ret;
		if (!strcmp(pair, "IgnoreUnknown"))
			ignore_unknown = is_true(equals + 1);
		if (!ret) {
			unknown = pair;
			unknown_value = equals + 1;
		}
	}
	if (unknown && !ignore_unknown)
		return err_cni(err, CNI_INVALID_ENV,
			       "CNI_ARGS: %.64s: '%.*s': unknown key, and IgnoreUnknown is not set",
			       unknown, SHOWN_MAX, unknown_value);
	if (pod.namespace && pod.name)
		snprintf(req->pod_name, sizeof(req->pod_name), "%s/%s", pod.namespace, pod.name);
	*args = found;
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct variable {
	const char *name;
	int (*read)(const char *value, struct request *req, struct cni_args *args, struct err *err);
	enum use use[VERB_VERSION + 1];
} variables[] = {
	{ "CNI_CONTAINERID", read_container_id,
	  { [VERB_ADD] = REQUIRED, [VERB_CHECK] = REQUIRED, [VERB_DEL] = REQUIRED } },
	{ "CNI_IFNAME", read_ifname,
	  { [VERB_ADD] = REQUIRED, [VERB_CHECK] = REQUIRED, [VERB_DEL] = REQUIRED } },
	{ "CNI_ARGS", read_args,
	  { [VERB_ADD] = OPTIONAL, [VERB_CHECK] = OPTIONAL, [VERB_DEL] = WELCOME } },
	{ "CNI_PATH", read_path,
	  { [VERB_ADD] = OPTIONAL, [VERB_CHECK] = OPTIONAL, [VERB_DEL] = WELCOME,
	    [VERB_GC] = OPTIONAL, [VERB_STATUS] = OPTIONAL } },
	{ "CNI_NETNS", read_netns,
	  { [VERB_ADD] = REQUIRED, [VERB_CHECK] = REQUIRED, [VERB_DEL] = WELCOME } },
};

int env_read(struct request *req, struct cni_args *args, struct err *err)
{
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const struct variable *var = &variables[i];
		const char *value = getenv(var->name);
		enum use use = var->use[req->verb];
		int ret;

		if (use == UNUSED)
			continue;
		if (!value || !*value) {
			if (use == REQUIRED)
				return err_cni(err, CNI_INVALID_ENV, "%s: not set, and %s needs it",
					       var->name, verb_name(req->verb));
			continue;
		}
		ret = var->read(value, req, args, use == WELCOME ? NULL : err);
		if (ret && use != WELCOME)
			return ret;
	}
	return 0;
}
