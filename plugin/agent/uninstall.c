// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the order is that in which nothing comes back. Without the network configuration the
 * kubelet gives this node no more pods; so what is removed behind it is not made again by an ADD.
 *
 *	alive?		while pods are here, nothing is done
 *	configuration	of the network; and who came meanwhile?
 *	plugin		nobody is left whom a DEL would be for
 *	routes		to the other nodes, the overlay's device
 *	attachments	what is left of them, and all base state (core/uninstall.h)
 *
 * Each part is a success where it is gone already, so a run that died is done again.
 */
#include "agent/uninstall.h"
#include <errno.h>
#include <unistd.h>

#include "agent/config.h"
#include "agent/log.h"
#include "agent/routes.h"
#include "core/uninstall.h"

static int check_alive(struct node *node, bool force, const char *advice, struct err *err)
{
	unsigned int alive;
	int ret = uninstall_count(node, &alive, err);

	if (ret < 0 || !alive || force)
		return ret;
	return err_cni(err, CNI_TRY_AGAIN, "%u attachments are alive: %s", alive, advice);
}

static int remove_files(struct install *install, struct node *node, bool force, struct err *err)
{
	const char *news;
	int ret = install_withdraw_conflist(install, err);

	if (ret < 0)
		return ret;
	log_line(LOG_INFO, "removed: the network configuration in '%s'", install->conf_dir);
	news = install_news(install);
	if (news && *news)
		log_line(LOG_WARNING, "%s", news);
	/* an ADD that had begun before */
	ret = check_alive(node, force,
			  "they came meanwhile. No more can come: drain them, and begin again",
			  err);
	if (!ret)
		ret = install_withdraw_plugin(install, err);
	if (!ret)
		log_line(LOG_INFO, "removed: the plugin in '%s'", install->bin_dir);
	return ret;
}

/* ctnatd's own copy of its configuration. */
static int remove_kept(struct err *err)
{
	if (unlink(CONFIG_KEPT) < 0 && errno != ENOENT)
		return err_set(err, -errno, "remove '%s'", CONFIG_KEPT);
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
	int ret = node_open(&node, err);

	if (!ret)
		ret = node_refuse_newer(&node, err);
	if (!ret)
		ret = check_alive(&node, force, "drain the pods first, or use --force", err);
	if (!ret)
		ret = remove_files(install, &node, force, err);
	if (!ret)
		ret = remove_routes(&node, err);
	if (!ret)
		ret = remove_kept(err);
	if (!ret)
		ret = remove_base(&node, force, err);
	node_close(&node);
	return ret;
}
