/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_TESTS_LAB_H
#define CTNAT_TESTS_LAB_H

/*
 * Nodes and pods of a test program's own: namespaces that live as long as this process holds them,
 * so that nothing is left behind, however it ends. The machine's own namespaces are never written
 * to.
 */
#include <stddef.h>

#include "base/err.h"

/* A network namespace, and a mount namespace with /run, /sys and bpffs of its own: two fds. */
struct node {
	int net, mnt;
};

/* The namespaces this process is in now. */
int node_current(struct node *out, struct err *err);

/* Makes a node that has `lo`, an uplink eth0 with 192.0.2.1/24, and a default route. The process is
 * in `home` before and after; when this fails, it may be anywhere. */
int node_make(const struct node *home, struct node *out, struct err *err);

/* Moves this process, which has one thread. Its working directory becomes "/". */
int node_enter(const struct node *node, struct err *err);

/* A new network namespace, mounted at `path` in the current node, which the caller is in before and
 * after. */
int pod_make(const char *path, struct err *err);

/* Where the pods of a node are mounted by convention; below the node's own /run. */
#define POD_DIR "/run/netns"

#endif
