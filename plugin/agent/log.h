/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_LOG_H
#define CTNAT_AGENT_LOG_H

/* What ctnatd says, on stderr: one line each, with its level first. */
enum log_level {
	LOG_ERROR,   /* something is not as it should be, and somebody must see to it */
	LOG_WARNING, /* it is tried again, or done without */
	LOG_INFO,    /* something changed */
	LOG_DEBUG,
};

/* Less important levels are not printed; LOG_INFO at first. */
void log_set_level(enum log_level level);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * A condition that lasts: said when it begins, when its text changes, and when it is over, not each
 * time that it is found again. Zeroed at first; `what` names it: "base state", "routes".
 */
struct log_state {
	char last[512];
};

/* msg NULL: all is well. */
void log_state(struct log_state *state, const char *what, const char *msg);

#endif
