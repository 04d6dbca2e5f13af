/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_PROGRAMS_H
#define CTNAT_CORE_PROGRAMS_H

/* Which programs a device carries: what the level in force and the kind of the device say. */
#include "core/node.h"
#include "kern/tcattach.h"

enum device_kind {
	DEVICE_POD,		/* the host's side of a pod's veth */
	DEVICE_ETHERNET,	/* an uplink */
	DEVICE_UPLINK,		/* one of another type: guarded, and not a place of the short way */
};

/* The kind of an uplink's device. */
enum device_kind programs_uplink_kind(const struct uplink *uplink);

/* Attaches the pinned programs, each in place of an older one; at a level without programs takes
 * off what is there. `way` as in tc_attach(). */
int programs_attach(const struct node *node, int ifindex, enum device_kind kind, enum tc_way way,
		    struct err *err);

/* 0, or CNI_CHECK_FAILED: "<what> '<name>' does not carry ...". Changes nothing. */
int programs_verify(const struct node *node, int ifindex, enum device_kind kind, const char *name,
		    struct err *err);

/* Takes off every program of ours, whatever the device is. Success if it has none. */
int programs_detach(int ifindex, struct err *err);

/*
 * Has nobody begun to replace the programs since this node was opened? If so, rereads its config.
 * Who replaces them pins the new ones first and then walks over the pods' links by their aliases;
 * so an ADD asks this after it has set the alias, and attaches again.
 */
bool programs_stand(struct node *node);

#endif
