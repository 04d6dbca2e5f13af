/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_EXPLAIN_H
#define CTNAT_CORE_EXPLAIN_H

/* What would happen to a packet, and why. Nothing is sent, and nothing changes. Theory in
 * explain.c. */
#include "core/node.h"
#include "core/packet.h"
#include "kern/ctnl_list.h"
#include "kern/rtnl_link.h"
#include "kern/rtnl_route.h"

struct question {
	struct packet packet;
	char in[CONTAINER_ID_MAX];	/* who sends it: a pod, a device; "": by its source */
};

enum origin {
	ORIGIN_POD,		/* by the host's side of a pod's veth */
	ORIGIN_UPLINK,		/* by an uplink */
	ORIGIN_NODE,		/* the node's own */
};

/* Who puts another address into the packet. */
enum translator {
	BY_NOBODY,
	BY_BPF,			/* an entry that from_pod inserts */
	BY_ENTRY,		/* the kernel, by the entry that conntrack has */
	BY_SHORT_WAY,		/* BPF, as it was learned */
	BY_TABLE,		/* the base table */
	BY_SERVICE,		/* kube-proxy, if it knows the destination; and then the table */
};

enum stage {
	STAGE_NONE,		/* it is not dropped, as far as we see */
	STAGE_PROGRAM,		/* where it comes in */
	STAGE_ROUTING,
	STAGE_TO_POD,
	STAGE_GUARD,		/* as it leaves: to_uplink, or the table's chain `guard` */
};

struct explanation {
	struct packet packet;
	enum origin origin;
	struct link device;		/* that it comes by; not with ORIGIN_NODE */
	struct attachment_key sender;	/* with ORIGIN_POD */

	bool judged;			/* a program sees it come in, and that is its reason: */
	enum reason reason;
	bool beside[REASON_MAX];	/* what is counted, too */
	enum masq_class class;		/* of the destination, as it comes */
	struct cidr prefix;		/* that says so */
	bool has_prefix;		/* false: none does */

	bool known;			/* conntrack has its flow: */
	struct ct_entry entry;
	bool reply;			/* and it is a packet of the reply's direction */

	enum translator by;
	struct packet leaves;		/* with its addresses and ports at last; a port 0 is the
					 * table's to choose, and so an address of zeros */
	int no_route;			/* negative errno: it has none */
	struct route route;
	char route_device[IFNAME_MAX];
	bool by_uplink;
	bool to_this_pod;		/* it is bound for a pod of this node: */
	struct attachment_key receiver;
	enum reason to_pod;
	bool guarded;			/* a program sees it leave, and that is its reason: */
	enum reason guard;

	enum stage dropped;
	char why[128];			/* in words, if no program's reason says it */
	const char *provided;		/* what the rest hangs on, and we cannot know; NULL */
	bool table_full;		/* conntrack's */
};

/* -EINVAL: the question makes no sense here, for the reason in *err. */
int explain(struct node *node, const struct question *question, struct explanation *out,
	    struct err *err);

const char *class_name(enum masq_class class);		/* "bpf" */
const char *class_what(enum masq_class class);		/* "translated, ..." */

#endif
