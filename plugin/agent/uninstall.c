// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the order is that in which nothing comes back. Without the network configuration the
 * kubelet gives this node no more pods; so what is removed behind it is not made again by an ADD.
 *
 *	alive?		while pods are here, nothing is done
 *	configuration	of the network, and the plugin: nobody is left whom a DEL would be for
 *	routes		to the other nodes, the overlay's device
 *	attachments	what is left of them, and all base state (core/uninstall.h)
 *
 * Each part is a success where it is gone already, so a run that died is done again.
 */
#include "agent/uninstall.h"
#include "agent/log.h"
#include "agent/routes.h"
#include "core/uninstall.h"

static int remove_files(struct install *install, unsigned int alive, bool force, struct err *err)
{
	const char *news;
	int ret = install_withdraw(install, alive, force, err);

	if (ret < 0)
		return ret;
	log_line(LOG_INFO, "removed: the network configuration in '%s', the plugin in '%s'",
		 install->conf_dir, install->bin_dir);
	news = install_news(install);
	if (news)
		log_line(LOG_WARNING, "%s", news);
	return 0;
}

static int remove_base(struct node *node, bool force, struct err *err)
{
	unsigned int unmade = 0;
	int ret = uninstall_base(node, force, &unmade, err);

	if (ret < 0)
		return ret;
	log_line(LOG_INFO, "removed: maps, programs, table 'inet ctnat', %u attachments", unmade);
	log_line(LOG_INFO, "kept: " UNINSTALL_KEPT);
	return 0;
}

static int remove_routes(struct node *node, struct err *err)
{
	int ret = routes_remove(&node->rt, err);

	if (!ret)
		log_line(LOG_INFO, "removed: routes to the other nodes");
	return ret;
}

int uninstall(struct install *install, bool force, struct err *err)
{
	struct node node = NODE_CLOSED;
	unsigned int alive = 0;
	int ret = node_open(&node, err);

	if (!ret)
		ret = node_refuse_newer(&node, err);
	if (!ret)
		ret = uninstall_count(&node, &alive, err);
	if (!ret)
		ret = remove_files(install, alive, force, err);
	if (!ret)
		ret = remove_routes(&node, err);
	if (!ret)
		ret = remove_base(&node, force, err);
	node_close(&node);
	return ret;
}
