// SPDX-License-Identifier: Apache-2.0
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "kern/nft_forward.h"
#include "kern/nft_read.h"

struct dropper {
	char *out;
	size_t size;
	bool found;
};

static const char *family_name(unsigned int family)
{
	return family == NFPROTO_IPV4 ? "ip" : family == NFPROTO_IPV6 ? "ip6" : "inet";
}

static bool drops_forwarded(const struct nftnl_chain *chain)
{
	unsigned int family = nftnl_chain_get_u32(chain, NFTNL_CHAIN_FAMILY);
	const char *type = nftnl_chain_get_str(chain, NFTNL_CHAIN_TYPE);

	return (family == NFPROTO_IPV4 || family == NFPROTO_IPV6 || family == NFPROTO_INET) &&
	       nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM) &&
	       nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM) == NF_INET_FORWARD && type &&
	       !strcmp(type, "filter") && nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY) == NF_DROP;
}

static int look_at(const struct nlmsghdr *nlh, void *data)
{
	_cleanup_chain_ struct nftnl_chain *chain = nftnl_chain_alloc();
	struct dropper *dropper = data;

	if (!chain || nftnl_chain_nlmsg_parse(nlh, chain) < 0 || dropper->found ||
	    !drops_forwarded(chain))
		return 0;
	dropper->found = true;
	snprintf(dropper->out, dropper->size, "%s %s %s",
		 family_name(nftnl_chain_get_u32(chain, NFTNL_CHAIN_FAMILY)),
		 nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE),
		 nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME));
	return 0;
}

static void start_over(void *data)
{
	((struct dropper *)data)->found = false;
}

int nft_forward_dropped(struct nl *nl, char *out, size_t size, struct err *err)
{
	struct dropper dropper = { out, size, false };
	const struct nl_handler handler = {
		.each = look_at,
		.restart = start_over,
		.data = &dropper,
	};
	struct nl_request req;
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr((char *)&req, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC,
						     NLM_F_DUMP, 0);
	int ret = nl_talk(nl, nlh, &handler, err);

	return ret < 0 ? err_wrap(err, "read the chains at the forward hook") : dropper.found;
}
