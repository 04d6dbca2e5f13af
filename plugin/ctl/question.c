// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/question.h"
#include "ctl/show.h"

#define USAGE(err, ...) err_cni(err, CNI_INVALID_ENV, __VA_ARGS__)

static int parse_flags(const char *text, __u8 *flags, struct err *err)
{
	static const struct {
		const char *name;
		__u8 flag;
	} names[] = {
		{ "syn", PACKET_SYN }, { "ack", PACKET_ACK }, { "fin", PACKET_FIN },
		{ "rst", PACKET_RST },
	};
	size_t len, i;

	*flags = 0;
	for (; *text; text += len + (text[len] == ',')) {
		len = strcspn(text, ",");
		for (i = 0; i < 4; i++)
			if (len == strlen(names[i].name) && !strncmp(text, names[i].name, len))
				break;
		if (i == 4)
			return USAGE(err, "--flags '%s': syn, ack, fin, rst, joined by commas",
				     text);
		*flags |= names[i].flag;
	}
	return 0;
}

static int parse_number(const char *text, unsigned int most, unsigned int *out)
{
	unsigned long value;
	char *end;

	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || value > most)
		return -EINVAL;
	*out = (unsigned int)value;
	return 0;
}

static int parse_port(const char *text, struct packet *p, struct err *err)
{
	bool ports = packet_has_ports(p->proto), icmp = packet_is_icmp(p->proto);
	unsigned int number = p->proto == IPPROTO_ICMP ? 8 : 128;	/* an echo request */

	if (!text && ports)
		return USAGE(err, "PORT: TCP, UDP and SCTP need one");
	if (text && parse_number(text, ports ? 65535 : 255, &number))
		return USAGE(err, "PORT '%s': a number up to %u%s", text, ports ? 65535u : 255u,
			     icmp ? ", the type" : "");
	if (ports)
		p->dport = (__u16)number;
	if (icmp)
		p->icmp_type = (__u8)number;
	return 0;
}

int question_parse(const struct node *node, const struct options *options, struct question *q,
		   struct err *err)
{
	char **args = options->args;
	struct packet *p = &q->packet;

	if (addr_parse(args[0], &p->src))
		return USAGE(err, "SRC '%s' is no address", args[0]);
	if (addr_parse(args[1], &p->dst))
		return USAGE(err, "DST '%s' is no address", args[1]);
	if (addr_is_v4(&p->src) != addr_is_v4(&p->dst))
		return USAGE(err, "SRC '%s' and DST '%s' are of two families", args[0], args[1]);
	if (parse_proto(args[2], addr_is_v4(&p->src), &p->proto))
		return USAGE(err, "PROTO '%s': tcp, udp, icmp, sctp, or a number up to 255",
			     args[2]);
	p->ttl = (__u8)options->ttl;
	/* the last port of the range: pods' own choices are elsewhere, mostly */
	if (packet_has_ports(p->proto))
		p->sport = options->sport >= 0 ? (__u16)options->sport : node->config.port_max;
	if (options->in && strlen(options->in) >= sizeof(q->in))
		return USAGE(err, "--in '%s': too long", options->in);
	snprintf(q->in, sizeof(q->in), "%s", options->in ? options->in : "");
	if (p->proto == IPPROTO_TCP &&
	    parse_flags(options->flags ? options->flags : "syn", &p->tcp_flags, err))
		return -EINVAL;
	return parse_port(options->n_args > 3 ? args[3] : NULL, p, err);
}
