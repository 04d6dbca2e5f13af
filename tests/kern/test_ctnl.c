// SPDX-License-Identifier: Apache-2.0
/*
 * Deleting one pod's entries, and nobody else's, from a connection tracking table of our own. The
 * file under test is included: the way for kernels that cannot delete by filter is walked on this
 * one, too.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kern/ctnl.c"

#define ASSERT_OK(call)                                                        \
	do {                                                                   \
		if ((call) < 0)                                                \
			fail_msg("%s: %s", #call, err.msg);                    \
	} while (0)

static struct nl nl;
static struct err err;

static int set_up(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return -1;
	return nl_open(&nl, NETLINK_NETFILTER, &err);
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

/* An entry is two tuples; those of `reply` say what NAT made of it. */
#define SNAT (1 << 16)
struct entry {
	const char *src, *dst, *reply_src, *reply_dst;
	int zone;	/* or, with SNAT: let the kernel translate, which sets IPS_SRC_NAT */
};

static void put_tuple(struct nlmsghdr *nlh, unsigned int type, const char *from, const char *to,
		      int sport, int dport)
{
	struct addr src = address(from), dst = address(to);
	struct nlattr *tuple = mnl_attr_nest_start(nlh, type), *part;

	part = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);
	nl_put_addr(nlh, addr_is_v4(&src) ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, &src);
	nl_put_addr(nlh, addr_is_v4(&dst) ? CTA_IP_V4_DST : CTA_IP_V6_DST, &dst);
	mnl_attr_nest_end(nlh, part);
	part = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, IPPROTO_UDP);
	mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(sport));
	mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(dport));
	mnl_attr_nest_end(nlh, part);
	mnl_attr_nest_end(nlh, tuple);
}

static void put_snat(struct nlmsghdr *nlh, const char *to)
{
	struct nlattr *nat = mnl_attr_nest_start(nlh, CTA_NAT_SRC);
	struct addr addr = address(to);

	nl_put_addr(nlh, addr_is_v4(&addr) ? CTA_NAT_V4_MINIP : CTA_NAT_V6_MINIP, &addr);
	nl_put_addr(nlh, addr_is_v4(&addr) ? CTA_NAT_V4_MAXIP : CTA_NAT_V6_MAXIP, &addr);
	mnl_attr_nest_end(nlh, nat);
}

static void insert(const struct entry *flow, int port)
{
	struct addr src = address(flow->src);
	struct nl_request req;
	struct nlmsghdr *nlh = ct_request(&req, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL,
					  addr_family(&src));

	put_tuple(nlh, CTA_TUPLE_ORIG, flow->src, flow->dst, port, 53);
	put_tuple(nlh, CTA_TUPLE_REPLY, flow->reply_src, flow->zone & SNAT ? flow->src : flow->reply_dst,
		  53, port);
	if (flow->zone & SNAT)
		put_snat(nlh, flow->reply_dst);
	mnl_attr_put_u32(nlh, CTA_TIMEOUT, htonl(3600));
	if (flow->zone & ~SNAT)
		mnl_attr_put_u16(nlh, CTA_ZONE, htons(flow->zone));
	ASSERT_OK(nl_talk(&nl, nlh, NULL, &err));
}

static unsigned int count(void)
{
	unsigned int entries, max;

	ASSERT_OK(ctnl_count(&nl, &entries, &max, &err));
	assert_true(entries <= max);
	return entries;
}

static int check_strangers(const struct nlmsghdr *nlh, void *data)
{
	const struct addr *gone = data;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == CTA_TUPLE_ORIG ||
		    mnl_attr_get_type(attr) == CTA_TUPLE_REPLY) {
			struct addr src = ct_tuple_end(attr, FILTER_IP_SRC);

			assert_false(addr_equal(&src, gone));
		}
	}
	return 0;
}

/* Nothing in the whole table speaks for the address. */
static void assert_gone(const struct addr *gone)
{
	struct nl_handler handler = { .each = check_strangers, .data = (void *)gone };
	struct nl_request req;

	ASSERT_OK(nl_talk(&nl, ct_request(&req, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC),
			  &handler, &err));
}

/* What the pod opened and what was opened to it, plain and with NAT before or behind. */
static const struct entry pods_v4[] = {
	{ "10.244.1.5", "203.0.113.9", "203.0.113.9", "10.244.1.5", 0 },
	{ "10.244.1.5", "203.0.113.9", "203.0.113.9", "192.0.2.1", 0 },		/* masqueraded */
	{ "10.244.1.5", "10.96.0.10", "10.244.2.7", "10.244.1.5", 0 },		/* by a service */
	{ "10.244.2.7", "10.244.1.5", "10.244.1.5", "10.244.2.7", 0 },
	{ "192.0.2.9", "192.0.2.1", "10.244.1.5", "192.0.2.9", 0 },		/* by a node port */
	{ "10.244.1.5", "10.96.0.11", "10.244.1.5", "192.0.2.1", 0 },		/* hairpin */
	{ "10.244.1.5", "203.0.113.9", "203.0.113.9", "10.244.1.5", 7 },	/* in a zone */
};

/* Neighbours, the pod's address as a destination that nobody answers from, and other families. */
static const struct entry others_v4[] = {
	{ "10.244.1.6", "203.0.113.9", "203.0.113.9", "10.244.1.6", 0 },
	{ "10.244.1.4", "203.0.113.9", "203.0.113.9", "10.244.1.4", 0 },
	{ "10.244.2.7", "10.244.1.5", "10.244.9.9", "10.244.2.7", 0 },	/* DNAT away from it */
	{ "192.0.2.1", "203.0.113.9", "203.0.113.9", "192.0.2.1", 0 },
	{ "10.244.1.6", "203.0.113.9", "203.0.113.9", "10.244.1.6", 7 },
	{ "fd00:10:244:1::5", "2001:db8::9", "2001:db8::9", "fd00:10:244:1::5", 0 },
	{ "::10.244.1.5", "2001:db8::9", "2001:db8::9", "::10.244.1.5", 0 },
};

static const struct entry pods_v6[] = {
	{ "fd00:10:244:1::5", "2001:db8::9", "2001:db8::9", "fd00:10:244:1::5", 0 },
	{ "fd00:10:244:1::5", "2001:db8::9", "2001:db8::9", "2001:db8::1", 0 },
	{ "2001:db8::9", "2001:db8::1", "fd00:10:244:1::5", "2001:db8::9", 0 },
	{ "fd00:10:244:1::5", "2001:db8::9", "2001:db8::9", "fd00:10:244:1::5", 7 },
};

static const struct entry others_v6[] = {
	{ "fd00:10:244:1::6", "2001:db8::9", "2001:db8::9", "fd00:10:244:1::6", 0 },
	{ "2001:db8::1", "2001:db8::9", "2001:db8::9", "2001:db8::1", 0 },
	{ "fd00:10:244:1::6", "fd00:10:244:1::5", "fd00:10:244:9::9", "fd00:10:244:1::6", 0 },
	{ "10.244.1.5", "203.0.113.9", "203.0.113.9", "10.244.1.5", 0 },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Several of each flow, at ports of their own. Returns how many entries. */
static unsigned int insert_all(const struct entry *flows, size_t n, int each)
{
	static int port = 1024;

	for (size_t i = 0; i < n; i++)
		for (int j = 0; j < each; j++)
			insert(&flows[i], port++);
	return (unsigned int)n * each;
}

static void a_pods_entries_go_and_no_others(void **state)
{
	struct addr v4 = address("10.244.1.5"), v6 = address("fd00:10:244:1::5");
	unsigned int others, deleted;

	(void)state;
	insert_all(pods_v4, COUNT(pods_v4), 3);
	others = insert_all(others_v4, COUNT(others_v4), 3);
	ASSERT_OK(ctnl_flush_addr(&nl, &v4, NULL, &err));
	assert_int_equal(count(), others);
	assert_gone(&v4);
	ASSERT_OK(ctnl_flush_addr(&nl, &v6, &deleted, &err));
	assert_int_equal(deleted, 3);
	assert_int_equal(count(), others - 3);
	assert_gone(&v6);
}

static void the_same_for_ipv6(void **state)
{
	struct addr v6 = address("fd00:10:244:1::5");
	unsigned int pods, others, deleted;

	(void)state;
	pods = insert_all(pods_v6, COUNT(pods_v6), 3);
	others = insert_all(others_v6, COUNT(others_v6), 3);
	ASSERT_OK(ctnl_flush_addr(&nl, &v6, &deleted, &err));
	assert_int_equal(deleted, pods);
	assert_int_equal(count(), others);
	assert_gone(&v6);
}

/* More than a dump's datagram and a batch hold; every second entry is somebody else's. */
static void many_entries_go_in_batches(void **state)
{
	struct addr v4 = address("10.244.1.5");
	unsigned int pods, others, deleted = 0;

	(void)state;
	pods = insert_all(&pods_v4[0], 1, 1000);
	others = insert_all(&others_v4[0], 1, 1000);
	ASSERT_OK(sweep_addr(&nl, &pod, &v4, &deleted, &err));
	assert_int_equal(deleted, pods);
	assert_int_equal(count(), others);
	assert_gone(&v4);
}

/* What left with an address that the node has lost. */
static const struct entry lost_v4[] = {
	{ "10.244.1.5", "203.0.113.9", "203.0.113.9", "192.0.2.1", SNAT },
	{ "10.244.1.6", "203.0.113.9", "203.0.113.9", "192.0.2.1", SNAT | 7 },
	{ "10.244.1.5", "10.96.0.11", "10.244.1.5", "192.0.2.1", SNAT },		/* hairpin */
};

static const struct entry kept_v4[] = {
	{ "192.0.2.1", "203.0.113.9", "203.0.113.9", "192.0.2.1", 0 },	/* the node's own */
	{ "192.0.2.1", "10.96.0.11", "10.244.1.5", "192.0.2.1", 0 },		/* to a service */
	{ "10.244.1.5", "203.0.113.9", "203.0.113.9", "192.0.2.2", SNAT },	/* another address */
	{ "10.244.1.5", "203.0.113.9", "203.0.113.9", "192.0.2.1", 0 },	/* not by NAT: another's */
	{ "10.244.1.5", "192.0.2.1", "192.0.2.1", "10.244.1.5", 0 },		/* to it, not from */
	{ "fd00:10:244:1::5", "2001:db8::9", "2001:db8::9", "2001:db8::2", SNAT },
};

static const struct entry lost_v6[] = {
	{ "fd00:10:244:1::5", "2001:db8::9", "2001:db8::9", "2001:db8::1", SNAT },
	{ "fd00:10:244:1::6", "2001:db8::9", "2001:db8::9", "2001:db8::1", SNAT | 7 },
};

static void what_is_translated_to_an_address_goes_and_no_others(void **state)
{
	struct addr v4 = address("192.0.2.1"), v6 = address("2001:db8::1");
	unsigned int others, deleted = 0, lost;

	(void)state;
	others = insert_all(kept_v4, COUNT(kept_v4), 3);
	insert_all(lost_v4, COUNT(lost_v4), 3);
	ASSERT_OK(ctnl_flush_snat(&nl, &v4, NULL, &err));
	assert_int_equal(count(), others);

	lost = insert_all(lost_v4, COUNT(lost_v4), 3);
	ASSERT_OK(sweep_addr(&nl, &snat, &v4, &deleted, &err));
	assert_int_equal(deleted, lost);
	assert_int_equal(count(), others);

	lost = insert_all(lost_v6, COUNT(lost_v6), 3);
	ASSERT_OK(ctnl_flush_snat(&nl, &v6, &deleted, &err));
	assert_int_equal(deleted, lost);
	assert_int_equal(count(), others);
}

/* Kernels before 6.12. The hairpin entry is found in both directions, and is gone the second
 * time. */
static void without_filtered_deletion_it_is_the_same(void **state)
{
	struct addr v4 = address("10.244.1.5");
	unsigned int others, deleted = 0;

	(void)state;
	insert_all(pods_v4, COUNT(pods_v4), 3);
	others = insert_all(others_v4, COUNT(others_v4), 3);
	ASSERT_OK(sweep_addr(&nl, &pod, &v4, &deleted, &err));
	assert_int_equal(count(), others);
	assert_gone(&v4);
}

/* Such a kernel sees our message without CTA_FILTER: it must find fault with it, not flush. */
static void a_kernel_that_knows_no_filter_refuses(void **state)
{
	static const unsigned int tuples[] = { CTA_TUPLE_ORIG, CTA_TUPLE_REPLY };
	struct addr v4 = address("10.244.1.5"), v6 = address("fd00:10:244:1::5");
	unsigned int all;

	(void)state;
	all = insert_all(pods_v4, COUNT(pods_v4), 1) + insert_all(others_v6, COUNT(others_v6), 1);
	for (int i = 0; i < 4; i++) {
		const struct addr *addr = i & 1 ? &v4 : &v6;
		struct nl_request req;
		struct nlmsghdr *nlh = ct_request(&req, IPCTNL_MSG_CT_DELETE, 0, addr_family(addr));
		struct nlattr *attr;

		ct_put_filter(nlh, &pod, tuples[i / 2], addr);
		mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
			if (mnl_attr_get_type(attr) == CTA_FILTER)
				attr->nla_type = NLA_F_NESTED | 1000;
		}
		assert_int_equal(nl_talk(&nl, nlh, NULL, &err), -EINVAL);
		assert_int_equal(count(), all);
	}
}

static void an_empty_table_is_fine(void **state)
{
	struct addr v4 = address("10.244.1.5"), v6 = address("fd00:10:244:1::5");
	unsigned int deleted = 1;

	(void)state;
	ASSERT_OK(ctnl_flush_addr(&nl, &v4, &deleted, &err));
	assert_int_equal(deleted, 0);
	ASSERT_OK(ctnl_flush_addr(&nl, &v6, &deleted, &err));
	ASSERT_OK(sweep_addr(&nl, &pod, &v4, &deleted, &err));
	assert_int_equal(count(), 0);
}

static void an_entry_that_is_gone_already_is_no_failure(void **state)
{
	struct addr v6 = address("fd00:10:244:1::5");
	struct sweep sweep = {
		.aim = &pod, .addr = &v6, .doomed.size = sizeof(struct doomed),
	};

	(void)state;
	insert_all(pods_v6, COUNT(pods_v6), 1);
	ASSERT_OK(sweep_collect(&nl, &sweep, &err));
	assert_int_equal(sweep.doomed.n, COUNT(pods_v6));
	assert_int_equal(sweep_delete(&nl, &sweep, &err), 0);
	assert_int_equal(sweep_delete(&nl, &sweep, &err), -ENOENT);
	free(sweep.doomed.items);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		test(a_pods_entries_go_and_no_others),
		test(the_same_for_ipv6),
		test(what_is_translated_to_an_address_goes_and_no_others),
		test(many_entries_go_in_batches),
		test(without_filtered_deletion_it_is_the_same),
		test(a_kernel_that_knows_no_filter_refuses),
		test(an_empty_table_is_fine),
		test(an_entry_that_is_gone_already_is_no_failure),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("ctnl", tests, NULL, NULL);
}
