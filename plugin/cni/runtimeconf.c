// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "cni/dnsconf.h"
#include "cni/ipamconf.h"
#include "cni/runtimeconf.h"
#include "conf/value.h"

#define RATE_MAX (1ULL << 53) /* bits a second */

static int read_ips(const struct json *object, struct network *net, struct err *err)
{
	struct json list, item = { 0 };
	struct addr addr;
	int ret;

	ret = json_get_list(object, "ips", &list, err);
	if (ret <= 0)
		return ret;
	while (json_next(&list, &item)) {
		const char *reason;

		ret = value_host(&item, &addr, err);
		if (ret)
			return ret;
		reason = ipamconf_refuses(net, &addr);
		if (reason)
			return json_reject(&item, err, "%s", reason);
		if (net->n_ips == POD_ADDRS_MAX)
			return json_reject(&list, err, "more than %d addresses", POD_ADDRS_MAX);
		net->ips[net->n_ips++] = addr;
	}
	return 0;
}

/* args.cni.ips, the specification's older convention. `args` may hold anything else. */
static int read_args_ips(const struct json *root, struct network *net, struct err *err)
{
	struct json args, cni;
	int ret;

	ret = json_get_object(root, "args", &args, err);
	if (ret > 0)
		ret = json_get_object(&args, "cni", &cni, err);
	if (ret > 0)
		ret = read_ips(&cni, net, err);
	return ret;
}

static int take_args_ip(const struct cni_args *args, struct network *net, struct err *err)
{
	const char *reason = ipamconf_refuses(net, &args->ip);
	char text[ADDR_STRLEN];

	if (reason)
		return err_cni(err, CNI_INVALID_ENV, "CNI_ARGS: IP: '%s': %s",
			       addr_format(&args->ip, text), reason);
	net->ips[net->n_ips++] = args->ip;
	return 0;
}

static int read_mac(const struct json *runtime, struct network *net, struct err *err)
{
	struct json value;
	int ret;

	ret = json_get(runtime, "mac", &value, err);
	if (ret <= 0)
		return ret;
	ret = value_mac(&value, net->mac, err);
	net->has_mac = !ret;
	return ret;
}

/* Only whether there is a limit: the bandwidth plugin behind us sets it, and the datapath must then
 * not go round it. */
static int read_bandwidth(const struct json *runtime, struct network *net, struct err *err)
{
	static const char *const rates[] = { "ingressRate", "egressRate" };
	struct json bandwidth;
	int ret;

	ret = json_get_object(runtime, "bandwidth", &bandwidth, err);
	if (ret <= 0)
		return ret;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		unsigned long long rate = 0;

		ret = json_get_integer(&bandwidth, rates[i], RATE_MAX, &rate, err);
		if (ret < 0)
			return ret;
		net->shaped = net->shaped || rate;
	}
	return 0;
}

static int read_dns(const struct json *runtime, struct network *net, struct err *err)
{
	struct json dns;
	int ret;

	ret = json_get_object(runtime, "dns", &dns, err);
	return ret > 0 ? dns_read(&dns, &dns_capability_keys, &net->dns, err) : ret;
}

int runtimeconf_parse(const struct json *root, const struct json *runtime,
		      const struct cni_args *args, struct network *net, struct err *err)
{
	static int (*const readers[])(const struct json *runtime, struct network *net,
				      struct err *err) = {
		read_ips,
		read_mac,
		read_bandwidth,
		read_dns,
	};
	int ret = 0;

	for (size_t i = 0; runtime->node && i < sizeof(readers) / sizeof(readers[0]); i++) {
		ret = readers[i](runtime, net, err);
		if (ret < 0)
			return ret;
	}
	if (!net->n_ips)
		ret = read_args_ips(root, net, err);
	if (ret >= 0 && !net->n_ips && args->has_ip)
		ret = take_args_ip(args, net, err);
	if (ret < 0)
		return ret;
	if (!net->has_mac && args->has_mac) {
		net->has_mac = true;
		memcpy(net->mac, args->mac, sizeof(net->mac));
	}
	return 0;
}
