// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/log.h"

static enum log_level threshold = LOG_INFO;

static const char *const names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARNING] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
	threshold = level;
}

/* One write a line, so that lines of several processes do not mix. */
void log_line(enum log_level level, const char *fmt, ...)
{
	char text[1200];
	va_list args;

	if (level > threshold)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fprintf(stderr, "%-7s %s\n", names[level], text);
}

void log_state(struct log_state *state, const char *what, const char *msg)
{
	if (!msg) {
		if (state->last[0])
			log_line(LOG_INFO, "%s: all is well again", what);
		state->last[0] = '\0';
		return;
	}
	if (!strncmp(state->last, msg, sizeof(state->last) - 1))
		return;
	log_line(LOG_ERROR, "%s: %s", what, msg);
	snprintf(state->last, sizeof(state->last), "%s", msg);
}
