/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_NETWORK_H
#define CTNAT_CORE_NETWORK_H

/*
 * What the front end was asked, free of JSON: core never sees a cJSON *, the front end never a map.
 * Plain values of fixed size: nothing in a request is owned or freed. `config` and `cni_path` are
 * texts of main's and the environment's.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/addr.h"
#include "base/err.h"

enum verb {
	VERB_ADD,
	VERB_DEL,
	VERB_CHECK,
	VERB_GC,
	VERB_STATUS,
	VERB_VERSION,
};

const char *verb_name(enum verb verb);	/* "ADD" */

#define CONF_CIDRS_MAX		512	/* per list */
#define CONF_UPLINKS_MAX	16
#define CONF_ROUTES_MAX		64
#define CONF_RANGES_MAX		16	/* ranges of one set */
#define CONF_SETS_MAX		POD_ADDRS_MAX
#define CONF_DNS_MAX		32	/* Kubernetes allows a pod 32 search domains */

struct cidr_list {
	bool set;			/* the key was there, if only as [] */
	size_t n;
	struct cidr cidrs[CONF_CIDRS_MAX];
};

/* The node-wide keys: whoever makes the node's base state takes them, later ones must agree. */
struct node_settings {
	struct cidr_list non_masquerade;	/* CLASS_LEAVE */
	struct cidr_list services;		/* CLASS_SERVICE */
	struct cidr_list masquerade;		/* CLASS_BPF */
	char uplinks[CONF_UPLINKS_MAX][IFNAME_MAX];
	size_t n_uplinks;			/* 0: the devices of the default routes */
	__u32 mtu;				/* 0: the smallest of the uplinks' ... */
	__u32 overhead;				/* ... less this many bytes */
	__u16 port_min, port_max;		/* default 1024-65535 */
	bool spoof_check;			/* default true */
	__u32 insert_limit;			/* default 2000, 0: none */
	enum datapath_level datapath;		/* LEVEL_NONE: auto */
	enum short_way short_way;		/* default SHORT_CACHED */
	__u32 stack_mark;			/* default 0: none */
};

struct ip_range {
	struct cidr subnet;		/* masked */
	struct addr first, last;	/* inclusive, without network and IPv4 broadcast */
	struct addr gateway;		/* all zero: none named; never handed out */
};

/* One address comes from each set; the ranges of a set are tried in order and have one family. */
struct range_set {
	size_t n;
	struct ip_range ranges[CONF_RANGES_MAX];
};

struct pod_route {
	struct cidr dst;
	__u32 mtu;			/* 0: none */
};

struct dns {
	char nameservers[CONF_DNS_MAX][ADDR_STRLEN];
	size_t n_nameservers;
	char domain[256];
	char search[CONF_DNS_MAX][256];
	size_t n_search;
	char options[CONF_DNS_MAX][64];
	size_t n_options;
};

/* What only ctnatd knows. The arrays are the owner's. */
struct cluster_cidrs {
	bool services_known;		/* false: any destination may be a service's */
	const struct cidr *pods;	/* of all nodes: CLASS_LEAVE */
	size_t n_pods;
	const struct cidr *services;	/* CLASS_SERVICE */
	size_t n_services;
	const struct cidr *externals;	/* of services: CLASS_KERNEL */
	size_t n_externals;
};

struct network {
	char cni_version[16];
	char name[NETWORK_NAME_MAX];
	struct node_settings node;
	char ipam_type[32];		/* "ctnat", or whom to execute; "": no addresses */
	struct range_set sets[CONF_SETS_MAX];
	size_t n_sets;
	struct pod_route routes[CONF_ROUTES_MAX];
	size_t n_routes;
	bool status_when_full_ok;	/* statusWhenFull: "ok" */
	/* asked for this one attachment (capabilities, CNI_ARGS) */
	struct addr ips[POD_ADDRS_MAX];
	size_t n_ips;
	bool has_mac;
	__u8 mac[MAC_LEN];
	bool shaped;			/* a plugin behind us limits the pod */
	struct dns dns;			/* runtimeConfig.dns, else the delegate's, else empty */
	/* NULL: a conflist's, whose settings count only where ctnatd does not hold the node */
	const struct cluster_cidrs *cluster;
};

/* Is there a delegated IPAM plugin? */
static inline bool delegates(const struct network *net)
{
	return net->ipam_type[0] && strcmp(net->ipam_type, "ctnat");
}

struct request;
struct delegate_result;
/* Contract in delegate.h. */
typedef int (*delegate_fn)(enum verb verb, const struct request *req, const struct network *net,
			   struct delegate_result *out, struct err *err);

struct request {
	enum verb verb;
	struct attachment_key key;
	char netns[256];		/* CNI_NETNS; "" if none */
	const char *cni_path;		/* CNI_PATH; NULL if none */
	char pod_name[128];		/* "namespace/name" from K8S_* in CNI_ARGS; "" if none */
	const char *config;		/* the configuration as it came, for the delegate */
	delegate_fn delegate;		/* runs net->ipam_type; see delegate.h */
	/* CHECK: the addresses that prevResult gives to this interface */
	struct addr expected[POD_ADDRS_MAX];
	size_t n_expected;
};

/* What ADD tells, and CHECK is asked to confirm. */
struct pod_interface {
	char name[IFNAME_MAX];
	__u8 mac[MAC_LEN];
	__u32 mtu;
	char sandbox[256];		/* "" for the host's side */
};

struct attachment_result {
	struct pod_interface host, pod;
	struct cidr addrs[POD_ADDRS_MAX];	/* /32 and /128 */
	size_t n_addrs;
	struct pod_route routes[CONF_ROUTES_MAX];
	size_t n_routes;
	struct dns dns;
};

/* The gateway of every pod, answered for by the host's side of its veth. */
#define POD_GATEWAY4 "169.254.1.1"
#define POD_GATEWAY6 "fe80::1"

#endif
