// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/cleanup.h"
#include "core/identity.h"
#include "kern/bpffs.h"

__u64 hash_bytes(__u64 seed, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	while (len--)
		seed = (seed ^ *p++) * 0x100000001b3ULL;
	return seed;
}

static __u64 key_hash(const struct attachment_key *key)
{
	__u64 hash = hash_bytes(HASH_SEED, key->container_id, strlen(key->container_id) + 1);

	return hash_bytes(hash, key->ifname, strlen(key->ifname) + 1);
}

bool key_equal(const struct attachment_key *a, const struct attachment_key *b)
{
	return !strcmp(a->container_id, b->container_id) && !strcmp(a->ifname, b->ifname);
}

void identity_host_ifname(const struct attachment_key *key, char out[IFNAME_MAX])
{
	snprintf(out, IFNAME_MAX, HOST_IFNAME_PREFIX "%012llx",
		 (unsigned long long)key_hash(key) & 0xffffffffffffULL);
}

void identity_mac(const struct attachment_key *key, int side, __u8 out[MAC_LEN])
{
	__u64 hash = key_hash(key);

	memcpy(out, &hash, MAC_LEN);
	out[0] = (out[0] & 0xfc) | 0x02;	/* locally administered, not multicast */
	out[5] = (out[5] & 0xfe) | side;
}

void identity_alias(const struct attachment_key *key, const char *network, char out[ALIAS_MAX])
{
	snprintf(out, ALIAS_MAX, "ctnat/%s/%s/%s", network, key->container_id, key->ifname);
}

/* Copies the piece up to the next slash, or the rest if it is the last one. */
static const char *take_piece(const char *from, bool last, char *out, size_t size)
{
	size_t len = last ? strlen(from) : strcspn(from, "/");

	if (!len || len >= size || (!last && from[len] != '/'))
		return NULL;
	memset(out, 0, size);
	memcpy(out, from, len);
	return from + len + !last;
}

int identity_parse_alias(const char *alias, struct attachment_key *key,
			 char network[NETWORK_NAME_MAX])
{
	static const char head[] = "ctnat/";
	const char *at = alias + sizeof(head) - 1;

	if (strncmp(alias, head, sizeof(head) - 1))
		return -EINVAL;
	if (!(at = take_piece(at, false, network, NETWORK_NAME_MAX)) ||
	    !(at = take_piece(at, false, key->container_id, CONTAINER_ID_MAX)) ||
	    !take_piece(at, true, key->ifname, IFNAME_MAX))
		return -EINVAL;
	return 0;
}

bool identity_is_locked(const struct attachment_key *key)
{
	_cleanup_close_ int fd = -1;
	char dir[64];

	snprintf(dir, sizeof(dir), "%s/%02x", PIN_LOCKS,
		 (unsigned int)(key_hash(key) % LOCK_SLOTS));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
}

int identity_lock(const struct attachment_key *key, bool wait, const struct attachment_lock *held,
		  struct attachment_lock *out, struct err *err)
{
	unsigned int slot = key_hash(key) % LOCK_SLOTS;
	char dir[64];
	int fd;

	if (held && held->fd >= 0 && held->slot == slot) {
		*out = (struct attachment_lock){ -1, slot };
		return 0;
	}
	snprintf(dir, sizeof(dir), "%s/%02x", PIN_LOCKS, slot);
	fd = bpffs_lock(dir, wait, err);
	if (fd < 0)
		return err_wrap(err, "attachment %s/%s", key->container_id, key->ifname);
	*out = (struct attachment_lock){ fd, slot };
	return 0;
}
