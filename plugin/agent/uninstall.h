/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_UNINSTALL_H
#define CTNAT_AGENT_UNINSTALL_H

/* Taking ctnat off this node, with what ctnatd put there. Theory in uninstall.c. */
#include <stdbool.h>

#include "agent/install.h"

/* Says what it did. CNI_TRY_AGAIN, and nothing is done, while attachments are alive, unless
 * `force`: then these pods lose their network. To be called again if it failed. No ctnatd may run
 * here. */
int uninstall(struct install *install, bool force, struct err *err);

#endif
