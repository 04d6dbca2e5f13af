// SPDX-License-Identifier: Apache-2.0
/* Looking at conntrack entries: one by one, those of an address, and the one of a packet. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kern/ctnl_list.h"
#include "lib/cttable.h"

static struct nl nl;
static struct err err;

static int set_up(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || nl_open(&nl, NETLINK_NETFILTER, &err) < 0)
		return -1;
	ct_do("-I -p udp -s 10.244.1.5 -d 203.0.113.9 --sport 4000 --dport 53 --src-nat 192.0.2.1 -t 60");
	ct_do("-I -p tcp -s 192.0.2.9 -d 192.0.2.1 --sport 4001 --dport 80 --dst-nat 10.244.1.5:8080 "
	      "--state ESTABLISHED -u SEEN_REPLY,ASSURED -t 600");
	ct_do("-I -p udp -s 10.244.1.5 -d 10.244.1.5 --sport 4002 --dport 4002 -t 60");
	ct_do("-I -p udp -s 10.244.1.6 -d 203.0.113.9 --sport 4003 --dport 53 -t 60");
	ct_do("-I -p udp -s fd00::5 -d 2001:db8::1 --sport 4004 --dport 53 -t 60");
	ct_do("-I -p udp -s 2001:db8::2 -d fd00::5 --sport 4005 --dport 53 -t 60");
	ct_do("-I -p udp -s fd00::6 -d 2001:db8::1 --sport 4006 --dport 53 -t 60");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	nl_close(&nl);
	return 0;
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* One bit for each source port from 4000 on; a port that comes twice sets bit 31. */
static int note(const struct ct_entry *entry, void *data)
{
	unsigned int *met = data, bit = 1u << (entry->orig.sport - 4000);

	*met |= *met & bit ? 1u << 31 : bit;
	return 0;
}

static unsigned int met(const char *text)
{
	struct addr addr = address(text ? text : "::");
	unsigned int ports = 0;

	if (ctnl_each(&nl, text ? &addr : NULL, note, &ports, &err) < 0)
		fail_msg("%s", err.msg);
	return ports;
}

static void each_entry_of_an_address_is_met_once(void **state)
{
	(void)state;
	assert_int_equal(met("10.244.1.5"), 0x07);
	assert_int_equal(met("10.244.1.6"), 0x08);
	assert_int_equal(met("fd00::5"), 0x30);
	assert_int_equal(met("fd00::6"), 0x40);
	assert_int_equal(met("10.244.1.7"), 0);
	assert_int_equal(met(NULL), 0x7f);
}

static int give_up(const struct ct_entry *entry, void *data)
{
	(void)entry;
	(void)data;
	return -ECANCELED;
}

static void a_visitor_may_give_up(void **state)
{
	(void)state;
	assert_int_equal(ctnl_each(&nl, NULL, give_up, NULL, &err), -ECANCELED);
	assert_int_equal(met(NULL), 0x7f);
}

static int find(const char *src, int sport, const char *dst, int dport, __u8 proto, struct ct_entry *out, bool *reply)
{
	const struct ct_tuple tuple = { address(src), address(dst), sport, dport };

	return ctnl_find(&nl, &tuple, proto, out, reply, &err);
}

static void assert_tuple(const struct ct_tuple *t, const char *src, int sport, const char *dst, int dport)
{
	struct addr s = address(src), d = address(dst);

	assert_memory_equal(&t->src, &s, sizeof(s));
	assert_memory_equal(&t->dst, &d, sizeof(d));
	assert_int_equal(t->sport, sport);
	assert_int_equal(t->dport, dport);
}

static void a_packet_finds_its_flow(void **state)
{
	struct ct_entry entry;
	bool reply;

	(void)state;
	assert_int_equal(find("10.244.1.5", 4000, "203.0.113.9", 53, IPPROTO_UDP, &entry, &reply), 0);
	assert_false(reply);
	assert_tuple(&entry.reply, "203.0.113.9", 53, "192.0.2.1", 4000);
	assert_int_equal(entry.proto, IPPROTO_UDP);
	assert_false(entry.is_tcp);
	assert_true(entry.status & IPS_SRC_NAT);
	assert_in_range(entry.timeout, 30, 60);
	assert_int_equal(find("203.0.113.9", 53, "192.0.2.1", 4000, IPPROTO_UDP, &entry, &reply), 0);
	assert_true(reply);
	assert_tuple(&entry.orig, "10.244.1.5", 4000, "203.0.113.9", 53);
	assert_int_equal(find("10.244.1.5", 8080, "192.0.2.9", 4001, IPPROTO_TCP, &entry, &reply), 0);
	assert_true(reply && entry.is_tcp);
	assert_int_equal(entry.tcp_state, TCP_CONNTRACK_ESTABLISHED);
	assert_string_equal(ct_tcp_state(entry.tcp_state), "ESTABLISHED");
	assert_int_equal(find("fd00::5", 53, "2001:db8::2", 4005, IPPROTO_UDP, &entry, &reply), 0);
	assert_true(reply);
	assert_int_equal(find("10.244.1.5", 4000, "203.0.113.9", 54, IPPROTO_UDP, &entry, &reply), -ENOENT);
	assert_int_equal(find("10.244.1.5", 4000, "203.0.113.9", 53, IPPROTO_TCP, &entry, &reply), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_entry_of_an_address_is_met_once),
		cmocka_unit_test(a_visitor_may_give_up),
		cmocka_unit_test(a_packet_finds_its_flow),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
