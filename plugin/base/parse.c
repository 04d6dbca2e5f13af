// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/parse.h"

/* isalnum() would ask the locale. */
#define LETTERS_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

bool parse_is_name(const char *text)
{
	return strspn(text, LETTERS_DIGITS) && !text[strspn(text, LETTERS_DIGITS "_.-")];
}

bool parse_is_ifname(const char *text)
{
	size_t len = strlen(text);

	if (!len || len >= IFNAME_MAX || !strcmp(text, ".") || !strcmp(text, ".."))
		return false;
	for (; *text; text++)
		if (!isgraph((unsigned char)*text) || strchr("/:%", *text))
			return false;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int parse_mac(const char *text, __u8 out[MAC_LEN])
{
	__u8 mac[MAC_LEN];

	for (size_t i = 0; i < MAC_LEN; i++) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
		char after = low < 0 ? '\0' : text[2];

		if (low < 0 || (i == MAC_LEN - 1 ? after != '\0' : after != ':' && after != '-'))
			return -EINVAL;
		mac[i] = (__u8)(high << 4 | low);
		text += 3;
	}
	memcpy(out, mac, MAC_LEN);
	return 0;
}

bool mac_is_unicast(const __u8 mac[MAC_LEN])
{
	static const __u8 zero[MAC_LEN];

	return !(mac[0] & 1) && memcmp(mac, zero, MAC_LEN);
}

int parse_mask(const char *text, __u32 *out)
{
	bool hex = text[0] == '0' && (text[1] | 0x20) == 'x';
	unsigned int base = hex ? 16 : 10;
	__u64 mask = 0;

	text += hex ? 2 : 0;
	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		int digit = hex_digit(*text);

		if (digit < 0 || digit >= (int)base)
			return -EINVAL;
		mask = mask * base + (unsigned int)digit;
		if (mask > UINT32_MAX)
			return -EINVAL;
	}
	*out = (__u32)mask;
	return 0;
}

/* A decimal port, which is not 0, and what follows it; NULL if there is none. */
static const char *parse_port(const char *text, __u16 *out)
{
	size_t digits = strspn(text, "0123456789");
	unsigned int port = 0;

	if (!digits || digits > 5)
		return NULL;
	for (size_t i = 0; i < digits; i++)
		port = port * 10 + (unsigned int)(text[i] - '0');
	if (!port || port > UINT16_MAX)
		return NULL;
	*out = (__u16)port;
	return text + digits;
}

int parse_port_range(const char *text, __u16 *min, __u16 *max)
{
	__u16 first, last;

	text = parse_port(text, &first);
	if (!text || *text != '-')
		return -EINVAL;
	text = parse_port(text + 1, &last);
	if (!text || *text || first > last)
		return -EINVAL;
	*min = first;
	*max = last;
	return 0;
}
