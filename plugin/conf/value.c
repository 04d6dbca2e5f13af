// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "conf/value.h"

int host_parse(const char *text, struct addr *out)
{
	struct cidr cidr;

	if (!addr_parse(text, out))
		return 0;
	if (cidr_parse(text, &cidr))
		return -EINVAL;
	*out = cidr.addr;
	return 0;
}

int value_addr(const struct json *value, struct addr *out, struct err *err)
{
	const char *text;
	int ret;

	ret = json_string(value, &text, err);
	if (ret)
		return ret;
	return addr_parse(text, out) ? json_reject(value, err, "not an IP address") : 0;
}

int value_address(const struct json *value, struct cidr *out, struct err *err)
{
	const char *text;
	int ret;

	ret = json_string(value, &text, err);
	if (ret)
		return ret;
	if (cidr_parse(text, out))
		return json_reject(value, err, "not a prefix such as 10.244.0.0/16 or fd00::/64");
	return 0;
}

int value_cidr(const struct json *value, struct cidr *out, struct err *err)
{
	char network[ADDR_STRLEN];
	struct cidr cidr, masked;
	int ret;

	ret = value_address(value, &cidr, err);
	if (ret)
		return ret;
	masked = cidr_mask(&cidr);
	if (!addr_equal(&masked.addr, &cidr.addr))
		return json_reject(value, err, "has host bits set, the network is %s",
				   cidr_format(&masked, network));
	*out = cidr;
	return 0;
}

int value_host(const struct json *value, struct addr *out, struct err *err)
{
	const char *text;
	int ret;

	ret = json_string(value, &text, err);
	if (ret)
		return ret;
	return host_parse(text, out) ? json_reject(value, err, "not an IP address") : 0;
}

int value_mac(const struct json *value, __u8 out[MAC_LEN], struct err *err)
{
	__u8 mac[MAC_LEN];
	const char *text;
	int ret;

	ret = json_string(value, &text, err);
	if (ret)
		return ret;
	if (parse_mac(text, mac))
		return json_reject(value, err, "not a MAC address such as c2:11:22:33:44:55");
	if (!mac_is_unicast(mac))
		return json_reject(value, err, "no interface can have this MAC address");
	memcpy(out, mac, sizeof(mac));
	return 0;
}

int value_name(const struct json *value, char *out, size_t size, struct err *err)
{
	const char *text;
	int ret;

	ret = json_string(value, &text, err);
	if (ret)
		return ret;
	if (!parse_is_name(text))
		return json_reject(
			value, err,
			"must be a letter or digit, then letters, digits, '_', '.', '-'");
	if (strlen(text) >= size)
		return json_reject(value, err, "is longer than %zu bytes", size - 1);
	snprintf(out, size, "%s", text);
	return 0;
}

int value_ifname(const struct json *value, char out[IFNAME_MAX], struct err *err)
{
	const char *text;
	int ret;

	ret = json_string(value, &text, err);
	if (ret)
		return ret;
	if (!parse_is_ifname(text))
		return json_reject(value, err, "not a name of a network interface");
	snprintf(out, IFNAME_MAX, "%s", text);
	return 0;
}

int value_mask(const struct json *value, __u32 *out, struct err *err)
{
	unsigned long long number;
	const char *text;

	if (!json_integer(value, UINT32_MAX, &number, NULL)) {
		*out = (__u32)number;
		return 0;
	}
	if (!json_string(value, &text, NULL) && !parse_mask(text, out))
		return 0;
	return json_reject(value, err, "must be 32 bits, as a number or as text such as \"0x80\"");
}

int value_word(const struct json *value, const char *const *words, size_t n, size_t *out,
	       struct err *err)
{
	char all[128] = "";
	const char *text;
	size_t len = 0;
	int ret;

	ret = json_string(value, &text, err);
	if (ret)
		return ret;
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(text, words[i])) {
			*out = i;
			return 0;
		}
		len += snprintf(all + len, sizeof(all) - len, "%s%s",
				!i ? "" : i + 1 < n ? ", " : " or ", words[i]);
	}
	return json_reject(value, err, "must be %s", all);
}

int value_get_word(const struct json *object, const char *key, const char *const *words, size_t n,
		   size_t *out, struct err *err)
{
	struct json value;
	int ret;

	ret = json_get(object, key, &value, err);
	if (ret <= 0)
		return ret;
	ret = value_word(&value, words, n, out, err);
	return ret < 0 ? ret : 1;
}
