// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "cni/dnsconf.h"

const struct dns_keys dns_result_keys = {
	.nameservers = "nameservers",
	.domain = "domain",
	.search = "search",
	.options = "options",
};

const struct dns_keys dns_capability_keys = {
	.nameservers = "servers",
	.search = "searches",
	.options = "options",
};

static int read_text(const struct json *value, char *out, size_t size, struct err *err)
{
	const char *text;
	int ret = json_string(value, &text, err);

	if (ret)
		return ret;
	if (strlen(text) >= size)
		return json_reject(value, err, "is longer than %zu bytes", size - 1);
	snprintf(out, size, "%s", text);
	return 0;
}

/* A list of strings into an array of CONF_DNS_MAX times `size` bytes. */
static int read_texts(const struct json *object, const char *key, char *out, size_t size, size_t *n,
		      struct err *err)
{
	struct json list, item = { 0 };
	int ret;

	ret = json_get_list(object, key, &list, err);
	if (ret <= 0)
		return ret;
	while (json_next(&list, &item)) {
		if (*n == CONF_DNS_MAX)
			return json_reject(&list, err, "more than %d entries", CONF_DNS_MAX);
		ret = read_text(&item, out + *n * size, size, err);
		if (ret)
			return ret;
		++*n;
	}
	return 0;
}

int dns_read(const struct json *object, const struct dns_keys *keys, struct dns *out,
	     struct err *err)
{
	struct dns dns = { 0 };
	struct json domain;
	int ret;

	ret = read_texts(object, keys->nameservers, dns.nameservers[0], sizeof(dns.nameservers[0]),
			 &dns.n_nameservers, err);
	if (!ret && keys->domain)
		ret = json_get(object, keys->domain, &domain, err);
	if (ret > 0)
		ret = read_text(&domain, dns.domain, sizeof(dns.domain), err);
	if (!ret)
		ret = read_texts(object, keys->search, dns.search[0], sizeof(dns.search[0]),
				 &dns.n_search, err);
	if (!ret)
		ret = read_texts(object, keys->options, dns.options[0], sizeof(dns.options[0]),
				 &dns.n_options, err);
	if (!ret)
		*out = dns;
	return ret;
}
