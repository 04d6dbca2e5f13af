/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_ENVELOPE_H
#define CTNAT_AGENT_ENVELOPE_H

/* What objects come in: pages of a list, events of a watch. */
#include "agent/object.h"

/* What remains of a page when its items are gone (agent/scan.h). */
struct page {
	char version[OBJECT_VERSION_MAX];
	char *more; /* the token to continue with, which the caller frees; NULL: the last page */
};

int page_parse(const char *text, size_t len, struct page *out, struct err *err);

enum event_type { EVENT_PUT, EVENT_DELETE, EVENT_BOOKMARK, EVENT_ERROR };

struct event {
	enum event_type type;
	/* PUT: all; DELETE: name and version; BOOKMARK: version */
	struct object object;
};

/*
 * A document of a watch. 0, or -errno with an error that names the object. If the object has a
 * version all the same (version[0]), the event is none that could be had again by asking anew.
 * EVENT_ERROR is what the server says of the watch itself: a success, and err holds its words.
 */
int event_parse(const char *text, size_t len, enum kind kind, struct event *out, struct err *err);

#endif
