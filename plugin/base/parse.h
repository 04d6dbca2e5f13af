/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BASE_PARSE_H
#define CTNAT_BASE_PARSE_H

/* Text from outside, judged: names, MAC addresses, marks, port ranges. (Addresses are addr.h's.) */
#include <stdbool.h>

#include "abi.h"

/* A name as the CNI specification has them, for containers and networks: a letter or digit, then
 * letters, digits, '_', '.', '-'. So no name is a path, or leads out of one. */
bool parse_is_name(const char *text);

/* A name that a network interface can bear: 1 to 15 printable bytes, not "." or "..", without '/',
 * ':', space, and without '%', which the kernel takes for a template ("eth%d"). */
bool parse_is_ifname(const char *text);

/* "c2:11:22:33:44:55", also with '-'. Returns 0 or -EINVAL. */
int parse_mac(const char *text, __u8 out[MAC_LEN]);

/* One that an interface can have: not multicast, not all zero. */
bool mac_is_unicast(const __u8 mac[MAC_LEN]);

/* "128" or "0x80". Returns 0 or -EINVAL. */
int parse_mask(const char *text, __u32 *out);

/* "1024-65535": both inclusive, not 0, ascending. Returns 0 or -EINVAL. */
int parse_port_range(const char *text, __u16 *min, __u16 *max);

#endif
