// SPDX-License-Identifier: Apache-2.0
/* The answer, for programs and in words. */
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/explain.h"
#include "core/inspect.h"
#include "ctl/cmd.h"
#include "ctl/question.h"
#include "ctl/show.h"

/* ---- pieces of the answer -------------------------------------------------------------------- */

/* Room for any sentence about a packet. */
#define TEXT_MAX 512

static void say_packet(const struct packet *p, char text[TEXT_MAX])
{
	char src[END_STRLEN], dst[END_STRLEN], proto[8], tail[48] = "";
	bool ports = packet_has_ports(p->proto);

	if (p->proto == IPPROTO_TCP)
		snprintf(tail, sizeof(tail), ",%s%s%s%s",
			 p->tcp_flags & PACKET_SYN ? " SYN" : "",
			 p->tcp_flags & PACKET_ACK ? " ACK" : "",
			 p->tcp_flags & PACKET_FIN ? " FIN" : "",
			 p->tcp_flags & PACKET_RST ? " RST" : "");
	else if (packet_is_icmp(p->proto))
		snprintf(tail, sizeof(tail), ", type %u", p->icmp_type);
	snprintf(text, TEXT_MAX, "%s %s > %s%s", show_proto(p->proto, proto),
		 show_end(&p->src, p->sport, ports, src), show_end(&p->dst, p->dport, ports, dst),
		 tail);
}

/* What the table is free to choose is not known. */
static const char *say_end(const struct packet *p, const struct addr *addr, __u16 port,
			   char buf[END_STRLEN])
{
	if (addr_is_zero(addr))
		return "an address of the device";
	return show_end(addr, port, packet_has_ports(p->proto) && port, buf);
}

static const char *translator_name(enum translator by)
{
	static const char *const names[] = {
		[BY_NOBODY] = "nobody",	       [BY_BPF] = "bpf",     [BY_ENTRY] = "conntrack",
		[BY_SHORT_WAY] = "short_way", [BY_TABLE] = "table", [BY_SERVICE] = "kube-proxy",
	};

	return names[by];
}

static const char *stage_name(const struct explanation *x)
{
	switch (x->dropped) {
	case STAGE_PROGRAM:
		return x->origin == ORIGIN_POD ? "from_pod" : "from_uplink";
	case STAGE_ROUTING:
		return "routing";
	case STAGE_TO_POD:
		return "to_pod";
	case STAGE_GUARD:
		return "guard";
	default:
		return "";
	}
}

static bool source_changes(const struct explanation *x)
{
	return !addr_equal(&x->packet.src, &x->leaves.src) || x->packet.sport != x->leaves.sport;
}

static bool target_changes(const struct explanation *x)
{
	return !addr_equal(&x->packet.dst, &x->leaves.dst) || x->packet.dport != x->leaves.dport;
}

/* ---- for programs ---------------------------------------------------------------------------- */

static void put_reason(struct out *out, const char *key, bool judged, enum reason reason)
{
	out_text(out, key, "%s", judged ? reason_name(reason) : "");
}

static void put_tuple(struct out *out, const char *key, const struct ct_tuple *t)
{
	char src[END_STRLEN], dst[END_STRLEN];

	out_text(out, key, "%s > %s", show_end(&t->src, t->sport, true, src),
		 show_end(&t->dst, t->dport, true, dst));
}

static void put_entry(const struct explanation *x, struct out *out)
{
	out_object(out, "conntrack");
	out_flag(out, "known", x->known);
	if (x->known) {
		put_tuple(out, "original", &x->entry.orig);
		put_tuple(out, "reply", &x->entry.reply);
		out_text(out, "direction", "%s", x->reply ? "reply" : "original");
		if (x->entry.is_tcp)
			out_text(out, "state", "%s", ct_tcp_state(x->entry.tcp_state));
		out_text(out, "status", "%s", show_status(&x->entry));
		out_number(out, "timeout", x->entry.timeout);
	}
	out_close(out);
}

static void put_route(const struct explanation *x, struct out *out)
{
	char text[ADDR_STRLEN];

	out_object(out, "route");
	out_text(out, "device", "%s", x->route_device);
	out_text(out, "gateway", "%s",
		 addr_is_zero(&x->route.gateway) ? "" : addr_format(&x->route.gateway, text));
	out_flag(out, "uplink", x->by_uplink);
	out_flag(out, "local", !x->no_route && x->route.type == RTN_LOCAL);
	out_text(out, "error", "%s", x->no_route ? strerror(-x->no_route) : "");
	out_close(out);
}

static void put_for_programs(const struct explanation *x, struct out *out)
{
	static const char *const origins[] = { "pod", "uplink", "node" };
	char text[TEXT_MAX], end[END_STRLEN];

	say_packet(&x->packet, text);
	out_text(out, "verdict", "%s", x->dropped ? "drop" : "pass");
	out_text(out, "provided", "%s", x->provided ? x->provided : "");
	out_text(out, "dropped_by", "%s", stage_name(x));
	out_text(out, "packet", "%s", text);
	out_text(out, "origin", "%s", origins[x->origin]);
	out_text(out, "device", "%s", x->device.name);
	out_text(out, "container", "%s", x->sender.container_id);
	put_reason(out, "reason", x->judged, x->reason);
	out_text(out, "what", "%s", x->judged ? reason_what(x->reason) : x->why);
	out_list(out, "also");
	for (int i = 0; i < REASON_MAX; i++)
		if (x->beside[i])
			out_text(out, NULL, "%s", reason_name(i));
	out_close(out);
	out_text(out, "class", "%s", class_name(x->class));
	out_text(out, "prefix", "%s", x->has_prefix ? cidr_format(&x->prefix, text) : "");
	put_entry(x, out);
	put_route(x, out);
	out_text(out, "translated_by", "%s", translator_name(x->by));
	out_text(out, "source", "%s", say_end(&x->packet, &x->leaves.src, x->leaves.sport, end));
	out_text(out, "destination", "%s",
		 say_end(&x->packet, &x->leaves.dst, x->leaves.dport, end));
	put_reason(out, "guard", x->guarded, x->guard);
	put_reason(out, "to_pod", x->to_this_pod && x->by != BY_SHORT_WAY, x->to_pod);
	out_flag(out, "conntrack_full", x->table_full);
}

/* ---- in words -------------------------------------------------------------------------------- */

static void say_verdict(const struct explanation *x, struct out *out)
{
	enum reason reason = x->dropped == STAGE_GUARD	? x->guard :
			     x->dropped == STAGE_TO_POD ? x->to_pod :
							  x->reason;

	if (!x->dropped)
		out_text(out, "verdict", "passes%s%s", x->provided ? ", if " : "",
			 x->provided ? x->provided : "");
	else if (x->why[0])
		out_text(out, "verdict", "dropped: %s (%s)", x->why, stage_name(x));
	else
		out_text(out, "verdict", "dropped by %s: %s", stage_name(x), reason_name(reason));
}

static void say_origin(const struct explanation *x, struct out *out)
{
	if (x->origin == ORIGIN_NODE)
		out_text(out, "comes", "from the node itself");
	else if (x->origin == ORIGIN_UPLINK)
		out_text(out, "comes", "by uplink %s", x->device.name);
	else
		out_text(out, "comes", "from the pod of container %.12s (%s), by %s",
			 x->sender.container_id, x->sender.ifname, x->device.name);
}

static void say_reason(const struct explanation *x, struct out *out)
{
	if (!x->judged)
		out_text(out, "reason", "none: no program of ours sees it come in");
	else
		out_text(out, "reason", "%s: %s", reason_name(x->reason), reason_what(x->reason));
	for (int i = 0; i < REASON_MAX; i++)
		if (x->beside[i])
			out_text(out, "also", "%s: %s", reason_name(i), reason_what(i));
}

static void say_class(const struct explanation *x, struct out *out)
{
	char text[ADDR_STRLEN];

	out_text(out, "class", "%s, by %s: %s", class_name(x->class),
		 x->has_prefix ? cidr_format(&x->prefix, text) : "no prefix",
		 class_what(x->class));
}

static void say_conntrack(const struct explanation *x, struct out *out)
{
	char src[END_STRLEN], dst[END_STRLEN];
	const struct ct_tuple *back = x->reply ? &x->entry.orig : &x->entry.reply;

	if (!packet_has_ports(x->packet.proto))
		out_text(out, "conntrack", "not asked: its flows have no ports");
	else if (!x->known)
		out_text(out, "conntrack", "does not know the flow%s",
			 x->table_full ? ", and is full: an insert would fail" : "");
	else
		out_text(out, "conntrack", "knows the flow%s: %s, %u s left, the other direction "
					   "is %s > %s",
			 x->reply ? " (this is an answer)" : "",
			 x->entry.is_tcp ? ct_tcp_state(x->entry.tcp_state) :
					   show_status(&x->entry),
			 x->entry.timeout, show_end(&back->src, back->sport, true, src),
			 show_end(&back->dst, back->dport, true, dst));
}

static void say_route(const struct explanation *x, struct out *out)
{
	char text[ADDR_STRLEN];

	if (x->dropped == STAGE_PROGRAM)
		return;
	if (x->no_route)
		out_text(out, "route", "none: %s", strerror(-x->no_route));
	else if (x->route.type == RTN_LOCAL)
		out_text(out, "route", "to the node itself");
	else
		out_text(out, "route", "by %s%s%s%s", x->route_device,
			 addr_is_zero(&x->route.gateway) ? "" : " to ",
			 addr_is_zero(&x->route.gateway) ? "" :
							   addr_format(&x->route.gateway, text),
			 x->by_uplink ? ", an uplink" : x->to_this_pod ? ", a pod" :
								  ", which is no uplink");
}

static const char *say_translator(const struct explanation *x)
{
	switch (x->by) {
	case BY_BPF:
		return "by BPF, which inserts an entry (if no other CPU is faster)";
	case BY_ENTRY:
		return "by the kernel, as conntrack's entry says";
	case BY_SHORT_WAY:
		return "by BPF, on the short way";
	case BY_TABLE:
		return "by the base table";
	case BY_SERVICE:
		return "by kube-proxy, if it knows the destination, and then by the base table";
	default:
		return "by nobody";
	}
}

static void say_translation(const struct explanation *x, struct out *out)
{
	char src[END_STRLEN], dst[END_STRLEN];
	const struct packet *p = &x->packet, *to = &x->leaves;
	bool source = source_changes(x), target = target_changes(x);

	if (x->dropped == STAGE_PROGRAM)
		return;
	out_text(out, "translated", "%s%s%s%s%s", say_translator(x), source ? ", source to " : "",
		 source ? say_end(p, &to->src, to->sport, src) : "",
		 target ? ", destination to " : "",
		 target ? say_end(p, &to->dst, to->dport, dst) : "");
}

static void say_end_of_it(const struct explanation *x, struct out *out)
{
	if (x->to_this_pod)
		out_text(out, "to", "the pod of container %.12s (%s)%s%s", x->receiver.container_id,
			 x->receiver.ifname, x->by == BY_SHORT_WAY ? "" : "; ",
			 x->by == BY_SHORT_WAY ? "" : reason_what(x->to_pod));
	if (x->guarded)
		out_text(out, "guard", "%s: %s", reason_name(x->guard), reason_what(x->guard));
	if (!x->dropped && x->by != BY_SHORT_WAY)
		out_text(out, "not asked", "firewalls (FORWARD, INPUT), and who else hangs on the "
					   "devices");
}

static void put_in_words(const struct explanation *x, struct out *out)
{
	char text[TEXT_MAX];

	say_packet(&x->packet, text);
	out_text(out, "packet", "%s", text);
	say_origin(x, out);
	say_verdict(x, out);
	say_reason(x, out);
	say_class(x, out);
	say_conntrack(x, out);
	say_route(x, out);
	say_translation(x, out);
	say_end_of_it(x, out);
}

int cmd_explain(struct node *node, const struct options *options, struct out *out,
		struct err *err)
{
	struct question question = { .in = "" };
	struct explanation x;
	int ret;

	if (!node_has_state(node))
		return err_cni(err, CNI_NOT_AVAILABLE,
			       "no ADD has run on this node since it booted: there is nothing to "
			       "ask");
	ret = question_parse(node, options, &question, err);
	if (!ret)
		ret = explain(node, &question, &x, err);
	if (ret < 0)
		return ret;
	if (options->json)
		put_for_programs(&x, out);
	else
		put_in_words(&x, out);
	return x.dropped != STAGE_NONE;
}
