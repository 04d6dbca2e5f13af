// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/notes.h"

void notes_clear(struct notes *notes)
{
	notes->used = 0;
	notes->text[0] = '\0';
}

static bool is_there(const struct notes *notes, const char *line)
{
	const char *at = strstr(notes->text, line);

	return at && at < line && (at == notes->text || at[-1] == '\n');
}

/* A line is there once and as a whole, or not at all. */
void notes_add(struct notes *notes, const char *fmt, ...)
{
	size_t room = sizeof(notes->text) - notes->used;
	char *at = notes->text + notes->used;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(at, room, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n + sizeof("\n") > room) {
		*at = '\0';
		return;
	}
	strcpy(at + n, "\n");
	if (is_there(notes, at))
		*at = '\0';
	else
		notes->used += (size_t)n + 1;
}

bool notes_equal(const struct notes *a, const struct notes *b)
{
	return a->used == b->used && !memcmp(a->text, b->text, a->used);
}
