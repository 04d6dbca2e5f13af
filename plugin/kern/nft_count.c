// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libnftnl/expr.h>

#include "kern/nft_build.h"
#include "kern/nft_count.h"
#include "kern/nft_read.h"
#include "kern/nft_table.h"

static int add_counter(struct nftnl_expr *expr, void *packets)
{
	if (!strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), "counter"))
		*(unsigned long long *)packets += nftnl_expr_get_u64(expr, NFTNL_EXPR_CTR_PACKETS);
	return 0;
}

/* Sums the rules of that comment, one for each family or uplink. */
static int count_rules(struct nl *nl, const char *name, const char *comment,
		       unsigned long long *packets, struct err *err)
{
	_cleanup_chain_ struct nftnl_chain *chain = NULL;
	int ret = nft_read_chain(nl, name, &chain, err);
	char text[NFT_COMMENT_MAX];
	struct nftnl_rule *rule;

	if (ret == -ENOENT)
		return 0;
	if (ret < 0)
		return err_wrap(err, "read the counters of chain '%s'", name);
	for (unsigned int i = 0; (rule = nftnl_rule_lookup_byindex(chain, i)); i++)
		if (!strcmp(nft_comment(rule, text), comment))
			nftnl_expr_foreach(rule, add_counter, packets);
	return 0;
}

int nft_count(struct nl *nl, struct nft_counts *out, struct err *err)
{
	struct nft_counts counts = { 0 };
	int ret;

	ret = count_rules(nl, NFT_NAT_CHAIN, NFT_MASQUERADE_RULE, &counts.masqueraded, err);
	if (!ret)
		ret = count_rules(nl, NFT_UNROUTED_CHAIN, NFT_UNROUTED_RULE, &counts.unrouted, err);
	if (!ret)
		ret = count_rules(nl, NFT_GUARD_CHAIN, NFT_GUARD_RULE, &counts.leaks, err);
	if (!ret)
		*out = counts;
	return ret;
}
