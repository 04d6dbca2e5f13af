// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: people write this file, and nobody watches while ctnatd reads it. So a file counts as a
 * whole or not at all: a value that cannot be honoured, and a key that nobody knows, reject it by
 * name, and the last good one stays in force; a copy of it is kept, for a ctnatd that starts while
 * the file is bad.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/config.h"
#include "agent/listen.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/replace.h"
#include "conf/nodeconf.h"
#include "conf/value.h"
#include "core/saved.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define FILE_MAX		(1U << 20) /* Kubernetes allows a ConfigMap as much */
#define DEFAULT_METRICS_ADDRESS "127.0.0.1:10244"

static const char *const keys[] = { NODECONF_KEYS, "overlay", "logLevel", "metricsAddress" };

static int read_overlay(const struct json *root, struct agent_config *out, struct err *err)
{
	static const char *const words[] = {
		[OVERLAY_AUTO] = "auto",
		[OVERLAY_ALWAYS] = "always",
		[OVERLAY_NONE] = "none",
	};
	size_t overlay = OVERLAY_AUTO;
	int ret = value_get_word(root, "overlay", words, COUNT(words), &overlay, err);

	out->overlay = overlay;
	return ret;
}

static int read_log_level(const struct json *root, struct agent_config *out, struct err *err)
{
	static const char *const words[] = {
		[LOG_ERROR] = "error",
		[LOG_WARNING] = "warning",
		[LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
	};
	size_t level = LOG_INFO;
	int ret = value_get_word(root, "logLevel", words, COUNT(words), &level, err);

	out->log_level = level;
	return ret;
}

/* Whether it can be had is for who listens there to find out. */
static int read_metrics_address(const struct json *root, struct agent_config *out, struct err *err)
{
	const char *text = DEFAULT_METRICS_ADDRESS;
	struct json value;
	int ret = json_get(root, "metricsAddress", &value, err);

	if (ret > 0)
		ret = json_string(&value, &text, err);
	if (ret < 0)
		return ret;
	if (*text && strcmp(text, "off") && listen_check(text, NULL) < 0)
		return json_reject(&value, err,
				   "must be \"address:port\", \"[v6 address]:port\", \":port\" or "
				   "\"\" for none");
	snprintf(out->metrics_address, sizeof(out->metrics_address), "%s", text);
	return 0;
}

int config_parse(const char *text, size_t len, struct agent_config *out, struct err *err)
{
	_cleanup_json_ struct json root = { 0 };
	int ret = json_parse(text, len, "ctnatd.json", &root, err);

	memset(out, 0, sizeof(*out)); /* padding too: two configurations are compared as they lie */
	if (!ret)
		ret = json_only(&root, keys, COUNT(keys), err);
	if (!ret)
		ret = nodeconf_parse(&root, &out->node, err);
	if (!ret)
		ret = read_overlay(&root, out, err);
	if (ret >= 0)
		ret = read_log_level(&root, out, err);
	return ret < 0 ? ret : read_metrics_address(&root, out, err);
}

int config_read(const char *path, struct agent_config *out, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int ret = file_read(path, FILE_MAX, &text, &len, err);

	if (!ret)
		ret = config_parse(text, len, out, err);
	return ret ? err_wrap(err, "configuration '%s'", path) : 0;
}

int config_keep(const char *path, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int ret = file_read(path, FILE_MAX, &text, &len, err);

	return ret < 0 ? ret : saved_replace(CONFIG_KEPT_NAME, text, len, err);
}
