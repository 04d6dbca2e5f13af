/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_CHAINED_H
#define CTNAT_AGENT_CHAINED_H

/* The plugins of a network configuration list, as programs: which of them are there, and which
 * versions of the specification they speak. */
#include <stdbool.h>
#include <sys/types.h>

#include <linux/types.h>

#include "agent/notes.h"
#include "base/err.h"

#define CHAINED_TYPE_MAX     64
#define CHAINED_VERSIONS_MAX 16
#define CHAINED_MAX	     32

struct chained_plugin {
	char type[CHAINED_TYPE_MAX];
	bool is_there; /* its binary is in the directory of the plugins */
	/* As its VERSION says; of one that cannot be asked, what every plugin speaks by now. */
	char versions[CHAINED_VERSIONS_MAX][16];
	size_t n_versions;
	char mute[256]; /* why it could not be asked; "" if it was */

	struct {
		dev_t dev;
		ino_t ino;
		off_t size;
		__u64 mtime;
	} asked;       /* which file that was */
	__u64 retry;   /* CLOCK_BOOTTIME, ms: a mute one is asked again */
	bool is_known; /* the above is filled in */
};

/* Zeroed but for bin_dir. What was asked is remembered as long as the file is the same. */
struct chained {
	const char *bin_dir;
	struct chained_plugin plugins[CHAINED_MAX];
	size_t n;
};

/* Never NULL; it belongs to `c`, and is good until the next call. What is odd goes to the notes.
 * May take as long as a plugin is given to answer (2 s), once for each file and ten minutes. */
const struct chained_plugin *chained_ask(struct chained *c, const char *type, struct notes *notes);

struct chained_versions {
	const char *list[CHAINED_VERSIONS_MAX]; /* ascending; not to be freed */
	size_t n;
};

/* Of the wanted versions those that all of these plugins speak, and we; if that is none, all that
 * are older. CNI_INCOMPATIBLE_VERSION: there are none either, because of the plugin that is named.
 */
int chained_common(struct chained *c, const char *const *types, size_t n_types,
		   const char *const *wanted, size_t n_wanted, struct chained_versions *out,
		   struct err *err);

#endif
