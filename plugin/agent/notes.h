/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_NOTES_H
#define CTNAT_AGENT_NOTES_H

/* What somebody should be told, and is no failure: lines, collected anew each time; who tells them
 * does so when they are others than before. What is beyond the room is dropped. */
#include <stdbool.h>
#include <stddef.h>

struct notes {
	size_t used;
	char text[2048]; /* lines, each with its newline */
};

void notes_clear(struct notes *notes);
void notes_add(struct notes *notes, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool notes_equal(const struct notes *a, const struct notes *b);

#endif
