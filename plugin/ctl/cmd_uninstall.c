// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the order is that of a node being drained: attachments, guard, sysctls, table, pins. With live attachments it
 * refuses, because their pods would lose their network; --force unmakes them as DEL would. What a delegated IPAM
 * plugin gave stays with that plugin: only the runtime's DEL carries the configuration that gives it back.
 */
#include <string.h>

#include "core/attachment.h"
#include "core/inspect.h"
#include "ctl/cmd.h"

static int no_delegate(enum verb verb, const struct request *req, const struct network *net,
		       struct delegate_result *out, struct err *err)
{
	(void)verb;
	(void)req;
	(void)net;
	(void)out;
	(void)err;
	return 0;
}

struct unmaking {
	struct node *node;
	unsigned int n;
	struct err *err;
};

static int unmake_one(const void *key, const void *value, void *data)
{
	const struct attachment *record = value;
	struct unmaking *un = data;
	struct request req = { .verb = VERB_DEL, .delegate = no_delegate };
	struct network net = { .n_sets = 0 };
	struct attachment_work w;
	int ret;

	req.key = *(const struct attachment_key *)key;
	memcpy(net.name, record->network, sizeof(net.name));
	memcpy(net.ipam_type, record->ipam, sizeof(net.ipam_type));
	ret = attachment_open(&w, &req, &net, un->node, true, NULL, un->err);
	if (!ret)
		ret = attachment_unmake(&w, un->err);
	attachment_close(&w);
	un->n += !ret;
	return ret < 0 ? err_wrap(un->err, "attachment %s/%s", req.key.container_id, req.key.ifname) : 0;
}

int cmd_uninstall(struct node *node, const struct options *options, struct out *out, struct err *err)
{
	struct unmaking un = { node, 0, err };
	struct snapshot snap = { .ready = 0 };
	int ret = node_has_state(node) ? inspect_node(node, &snap, err) : 0;

	if (ret < 0)
		return ret;
	if (snap.ready && !options->force)
		return err_cni(err, CNI_TRY_AGAIN,
			       "%u attachments are alive: drain the node's pods first, or use --force", snap.ready);
	if (node_has_state(node))
		ret = map_each(node->maps.fd[MAP_ATTACHMENTS], sizeof(struct attachment_key),
			       sizeof(struct attachment), unmake_one, &un);
	if (!ret)
		ret = node_remove(node, err);
	if (ret < 0)
		return ret;
	out_text(out, "removed", "maps, programs, table 'inet ctnat', %u attachments", un.n);
	out_text(out, "kept", "net.ipv4.ip_forward and net.ipv6.conf.all.forwarding: others rely on them by now");
	return 0;
}
