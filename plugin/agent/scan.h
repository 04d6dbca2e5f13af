/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_SCAN_H
#define CTNAT_AGENT_SCAN_H

/*
 * Cuts what an API server sends into JSON documents, as it comes, in pieces of any size. A watch is
 * one document after the other. Of a document that has a list `items`, as a page of a list has,
 * each item comes alone, and at last the document without them ("items":[]). So whoever reads 5,000
 * nodes holds one of them.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define SCAN_MAX (4u << 20) /* of one item or document; an API server's limit is below 2 MB */

struct scanned {
	const char *text; /* with a NUL behind; until the callback returns */
	size_t len;
	bool item;
	bool cut; /* larger than SCAN_MAX: the text is its beginning */
};

struct scan {
	/* A negative return ends scan_feed() with it; it fills err. */
	int (*each)(struct scan *scan, const struct scanned *what, struct err *err);

	/* scan.c's; zeroed before the first use */
	char *text;
	size_t used, size;
	size_t item;	       /* where the item begins that is being read */
	size_t string;	       /* where the last string of the document's own level begins */
	unsigned int depth;    /* of brackets that are open */
	bool quoted, escaped;  /* within a string, after a backslash */
	bool in_items, in_one; /* within the list, within one of its items */
	bool cut;
};

/* CNI_DECODE if it cannot be JSON, whatever may follow; then only scan_reset() helps. What is wrong
 * within a document is left to whoever parses it. */
int scan_feed(struct scan *scan, const char *bytes, size_t len, struct err *err);

/* Between documents? */
bool scan_is_idle(const struct scan *scan);

void scan_reset(struct scan *scan); /* for another stream; keeps `each` */
void scan_free(struct scan *scan);

#endif
