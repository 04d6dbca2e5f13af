/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_CONFIG_H
#define CTNAT_AGENT_CONFIG_H

/* ctnatd's configuration: conf/ctnatd.json, a file of a ConfigMap. */
#include "agent/log.h"
#include "agent/wanted.h"
#include "core/network.h"
#include "core/saved.h"

struct agent_config {
	struct node_settings node;
	enum overlay overlay;
	enum log_level log_level;
	char metrics_address[128]; /* "host:port"; "": none */
};

/* CNI_INVALID_CONFIG names the key, also one that we do not know; then *out is undefined. */
int config_parse(const char *text, size_t len, struct agent_config *out, struct err *err);
int config_read(const char *path, struct agent_config *out, struct err *err);

/* Where the last good one is kept, and doing so. */
#define CONFIG_KEPT_NAME "ctnatd.json"
#define CONFIG_KEPT	 SAVED_DIR "/" CONFIG_KEPT_NAME
int config_keep(const char *path, struct err *err);

#endif
