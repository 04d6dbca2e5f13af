/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_IDENTITY_H
#define CTNAT_CORE_IDENTITY_H

/*
 * Who is who: an attachment is (container ID, ifname), and everything the kernel keeps of it can be
 * found from those two alone, without any record: the host link's name and both MACs are a hash of
 * them, the link's alias spells them out. So DEL works when bpffs is gone, and whoever makes new
 * maps can read the pods back from the links.
 */
#include <stdbool.h>

#include "core/network.h"

#define HOST_IFNAME_PREFIX "ctn"
#define ALIAS_MAX 256		/* IFALIASZ */

/* FNV-1a, 64 bits. */
__u64 hash_bytes(__u64 seed, const void *bytes, size_t len);
#define HASH_SEED 0xcbf29ce484222325ULL

bool key_equal(const struct attachment_key *a, const struct attachment_key *b);

/* "ctn" and 12 hex digits. */
void identity_host_ifname(const struct attachment_key *key, char out[IFNAME_MAX]);
/* Locally administered, unicast; `side` 0 for the host's, 1 for the pod's. */
void identity_mac(const struct attachment_key *key, int side, __u8 out[MAC_LEN]);

/* "ctnat/<network>/<container>/<ifname>", and back: 0, or -EINVAL if the alias is not
 * one of ours. */
void identity_alias(const struct attachment_key *key, const char *network, char out[ALIAS_MAX]);
int identity_parse_alias(const char *alias, struct attachment_key *key,
			 char network[NETWORK_NAME_MAX]);

/*
 * The attachment's lock: whoever works on an attachment holds it, and death gives it back; so a
 * pending record whose lock is free has lost its owner. The locks are a fixed number of
 * directories, chosen by hash, that are made when first used and never removed (a lock file that is
 * removed can be held twice). Two attachments may share one: then they wait for each other, and
 * `held` tells a process that already has it.
 */
struct attachment_lock {
	int fd;			/* -1: not held */
	unsigned int slot;
};

#define LOCK_SLOTS 256

/* Does somebody work on the attachment just now, or on one that shares its lock? Makes nothing. */
bool identity_is_locked(const struct attachment_key *key);

/* wait false: -EWOULDBLOCK if another process has it. `held` (may be NULL): a lock of this process;
 * if it is the same one, *out is {-1, slot} and 0 is returned. Release by closing fd. */
int identity_lock(const struct attachment_key *key, bool wait, const struct attachment_lock *held,
		  struct attachment_lock *out, struct err *err);

#endif
