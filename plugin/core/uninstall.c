// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the order is that of a node being drained: attachments, guard, sysctls, table, pins.
 * Alive is what has a host link, recorded or not: then it refuses, because pods would lose their
 * network; --force unmakes them as DEL would. What a delegated IPAM plugin gave stays with that
 * plugin: only the runtime's DEL carries the configuration that gives it back.
 */
#include <string.h>

#include "core/attachment.h"
#include "core/import.h"
#include "core/uninstall.h"

struct unmaking {
	struct node *node;
	unsigned int n;
	struct err *err;
};

static int unmake(struct unmaking *un, const struct attachment_key *key, const char *network)
{
	struct request req = { .verb = VERB_DEL, .key = *key, .delegate = no_delegate };
	static struct network net; /* too large for a stack frame */
	struct attachment_work w;
	int ret;

	memcpy(net.name, network, sizeof(net.name));
	ret = attachment_open(&w, &req, &net, un->node, true, NULL, un->err);
	if (!ret)
		ret = attachment_unmake(&w, un->err);
	attachment_close(&w);
	un->n += !ret;
	return ret < 0 ? err_wrap(un->err, "attachment %s/%s", key->container_id, key->ifname) : 0;
}

static int unmake_record(const void *key, const void *value, void *data)
{
	return unmake(data, key, ((const struct attachment *)value)->network);
}

static int unmake_link(const struct host_link *link, void *data, struct err *err)
{
	(void)err;
	return unmake(data, &link->key, link->network);
}

static int count_link(const struct host_link *link, void *data, struct err *err)
{
	(void)link;
	(void)err;
	++*(unsigned int *)data;
	return 0;
}

int uninstall_count(struct node *node, unsigned int *alive, struct err *err)
{
	*alive = 0;
	return import_each_link(node, count_link, alive, err);
}

int uninstall_base(struct node *node, bool force, unsigned int *unmade, struct err *err)
{
	struct unmaking un = { node, 0, err };
	unsigned int alive;
	int ret = uninstall_count(node, &alive, err);

	if (ret < 0)
		return ret;
	if (alive && !force)
		return err_cni(err, CNI_TRY_AGAIN,
			       "%u attachments are alive: drain the pods first, or use --force",
			       alive);
	if (node_has_records(node))
		ret = map_each(node->maps.fd[MAP_ATTACHMENTS], sizeof(struct attachment_key),
			       sizeof(struct attachment), unmake_record, &un);
	if (!ret)
		ret = import_each_link(node, unmake_link, &un, err);
	if (!ret)
		ret = node_remove(node, err);
	*unmade = un.n;
	return ret;
}
