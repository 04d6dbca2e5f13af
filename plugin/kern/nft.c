// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: nft_table.c says what the table is, as objects; here they are sent, or compared with
 * those that the kernel has. One description, two verbs: what was applied verifies.
 *
 * Applying makes a new table, never a change of the old one: one transaction deletes and creates,
 * so that every packet meets a whole table and nothing of an altered one survives. It adds before
 * it deletes, because only what exists can be deleted. Entries in conntrack do not notice.
 *
 * Verifying asks for each object by its name: where kube-proxy writes nftables, a dump of all
 * chains would carry thousands. What is *too much* shows in the table's use count, which is of
 * sets and chains, and among a chain's rules. Rules are compared as text, in libnftnl's words,
 * with counters at zero.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libnftnl/expr.h>

#include "kern/nft_batch.h"
#include "kern/nft_interval.h"
#include "kern/nft_read.h"
#include "kern/nft_table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- apply ----------------------------------------------------------------------------------- */

static int put_table(struct nft_batch *batch, unsigned int type, unsigned int flags,
		     struct nftnl_table *table)
{
	struct nlmsghdr *nlh = nft_batch_add(batch, type, flags);

	if (!nlh)
		return -ENOMEM;
	nftnl_table_nlmsg_build_payload(nlh, table);
	return 0;
}

static int put_set(struct nftnl_set *set, void *batch)
{
	struct nlmsghdr *nlh = nft_batch_add(batch, NFT_MSG_NEWSET, NLM_F_CREATE);

	if (!nlh)
		return -ENOMEM;
	nftnl_set_nlmsg_build_payload(nlh, set);
	return nft_batch_elements(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set);
}

static int put_rule(struct nftnl_rule *rule, void *batch)
{
	struct nlmsghdr *nlh = nft_batch_add(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

	if (!nlh)
		return -ENOMEM;
	nftnl_rule_nlmsg_build_payload(nlh, rule);
	return 0;
}

static int put_chain(struct nftnl_chain *chain, void *batch)
{
	struct nlmsghdr *nlh = nft_batch_add(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	if (!nlh)
		return -ENOMEM;
	nftnl_chain_nlmsg_build_payload(nlh, chain);
	return nftnl_rule_foreach(chain, put_rule, batch);
}

int nft_apply(struct nl *nl, const struct nft_spec *spec, struct err *err)
{
	_cleanup_nft_table_ struct nft_table t = { 0 };
	_cleanup_nft_batch_ struct nft_batch batch = { 0 };

	if (nft_table_build(spec, &t) < 0 ||
	    nft_batch_begin(&batch, nl) < 0 ||
	    put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, t.table) < 0 ||
	    put_table(&batch, NFT_MSG_DELTABLE, 0, t.table) < 0 ||
	    put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, t.table) < 0 ||
	    nftnl_set_list_foreach(t.sets, put_set, &batch) < 0 ||
	    nftnl_chain_list_foreach(t.chains, put_chain, &batch) < 0)
		return err_set(err, -ENOMEM, "put the table together");
	return nft_batch_commit(&batch, err);
}

int nft_remove(struct nl *nl, struct err *err)
{
	const struct nft_spec nothing = { 0 };
	_cleanup_nft_table_ struct nft_table t = { 0 };
	_cleanup_nft_batch_ struct nft_batch batch = { 0 };

	if (nft_table_build(&nothing, &t) < 0 ||
	    nft_batch_begin(&batch, nl) < 0 ||
	    put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, t.table) < 0 ||
	    put_table(&batch, NFT_MSG_DELTABLE, 0, t.table) < 0)
		return err_set(err, -ENOMEM, "put the removal together");
	return nft_batch_commit(&batch, err);
}

/* ---- single addresses ------------------------------------------------------------------------ */

static int change_pod(struct nl *nl, unsigned int type, unsigned int flags, const struct addr *addr,
		      struct err *err)
{
	const struct addr_range single = { *addr, *addr };
	_cleanup_set_ struct nftnl_set *set = nft_table_pods_set(addr);
	_cleanup_nft_batch_ struct nft_batch batch = { 0 };

	if (!set ||
	    nft_interval_add(set, &single) < 0 ||
	    nft_batch_begin(&batch, nl) < 0 ||
	    nft_batch_elements(&batch, type, flags, set) < 0)
		return err_set(err, -ENOMEM, "put a set element together");
	return nft_batch_commit(&batch, err);
}

int nft_pod_add(struct nl *nl, const struct addr *addr, struct err *err)
{
	int ret = change_pod(nl, NFT_MSG_NEWSETELEM, NLM_F_CREATE, addr, err);

	/* Within a range, or at the start of one. */
	return ret == -ENOTEMPTY || ret == -EEXIST ? 0 : ret;
}

int nft_pod_del(struct nl *nl, const struct addr *addr, struct err *err)
{
	int ret = change_pod(nl, NFT_MSG_DELSETELEM, 0, addr, err);

	return ret == -ENOENT ? 0 : ret;
}

/* ---- verify ---------------------------------------------------------------------------------- */

struct verify {
	struct nl *nl;
	struct err *err;
};

/* A difference, not a failure: without the text of errnum, which callers tell by. */
__attribute__((format(printf, 3, 4)))
static int differs(const struct verify *v, int errnum, const char *fmt, ...)
{
	char what[sizeof(v->err->msg)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	err_cni(v->err, CNI_CHECK_FAILED, "%s", what);
	if (v->err)
		v->err->errnum = errnum;
	return errnum;
}

/* What the read of an object returned, if it failed. */
static int unreadable(const struct verify *v, int ret, const char *kind, const char *name)
{
	if (ret == -ENOENT)
		return differs(v, ret, "%s '%s' is missing", kind, name);
	err_wrap(v->err, "read %s '%s'", kind, name);
	return ret;
}

static int verify_table(const struct verify *v, const struct nft_table *want)
{
	_cleanup_table_ struct nftnl_table *have = NULL;
	int ret = nft_read_table(v->nl, &have, v->err);
	unsigned int use;

	if (ret < 0)
		return unreadable(v, ret, "table", NFT_TABLE);
	if (nftnl_table_get_u32(have, NFTNL_TABLE_FLAGS))
		return differs(v, -ESTALE, "table '%s' is switched off or owned", NFT_TABLE);
	use = nftnl_table_get_u32(have, NFTNL_TABLE_USE);
	if (use > want->objects)
		return differs(v, -ESTALE, "table '%s' has %u sets or chains too many", NFT_TABLE,
			       use - want->objects);
	return 0;
}

/* Every wanted address must be there; more only in the sets that nft_pod_add() adds to. */
static int verify_set(struct nftnl_set *want, void *data)
{
	static const unsigned int attrs[] = {
		NFTNL_SET_FLAGS, NFTNL_SET_KEY_TYPE, NFTNL_SET_KEY_LEN,
	};
	const struct verify *v = data;
	const char *name = nftnl_set_get_str(want, NFTNL_SET_NAME);
	_cleanup_set_ struct nftnl_set *have = NULL;
	int ret = nft_read_set(v->nl, name, &have, v->err);

	if (ret < 0)
		return unreadable(v, ret, "set", name);
	for (size_t i = 0; i < COUNT(attrs); i++)
		if (nftnl_set_get_u32(have, attrs[i]) != nftnl_set_get_u32(want, attrs[i]))
			return differs(v, -ESTALE, "set '%s' is of another type", name);

	ret = nft_interval_covers(have, want);
	if (ret == 0)
		return differs(v, -ESTALE, "set '%s' lacks addresses", name);
	if (ret > 0 && !nft_table_is_pods_set(name))
		ret = nft_interval_covers(want, have);
	if (ret == 0)
		return differs(v, -ESTALE, "set '%s' has addresses too many", name);
	return ret < 0 ? err_set(v->err, ret, "compare set '%s'", name) : 0;
}

/* A rule in words: its comment, then its expressions. */
struct words {
	size_t used;
	char text[2048];
};

static int add_expression(struct nftnl_expr *expr, void *data)
{
	struct words *w = data;
	const char *name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);
	size_t room = sizeof(w->text) - w->used;
	int n;

	if (!strcmp(name, "counter")) {
		nftnl_expr_set_u64(expr, NFTNL_EXPR_CTR_PACKETS, 0);
		nftnl_expr_set_u64(expr, NFTNL_EXPR_CTR_BYTES, 0);
	}
	n = snprintf(w->text + w->used, room, " [ %s ", name);
	w->used += (size_t)n < room ? (size_t)n : room - 1;
	room = sizeof(w->text) - w->used;
	n = nftnl_expr_snprintf(w->text + w->used, room, expr, NFTNL_OUTPUT_DEFAULT, 0);
	w->used += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
	return 0;
}

static void put_in_words(struct nftnl_rule *rule, struct words *w)
{
	nft_comment(rule, w->text);
	w->used = strlen(w->text);
	nftnl_expr_foreach(rule, add_expression, w);
}

static bool same_rule(struct nftnl_rule *a, struct nftnl_rule *b)
{
	struct words in_a, in_b;

	put_in_words(a, &in_a);
	put_in_words(b, &in_b);
	return !strcmp(in_a.text, in_b.text);
}

static bool holds_rule(struct nftnl_chain *chain, struct nftnl_rule *rule)
{
	struct nftnl_rule *other;

	for (unsigned int i = 0; (other = nftnl_rule_lookup_byindex(chain, i)); i++)
		if (same_rule(other, rule))
			return true;
	return false;
}

/* Rules have an order: the first that is not in its place is the culprit. */
static int verify_rules(const struct verify *v, const char *name, struct nftnl_chain *want,
			struct nftnl_chain *have)
{
	struct nftnl_rule *wanted, *rule;
	const char *what = "was altered";
	char comment[NFT_COMMENT_MAX];
	unsigned int i;

	for (i = 0; (wanted = nftnl_rule_lookup_byindex(want, i)); i++) {
		rule = nftnl_rule_lookup_byindex(have, i);
		if (!rule || !same_rule(wanted, rule))
			break;
	}
	if (!wanted && nftnl_rule_lookup_byindex(have, i))
		return differs(v, -ESTALE, "chain '%s' has rules too many", name);
	if (!wanted)
		return 0;

	nft_comment(wanted, comment);
	if (!rule || holds_rule(want, rule))
		return differs(v, -ENOENT, "chain '%s': rule %u, \"%s\", is missing", name, i + 1,
			       comment);
	if (holds_rule(have, wanted))
		what = "comes after somebody else's";
	return differs(v, -ESTALE, "chain '%s': rule %u, \"%s\", %s", name, i + 1, comment, what);
}

static bool same_hook(const struct nftnl_chain *a, const struct nftnl_chain *b)
{
	static const unsigned int attrs[] = {
		NFTNL_CHAIN_HOOKNUM, NFTNL_CHAIN_PRIO, NFTNL_CHAIN_POLICY,
	};
	const char *type_a = nftnl_chain_get_str(a, NFTNL_CHAIN_TYPE) ?: "";
	const char *type_b = nftnl_chain_get_str(b, NFTNL_CHAIN_TYPE) ?: "";

	for (size_t i = 0; i < COUNT(attrs); i++)
		if (nftnl_chain_is_set(a, attrs[i]) != nftnl_chain_is_set(b, attrs[i]) ||
		    nftnl_chain_get_u32(a, attrs[i]) != nftnl_chain_get_u32(b, attrs[i]))
			return false;
	return !strcmp(type_a, type_b);
}

static int verify_chain(struct nftnl_chain *want, void *data)
{
	const struct verify *v = data;
	const char *name = nftnl_chain_get_str(want, NFTNL_CHAIN_NAME);
	_cleanup_chain_ struct nftnl_chain *have = NULL;
	int ret = nft_read_chain(v->nl, name, &have, v->err);

	if (ret < 0)
		return unreadable(v, ret, "chain", name);
	if (!same_hook(want, have))
		return differs(v, -ESTALE, "chain '%s' has another type, hook, priority or policy",
			       name);
	return verify_rules(v, name, want, have);
}

int nft_verify(struct nl *nl, const struct nft_spec *spec, struct err *err)
{
	struct verify v = { .nl = nl, .err = err };
	_cleanup_nft_table_ struct nft_table want = { 0 };
	int ret;

	if (nft_table_build(spec, &want) < 0)
		return err_set(err, -ENOMEM, "put the table together");
	ret = verify_table(&v, &want);
	if (!ret)
		ret = nftnl_set_list_foreach(want.sets, verify_set, &v);
	if (!ret)
		ret = nftnl_chain_list_foreach(want.chains, verify_chain, &v);
	return ret;
}

/* ---- generation ------------------------------------------------------------------------------ */

static int take_generation(const struct nlmsghdr *nlh, void *generation)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_GEN_ID &&
		    !mnl_attr_validate(attr, MNL_TYPE_U32))
			*(__u32 *)generation = ntohl(mnl_attr_get_u32(attr));
	}
	return 0;
}

int nft_generation(struct nl *nl, __u32 *out, struct err *err)
{
	__u32 generation = 0;	/* no ruleset has it: the kernel skips 0 */
	const struct nl_handler handler = { .each = take_generation, .data = &generation };
	struct nl_request req;
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr((char *)&req, NFT_MSG_GETGEN, 0, 0, 0);
	int ret = nl_talk(nl, nlh, &handler, err);

	if (!ret && !generation)
		ret = err_set(err, -EBADMSG, "ruleset generation");
	if (!ret)
		*out = generation;
	return ret;
}
