/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_NETNS_H
#define CTNAT_KERN_NETNS_H

/* Network namespaces. */
#include "kern/nl.h"

/* An O_CLOEXEC fd of the namespace at `path`. -EINVAL with a message if the file is no network
 * namespace, -ENOENT if there is none. */
int netns_open(const char *path, struct err *err);
/* The one this process is in. */
int netns_open_self(struct err *err);
/* Inode number: equal for two fds of one namespace. */
int netns_inode(int fd, unsigned long long *out, struct err *err);
/* SO_NETNS_COOKIE (5.14) of the namespace this process is in: never used twice in a boot. */
int netns_cookie(unsigned long long *out, struct err *err);
/* Opens an rtnetlink socket inside `fd`. Back in `self` when it returns, whatever happened. */
int netns_nl_open(struct nl *nl, int fd, int self, struct err *err);
/* Runs fn inside `fd`, and comes back to `self`. Returns fn's value. */
int netns_run(int fd, int self, int (*fn)(void *data, struct err *err), void *data,
	      struct err *err);

#endif
