// SPDX-License-Identifier: Apache-2.0
/* Theory in nft.c. */
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "base/cleanup.h"
#include "kern/nft_read.h"
#include "kern/nft_table.h"

/* Asks about the table, or about what is called `name` in it: `attr` is that name's attribute. */
static int ask(struct nl *nl, unsigned int type, unsigned int flags, unsigned int attr,
	       const char *name, const struct nl_handler *handler, struct err *err)
{
	struct nl_request req;
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr((char *)&req, type, NFPROTO_INET, flags, 0);

	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, NFT_TABLE);	/* the same number in all */
	if (name)
		mnl_attr_put_strz(nlh, attr, name);
	return nl_talk(nl, nlh, handler, err);
}

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "read the table");
}

/* ---- the table itself ------------------------------------------------------------------------ */

static int take_table(const struct nlmsghdr *nlh, void *table)
{
	return nftnl_table_nlmsg_parse(nlh, table) < 0 ? -EBADMSG : 0;
}

int nft_read_table(struct nl *nl, struct nftnl_table **out, struct err *err)
{
	_cleanup_table_ struct nftnl_table *table = nftnl_table_alloc();
	const struct nl_handler handler = { .each = take_table, .data = table };
	int ret;

	if (!table)
		return no_memory(err);
	ret = ask(nl, NFT_MSG_GETTABLE, 0, 0, NULL, &handler, err);
	if (!ret)
		*out = TAKE_PTR(table);
	return ret;
}

/* ---- chains and rules ------------------------------------------------------------------------ */

static int take_chain(const struct nlmsghdr *nlh, void *chain)
{
	return nftnl_chain_nlmsg_parse(nlh, chain) < 0 ? -EBADMSG : 0;
}

static int take_rule(const struct nlmsghdr *nlh, void *chain)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();

	if (!rule)
		return -ENOMEM;
	nftnl_chain_rule_add_tail(rule, chain);
	return nftnl_rule_nlmsg_parse(nlh, rule) < 0 ? -EBADMSG : 0;
}

static void forget_rules(void *chain)
{
	struct nftnl_rule *rule;

	while ((rule = nftnl_rule_lookup_byindex(chain, 0))) {
		nftnl_chain_rule_del(rule);
		nftnl_rule_free(rule);
	}
}

int nft_read_chain(struct nl *nl, const char *name, struct nftnl_chain **out, struct err *err)
{
	_cleanup_chain_ struct nftnl_chain *chain = nftnl_chain_alloc();
	const struct nl_handler itself = { .each = take_chain, .data = chain };
	const struct nl_handler rules = {
		.each = take_rule, .restart = forget_rules, .data = chain,
	};
	int ret;

	if (!chain)
		return no_memory(err);
	ret = ask(nl, NFT_MSG_GETCHAIN, 0, NFTA_CHAIN_NAME, name, &itself, err);
	if (!ret)
		ret = ask(nl, NFT_MSG_GETRULE, NLM_F_DUMP, NFTA_RULE_CHAIN, name, &rules, err);
	if (!ret)
		*out = TAKE_PTR(chain);
	return ret;
}

/* ---- sets and elements ----------------------------------------------------------------------- */

static int take_set(const struct nlmsghdr *nlh, void *set)
{
	return nftnl_set_nlmsg_parse(nlh, set) < 0 ? -EBADMSG : 0;
}

static int take_elements(const struct nlmsghdr *nlh, void *set)
{
	struct nftnl_set **elements = set;

	if (!*elements)
		return -ENOMEM;
	return nftnl_set_elems_nlmsg_parse(nlh, *elements) < 0 ? -EBADMSG : 0;
}

/* libnftnl takes no element out of a set. */
static void forget_elements(void *set)
{
	struct nftnl_set **elements = set;

	cleanup_set(elements);
	*elements = nftnl_set_alloc();
}

int nft_read_set(struct nl *nl, const char *name, struct nftnl_set **out, struct err *err)
{
	_cleanup_set_ struct nftnl_set *set = nftnl_set_alloc();
	const struct nl_handler elements = {
		.each = take_elements, .restart = forget_elements, .data = &set,
	};
	struct nl_handler itself = { .each = take_set };
	int ret;

	/* The elements first: to begin again needs a new object. */
	if (!set)
		return no_memory(err);
	ret = ask(nl, NFT_MSG_GETSETELEM, NLM_F_DUMP, NFTA_SET_ELEM_LIST_SET, name, &elements, err);
	if (ret)
		return ret;
	if (!set)
		return no_memory(err);
	itself.data = set;
	ret = ask(nl, NFT_MSG_GETSET, 0, NFTA_SET_NAME, name, &itself, err);
	if (!ret)
		*out = TAKE_PTR(set);
	return ret;
}
