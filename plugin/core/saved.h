/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_SAVED_H
#define CTNAT_CORE_SAVED_H

/*
 * ctnatd's node settings, and what it knows of the cluster, on disk: bpffs does not outlive a boot,
 * and the first ADD after it may come before ctnatd does. Theory in saved.c.
 */
#include "core/network.h"

#define SAVED_DIR  "/var/lib/ctnat"
#define SAVED_NAME "settings"
#define SAVED_PATH SAVED_DIR "/" SAVED_NAME

/* A file of that name in SAVED_DIR, which is made if need be: the old text, or the new one. */
int saved_replace(const char *name, const char *text, size_t len, struct err *err);

/* Of a network with a cluster; makes the directory. */
int saved_write(const struct network *net, struct err *err);

/* The same as text, which the caller frees. */
int saved_format(const struct network *net, char **text, size_t *len, struct err *err);

/* Replaces net->node and net->cluster, which is saved_free()'s from then on. -ENOENT: nothing is
 * saved; then, and on any failure, net is as it was. */
int saved_read(struct network *net, struct err *err);
/* The same from text, which it takes to pieces. */
int saved_parse(char *text, struct network *net, struct err *err);
void saved_free(struct network **net); /* what saved_read() made, and *net itself; also of NULL */

#define _cleanup_saved_ __attribute__((cleanup(saved_free)))

/* Success if there is none. */
int saved_remove(struct err *err);

#endif
