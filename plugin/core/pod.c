// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the verbs ADD, DEL and CHECK as a runtime means them, each a few lines over the node
 * (node.h) and the attachment (attachment.h); GC and STATUS have files of their own. ADD and STATUS
 * make the node's base state true; the others take the node as they find it, and DEL and GC succeed
 * on a node that has nothing.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "core/attachment.h"
#include "core/check.h"
#include "core/ipam.h"
#include "core/plumb.h"
#include "core/pod.h"
#include "core/reclaim.h"
#include "kern/bpfobj.h"
#include "kern/netns.h"

static int open_pod(struct attachment_work *w, struct err *err)
{
	unsigned long long own, pod;
	int ret;

	w->pod_netns = netns_open(w->req->netns, err);
	if (w->pod_netns < 0)
		return w->pod_netns;
	ret = netns_inode(w->node->netns, &own, err);
	if (!ret)
		ret = netns_inode(w->pod_netns, &pod, err);
	if (ret < 0)
		return ret;
	if (own == pod)
		return err_cni(err, CNI_INVALID_ENV,
			       "CNI_NETNS '%s' is the node's own network namespace", w->req->netns);
	return netns_nl_open(&w->pod_rt, w->pod_netns, w->node->netns, err);
}

static void tell(const struct attachment_work *w, struct attachment_result *out)
{
	size_t n;
	const struct pod_route *routes = plumb_pod_routes(w, &n);

	memset(out, 0, sizeof(*out));
	memcpy(out->host.name, w->record.host_ifname, sizeof(out->host.name));
	memcpy(out->host.mac, w->host_mac, sizeof(out->host.mac));
	memcpy(out->pod.name, w->req->key.ifname, sizeof(out->pod.name));
	memcpy(out->pod.mac, w->pod_mac, sizeof(out->pod.mac));
	memcpy(out->pod.sandbox, w->req->netns, sizeof(out->pod.sandbox));
	out->host.mtu = out->pod.mtu = w->node->config.mtu;
	for (size_t i = 0; i < w->n_addrs; i++)
		out->addrs[out->n_addrs++] = cidr_host(&w->addrs[i]);
	for (size_t i = 0; i < n; i++)
		if (plumb_has_family(w, addr_family(&routes[i].dst.addr)))
			out->routes[out->n_routes++] = routes[i];
	out->dns = w->net->dns.n_nameservers || w->net->dns.n_search || w->net->dns.domain[0]
			   ? w->net->dns
			   : w->delegated.dns;
}

static int add(struct attachment_work *w, struct attachment_result *out, struct err *err)
{
	int ret;

	if (w->recorded && w->record.state == STATE_READY)
		return err_cni(err, CNI_INVALID_ENV,
			       "container '%s' has interface '%s' already (host interface '%s'); "
			       "DEL it first",
			       w->req->key.container_id, w->req->key.ifname, w->record.host_ifname);
	/* whoever left it half-made is dead: we have its lock */
	ret = w->recorded ? attachment_unmake(w, err) : 0;
	if (ret < 0)
		return err_wrap(err, "clean up after an ADD or DEL that died");
	ret = open_pod(w, err);
	if (!ret)
		ret = attachment_make(w, err);
	if (!ret)
		tell(w, out);
	return ret;
}

int pod_add(const struct request *req, const struct network *net, struct attachment_result *out,
	    struct err *err)
{
	struct node node = NODE_CLOSED;
	struct attachment_work w;
	int ret = node_ensure(&node, net, err);

	if (!ret) {
		ret = attachment_open(&w, req, net, &node, true, NULL, err);
		if (!ret)
			ret = add(&w, out, err);
		attachment_close(&w);
	}
	node_close(&node);
	return ret;
}

/* Must not fail for the node's state: without maps it works from the link alone, and on the node of
 * a newer version from the records. */
int pod_del(const struct request *req, const struct network *net, struct err *err)
{
	struct node node = NODE_CLOSED;
	struct attachment_work w;
	int ret = node_open(&node, err);

	if (!ret) {
		ret = attachment_open(&w, req, net, &node, true, NULL, err);
		if (!ret)
			ret = attachment_unmake(&w, err);
		attachment_close(&w);
	}
	node_close(&node);
	return ret;
}

int pod_check(const struct request *req, const struct network *net, struct err *err)
{
	struct node node = NODE_CLOSED;
	struct attachment_work w;
	int ret = node_open(&node, err);

	if (!ret)
		ret = node_refuse_newer(&node, err);
	if (!ret && !node_has_state(&node))
		ret = err_cni(err, CNI_CHECK_FAILED,
			      "the node's maps are gone from bpffs; the next ADD restores them");
	if (!ret) {
		ret = attachment_open(&w, req, net, &node, true, NULL, err);
		if (!ret)
			ret = open_pod(&w, err);
		if (!ret)
			ret = check_attachment(&w, err);
		if (!ret)
			ret = node_verify(&node, err);
		if (!ret && delegates(net) &&
		    (!w.record.ipam[0] || !strcmp(w.record.ipam, net->ipam_type)))
			ret = req->delegate(VERB_CHECK, req, net, NULL, err);
		attachment_close(&w);
	}
	node_close(&node);
	return ret;
}
