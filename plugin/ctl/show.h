/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CTL_SHOW_H
#define CTNAT_CTL_SHOW_H

/* How things that several commands show are put, for people and for programs. */
#include "base/addr.h"
#include "ctl/out.h"
#include "kern/ctnl_list.h"

/* A list for programs, one text for people. */
void show_addrs(struct out *out, const char *key, const struct addr *addrs, size_t n, bool json);

/* 12 digits tell containers apart for people; programs get all. */
void show_container(struct out *out, const struct attachment_key *key, bool json);

/* "10.244.1.5:53", "[fd00::5]:53"; without a port if has_port is false. Returns buf. */
#define END_STRLEN (ADDR_STRLEN + 8)
const char *show_end(const struct addr *addr, unsigned int port, bool has_port,
		     char buf[END_STRLEN]);

/* "assured", "answered", "unreplied". */
const char *show_status(const struct ct_entry *entry);

/* "tcp", "132". Returns buf, or a text of its own. */
const char *show_proto(unsigned int proto, char buf[8]);
/* -EINVAL: neither a name that show_proto() knows nor a number. v4: which ICMP is meant. */
int parse_proto(const char *text, bool v4, unsigned char *out);

#endif
