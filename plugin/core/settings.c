// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: every destination has one class, that of the longest prefix that holds it (design: bpf, kernel, service,
 * leave; bpf/abi.h). The list below is written in order of authority: where the same prefix comes twice, the later one
 * counts. A longer prefix always wins over a shorter one, whoever gave it, so "everything in 10/8 stays, but 10.9/16"
 * needs no order.
 *
 *	the rest of the world			bpf
 *	multicast, limited broadcast		leave
 *	link-local (with the metadata address)	kernel
 *	private ranges, unless serviceCIDRs	kernel: somewhere in there are the services, and a flow to a service that
 *	  is set, if only to []			BPF inserted first would never meet kube-proxy's DNAT
 *	this node's pod ranges			leave, and marked as pod ranges
 *	serviceCIDRs				service
 *	nonMasqueradeCIDRs			leave
 *	masqueradeCIDRs				bpf
 */
#include <errno.h>
#include <string.h>

#include "core/identity.h"
#include "core/settings.h"

struct default_class {
	const char *cidr;
	enum masq_class class;
};

static const struct default_class defaults[] = {
	{ "0.0.0.0/0", CLASS_BPF },	     { "::/0", CLASS_BPF },
	{ "224.0.0.0/4", CLASS_LEAVE },	     { "ff00::/8", CLASS_LEAVE },
	{ "255.255.255.255/32", CLASS_LEAVE }, { "169.254.0.0/16", CLASS_KERNEL },
	{ "fe80::/10", CLASS_KERNEL },
};

/* RFC 1918, RFC 6598, RFC 4193 */
static const struct default_class private_ranges[] = {
	{ "10.0.0.0/8", CLASS_KERNEL },	   { "172.16.0.0/12", CLASS_KERNEL }, { "192.168.0.0/16", CLASS_KERNEL },
	{ "100.64.0.0/10", CLASS_KERNEL }, { "fc00::/7", CLASS_KERNEL },
};

static __u64 hash_list(__u64 hash, const struct cidr_list *list)
{
	hash = hash_bytes(hash, &list->set, sizeof(list->set));
	return hash_bytes(hash, list->cidrs, list->n * sizeof(list->cidrs[0]));
}

__u64 settings_hash(const struct node_settings *s)
{
	__u64 hash = hash_list(hash_list(hash_list(HASH_SEED, &s->non_masquerade), &s->services), &s->masquerade);
	const __u64 numbers[] = { s->mtu, s->port_min, s->port_max, s->spoof_check, s->datapath, s->insert_limit };

	for (size_t i = 0; i < s->n_uplinks; i++)
		hash = hash_bytes(hash, s->uplinks[i], strlen(s->uplinks[i]) + 1);
	return hash_bytes(hash, numbers, sizeof(numbers));
}

static int set_class(struct node *node, const struct cidr *cidr, enum masq_class class, bool pod_range, struct err *err)
{
	struct cidr masked = cidr_mask(cidr);
	struct cidr_key key = { masked.len, masked.addr };
	struct cidr_class value = { class, masked.len, pod_range }, old;
	char text[ADDR_STRLEN];
	int ret;

	/* a pod range stays one, whatever class its destinations get */
	if (!map_get(node->maps.fd[MAP_MASQ_CIDRS], &key, &old) && old.prefixlen == key.prefixlen)
		value.pod_range = value.pod_range || old.pod_range;
	ret = map_set(node->maps.fd[MAP_MASQ_CIDRS], &key, &value);
	return ret < 0 ? err_set(err, ret, "write %s to map 'masq_cidrs'", cidr_format(&masked, text)) : 0;
}

static int set_defaults(struct node *node, const struct default_class *list, size_t n, struct err *err)
{
	struct cidr cidr;
	int ret = 0;

	for (size_t i = 0; i < n && !ret; i++) {
		ret = cidr_parse(list[i].cidr, &cidr);
		if (!ret)
			ret = set_class(node, &cidr, list[i].class, false, err);
	}
	return ret;
}

static int set_list(struct node *node, const struct cidr_list *list, enum masq_class class, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < list->n && !ret; i++)
		ret = set_class(node, &list->cidrs[i], class, false, err);
	return ret;
}

int settings_add_ranges(struct node *node, const struct network *net, struct err *err)
{
	for (size_t i = 0; i < net->n_sets; i++) {
		for (size_t j = 0; j < net->sets[i].n; j++) {
			const struct cidr *subnet = &net->sets[i].ranges[j].subnet;
			struct cidr_key key = { subnet->len, subnet->addr };
			struct cidr_class old;
			enum masq_class class = CLASS_LEAVE;
			int ret;

			/* an operator's word for this very prefix stands */
			if (!map_get(node->maps.fd[MAP_MASQ_CIDRS], &key, &old) && old.prefixlen == subnet->len)
				class = old.class;
			ret = set_class(node, subnet, class, true, err);
			if (ret < 0)
				return ret;
		}
	}
	return 0;
}

/* Everything goes but pod ranges, which other networks may have added: those fall back to `leave`. A packet that looks
 * meanwhile meets no class, which programs read as `kernel`: the base table decides. */
static int forget(const void *key, const void *value, void *data)
{
	const struct cidr_class *class = value;
	struct cidr_class left = { CLASS_LEAVE, class->prefixlen, 1 };
	int fd = *(const int *)data;

	return class->pod_range ? map_set(fd, key, &left) : map_delete(fd, key);
}

int settings_apply(struct node *node, const struct network *net, struct err *err)
{
	const struct node_settings *s = &net->node;
	struct config *config = &node->config;
	int fd = node->maps.fd[MAP_MASQ_CIDRS], ret;

	ret = map_each(fd, sizeof(struct cidr_key), sizeof(struct cidr_class), forget, &fd);
	if (ret < 0)
		return err_set(err, ret, "empty map 'masq_cidrs'");
	ret = set_defaults(node, defaults, sizeof(defaults) / sizeof(defaults[0]), err);
	if (!ret && !s->services.set)
		ret = set_defaults(node, private_ranges, sizeof(private_ranges) / sizeof(private_ranges[0]), err);
	if (!ret)
		ret = settings_add_ranges(node, net, err);
	if (!ret)
		ret = set_list(node, &s->services, CLASS_SERVICE, err);
	if (!ret)
		ret = set_list(node, &s->non_masquerade, CLASS_LEAVE, err);
	if (!ret)
		ret = set_list(node, &s->masquerade, CLASS_BPF, err);
	if (ret < 0)
		return ret;

	config->port_min = s->port_min;
	config->port_max = s->port_max;
	config->insert_limit = s->insert_limit;
	config->insert_timeout_ms = 5000;
	config->spoof_check = s->spoof_check;
	config->mtu = s->mtu;
	config->owner = OWNER_CONFLIST;
	config->settings_hash = settings_hash(s);
	memcpy(config->network, net->name, sizeof(config->network));
	return 0;
}
