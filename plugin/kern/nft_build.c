// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a rule is a little program that nft compiles: load into a register, compare, look up,
 * act; any expression may end it. Built here is what `nft --debug=netlink` prints for the same
 * rule, so that nft can read it, plus what the kernel makes explicit: a rule that was read back
 * has to equal the one that was built.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <libnftnl/expr.h>
#include <libnftnl/udata.h>

#include "kern/nft_build.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool failed(struct nft_builder *b, bool failure)
{
	if (failure)
		b->error = -ENOMEM;
	return b->error;
}

/* ---- comments -------------------------------------------------------------------------------- */

/* As nft keeps one in an object's user data. */
struct comment {
	__u8 type;		/* NFTNL_UDATA_*_COMMENT */
	__u8 len;		/* with the NUL */
	char text[NFT_COMMENT_MAX];
};

static struct comment comment_of(unsigned int type, const char *text)
{
	struct comment c = { .type = type };

	snprintf(c.text, sizeof(c.text), "%s", text);
	c.len = strlen(c.text) + 1;
	return c;
}

static size_t comment_size(const struct comment *c)
{
	return offsetof(struct comment, text) + c->len;
}

const char *nft_comment(const struct nftnl_rule *rule, char buf[NFT_COMMENT_MAX])
{
	__u32 size = 0;
	const struct comment *c = nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &size);

	buf[0] = '\0';
	if (c && size > offsetof(struct comment, text) && size >= comment_size(c) &&
	    c->type == NFTNL_UDATA_RULE_COMMENT)
		snprintf(buf, NFT_COMMENT_MAX, "%.*s", c->len, c->text);
	return buf;
}

/* ---- objects --------------------------------------------------------------------------------- */

void nft_begin_table(struct nft_builder *b, const char *name, const char *comment)
{
	struct comment c = comment_of(NFTNL_UDATA_TABLE_COMMENT, comment);
	struct nft_table *t = &b->t;

	t->table = nftnl_table_alloc();
	t->sets = nftnl_set_list_alloc();
	t->chains = nftnl_chain_list_alloc();
	if (failed(b, !t->table || !t->sets || !t->chains))
		return;
	failed(b, nftnl_table_set_str(t->table, NFTNL_TABLE_NAME, name) < 0 ||
		  nftnl_table_set_data(t->table, NFTNL_TABLE_USERDATA, &c, comment_size(&c)) < 0);
}

static const char *table_name(const struct nft_builder *b)
{
	return nftnl_table_get_str(b->t.table, NFTNL_TABLE_NAME);
}

void nft_add_set(struct nft_builder *b, struct nftnl_set *set, const char *comment)
{
	struct comment c = comment_of(NFTNL_UDATA_SET_COMMENT, comment);

	if (failed(b, !set)) {
		if (set)
			nftnl_set_free(set);
		return;
	}
	nftnl_set_list_add_tail(set, b->t.sets);
	nftnl_set_set_u32(set, NFTNL_SET_ID, ++b->t.objects);	/* the kernel demands a number */
	failed(b, nftnl_set_set_str(set, NFTNL_SET_TABLE, table_name(b)) < 0 ||
		  nftnl_set_set_data(set, NFTNL_SET_USERDATA, &c, comment_size(&c)) < 0);
}

void nft_begin_chain(struct nft_builder *b, const char *name)
{
	struct nftnl_chain *chain;

	if (b->error || failed(b, !(chain = nftnl_chain_alloc())))
		return;
	if (failed(b, nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, table_name(b)) < 0 ||
		      nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name) < 0)) {
		nftnl_chain_free(chain);	/* without a name it fits into no list */
		return;
	}
	nftnl_chain_list_add_tail(chain, b->t.chains);
	b->t.objects++;
	b->chain = chain;
}

void nft_begin_postrouting(struct nft_builder *b, const char *name, const char *type, int priority)
{
	nft_begin_chain(b, name);
	if (b->error)
		return;
	nftnl_chain_set_u32(b->chain, NFTNL_CHAIN_HOOKNUM, NF_INET_POST_ROUTING);
	nftnl_chain_set_s32(b->chain, NFTNL_CHAIN_PRIO, priority);
	nftnl_chain_set_u32(b->chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	failed(b, nftnl_chain_set_str(b->chain, NFTNL_CHAIN_TYPE, type) < 0);
}

void nft_begin_rule(struct nft_builder *b, const char *comment)
{
	struct comment c = comment_of(NFTNL_UDATA_RULE_COMMENT, comment);

	if (b->error || failed(b, !(b->rule = nftnl_rule_alloc())))
		return;
	nftnl_chain_rule_add_tail(b->rule, b->chain);
	failed(b, nftnl_rule_set_str(b->rule, NFTNL_RULE_TABLE, table_name(b)) < 0 ||
		  nftnl_rule_set_str(b->rule, NFTNL_RULE_CHAIN,
				     nftnl_chain_get_str(b->chain, NFTNL_CHAIN_NAME)) < 0 ||
		  nftnl_rule_set_data(b->rule, NFTNL_RULE_USERDATA, &c, comment_size(&c)) < 0);
}

int nft_built(struct nft_builder *b, struct nft_table *out)
{
	if (b->error)
		nft_table_free(&b->t);
	else
		*out = b->t;
	return b->error;
}

void nft_table_free(struct nft_table *t)
{
	if (t->table)
		nftnl_table_free(t->table);
	if (t->sets)
		nftnl_set_list_free(t->sets);
	if (t->chains)
		nftnl_chain_list_free(t->chains);
	*t = (struct nft_table){ 0 };
}

/* ---- expressions ----------------------------------------------------------------------------- */

struct attr {
	unsigned int type;		/* NFTNL_EXPR_* */
	const void *data;
	size_t len;
};

#define U32(type, value) { type, &(__u32){ value }, sizeof(__u32) }
#define TEXT(type, text) { type, text, strlen(text) + 1 }

static void expression(struct nft_builder *b, const char *name, const struct attr *attrs, size_t n)
{
	struct nftnl_expr *expr;

	if (b->error || failed(b, !(expr = nftnl_expr_alloc(name))))
		return;
	nftnl_rule_add_expr(b->rule, expr);
	for (size_t i = 0; i < n; i++)
		failed(b, nftnl_expr_set(expr, attrs[i].type, attrs[i].data, attrs[i].len) < 0);
}

static void load_meta(struct nft_builder *b, unsigned int key)
{
	const struct attr attrs[] = {
		U32(NFTNL_EXPR_META_KEY, key),
		U32(NFTNL_EXPR_META_DREG, NFT_REG_1),
	};

	expression(b, "meta", attrs, COUNT(attrs));
}

static void is_equal(struct nft_builder *b, const void *data, size_t len)
{
	const struct attr attrs[] = {
		U32(NFTNL_EXPR_CMP_SREG, NFT_REG_1),
		U32(NFTNL_EXPR_CMP_OP, NFT_CMP_EQ),
		{ NFTNL_EXPR_CMP_DATA, data, len },
	};

	expression(b, "cmp", attrs, COUNT(attrs));
}

static void is_in(struct nft_builder *b, const char *set, unsigned int flags)
{
	const struct attr attrs[] = {
		U32(NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1),
		TEXT(NFTNL_EXPR_LOOKUP_SET, set),
		U32(NFTNL_EXPR_LOOKUP_FLAGS, flags),
	};

	expression(b, "lookup", attrs, COUNT(attrs));
}

static void load_immediate(struct nft_builder *b, unsigned int reg, const void *data, size_t len)
{
	const struct attr attrs[] = {
		U32(NFTNL_EXPR_IMM_DREG, reg),
		{ NFTNL_EXPR_IMM_DATA, data, len },
	};

	expression(b, "immediate", attrs, COUNT(attrs));
}

void nft_match_family(struct nft_builder *b, __u8 nfproto)
{
	load_meta(b, NFT_META_NFPROTO);
	is_equal(b, &nfproto, sizeof(nfproto));
}

void nft_match_address(struct nft_builder *b, unsigned int offset, unsigned int len,
		       const char *set, unsigned int flags)
{
	const struct attr attrs[] = {
		U32(NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1),
		U32(NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER),
		U32(NFTNL_EXPR_PAYLOAD_OFFSET, offset),
		U32(NFTNL_EXPR_PAYLOAD_LEN, len),
	};

	expression(b, "payload", attrs, COUNT(attrs));
	is_in(b, set, flags);
}

void nft_match_device(struct nft_builder *b, const char *name)
{
	char padded[IFNAME_MAX] = "";

	snprintf(padded, sizeof(padded), "%s", name);
	load_meta(b, NFT_META_OIFNAME);
	is_equal(b, padded, sizeof(padded));
}

void nft_match_protocol(struct nft_builder *b, __u8 protocol)
{
	load_meta(b, NFT_META_L4PROTO);
	is_equal(b, &protocol, sizeof(protocol));
}

void nft_match_originator(struct nft_builder *b, unsigned int key, const char *set)
{
	const struct attr attrs[] = {
		U32(NFTNL_EXPR_CT_KEY, key),
		U32(NFTNL_EXPR_CT_DREG, NFT_REG_1),
		{ NFTNL_EXPR_CT_DIR, &(__u8){ IP_CT_DIR_ORIGINAL }, sizeof(__u8) },
	};

	expression(b, "ct", attrs, COUNT(attrs));
	is_in(b, set, 0);
}

/* ---- what is done ---------------------------------------------------------------------------- */

#define PORT_FLAGS (NF_NAT_RANGE_PROTO_SPECIFIED | NF_NAT_RANGE_PROTO_RANDOM_FULLY)

/* Into this register and the next. */
static void load_ports(struct nft_builder *b, unsigned int reg, const struct nft_ports *ports)
{
	const __be16 min = htons(ports->min), max = htons(ports->max);

	load_immediate(b, reg, &min, sizeof(min));
	load_immediate(b, reg + 1, &max, sizeof(max));
}

void nft_snat(struct nft_builder *b, const struct addr *to, const struct nft_ports *ports)
{
	/* The kernel shows ADDR_MAX and MAP_IPS even if they were not given. */
	const struct attr attrs[] = {
		U32(NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT),
		U32(NFTNL_EXPR_NAT_FAMILY, addr_is_v4(to) ? NFPROTO_IPV4 : NFPROTO_IPV6),
		U32(NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1),
		U32(NFTNL_EXPR_NAT_REG_ADDR_MAX, NFT_REG_1),
		U32(NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_MAP_IPS | (ports ? PORT_FLAGS : 0)),
		U32(NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG_2),
		U32(NFTNL_EXPR_NAT_REG_PROTO_MAX, NFT_REG_3),
	};
	size_t len;
	const void *bytes = addr_bytes(to, &len);

	load_immediate(b, NFT_REG_1, bytes, len);
	if (ports)
		load_ports(b, NFT_REG_2, ports);
	expression(b, "nat", attrs, ports ? COUNT(attrs) : COUNT(attrs) - 2);
}

void nft_masquerade(struct nft_builder *b, const struct nft_ports *ports)
{
	const struct attr attrs[] = {
		U32(NFTNL_EXPR_MASQ_FLAGS, PORT_FLAGS),
		U32(NFTNL_EXPR_MASQ_REG_PROTO_MIN, NFT_REG_1),
		U32(NFTNL_EXPR_MASQ_REG_PROTO_MAX, NFT_REG_2),
	};

	if (ports)
		load_ports(b, NFT_REG_1, ports);
	expression(b, "masq", attrs, ports ? COUNT(attrs) : 0);
}

void nft_goto(struct nft_builder *b, const char *chain)
{
	const struct attr attrs[] = {
		U32(NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT),
		U32(NFTNL_EXPR_IMM_VERDICT, NFT_GOTO),
		TEXT(NFTNL_EXPR_IMM_CHAIN, chain),
	};

	expression(b, "immediate", attrs, COUNT(attrs));
}

void nft_counter(struct nft_builder *b)
{
	const __u64 zero = 0;
	const struct attr attrs[] = {
		{ NFTNL_EXPR_CTR_PACKETS, &zero, sizeof(zero) },
		{ NFTNL_EXPR_CTR_BYTES, &zero, sizeof(zero) },
	};

	expression(b, "counter", attrs, COUNT(attrs));
}

void nft_drop(struct nft_builder *b)
{
	const struct attr attrs[] = {
		U32(NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT),
		U32(NFTNL_EXPR_IMM_VERDICT, NF_DROP),
	};

	expression(b, "immediate", attrs, COUNT(attrs));
}
