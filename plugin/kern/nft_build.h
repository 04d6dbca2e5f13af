/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_NFT_BUILD_H
#define CTNAT_KERN_NFT_BUILD_H

/*
 * Puts a table together, one call for each piece of nft's syntax: what is matched or done is added
 * to the rule begun last, a rule to the chain begun last. When memory runs out the builder
 * remembers it and adds nothing more, so that a table reads without interruption; nft_built()
 * tells in the end.
 */
#include <stdbool.h>

#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>

#include "base/addr.h"

#define NFT_COMMENT_MAX 128	/* with the NUL: nft's own limit */

struct nft_table {
	struct nftnl_table *table;
	struct nftnl_set_list *sets;		/* with their elements */
	struct nftnl_chain_list *chains;	/* with their rules; who is gone to, comes first */
	unsigned int objects;			/* sets and chains: the kernel's use count */
};

struct nft_builder {
	struct nft_table t;
	struct nftnl_chain *chain;
	struct nftnl_rule *rule;
	int error;			/* 0 or -ENOMEM */
};

struct nft_ports {
	__u16 min, max;			/* host order, inclusive */
};

void nft_begin_table(struct nft_builder *b, const char *name, const char *comment);

/* The builder takes over `set` (NULL: no memory). */
void nft_add_set(struct nft_builder *b, struct nftnl_set *set, const char *comment);

void nft_begin_chain(struct nft_builder *b, const char *name);
/* type: "nat" or "filter"; hook postrouting, policy accept. */
void nft_begin_postrouting(struct nft_builder *b, const char *name, const char *type, int priority);
void nft_begin_rule(struct nft_builder *b, const char *comment);

/* meta nfproto: nft writes it before `ip` or `ip6`, and does not show it. */
void nft_match_family(struct nft_builder *b, __u8 nfproto);
/* ip saddr @set: `len` bytes at `offset` of the network header. flags: NFT_LOOKUP_F_INV for != */
void nft_match_address(struct nft_builder *b, unsigned int offset, unsigned int len,
		       const char *set, unsigned int flags);
/* oifname "eth0" */
void nft_match_device(struct nft_builder *b, const char *name);
/* meta l4proto tcp */
void nft_match_protocol(struct nft_builder *b, __u8 protocol);
/* ct original ip saddr @set: key NFT_CT_SRC_IP or NFT_CT_SRC_IP6 */
void nft_match_originator(struct nft_builder *b, unsigned int key, const char *set);

/* snat ip to <addr>; with ports: :<min>-<max> fully-random */
void nft_snat(struct nft_builder *b, const struct addr *to, const struct nft_ports *ports);
/* masquerade; with ports: to :<min>-<max> fully-random */
void nft_masquerade(struct nft_builder *b, const struct nft_ports *ports);
void nft_goto(struct nft_builder *b, const char *chain);
void nft_counter(struct nft_builder *b);
void nft_drop(struct nft_builder *b);

/* Hands the table to *out. Returns 0 or -ENOMEM. */
int nft_built(struct nft_builder *b, struct nft_table *out);
void nft_table_free(struct nft_table *t);	/* also of a zeroed one */

#define _cleanup_nft_table_ __attribute__((cleanup(nft_table_free)))

/* Writes the rule's comment, "" if it has none, and returns buf. */
const char *nft_comment(const struct nftnl_rule *rule, char buf[NFT_COMMENT_MAX]);

#endif
