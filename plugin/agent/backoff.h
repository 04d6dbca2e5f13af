/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_BACKOFF_H
#define CTNAT_AGENT_BACKOFF_H

/*
 * How long to wait before the next try: twice as long each time, up to 30 times the first, and at
 * random between half of that and all of it, so that the nodes of a cluster do not come back as
 * one. Zeroed: nothing has failed yet.
 */
struct backoff {
	unsigned int tries;
};

/* Milliseconds; the first is from half of `first_ms` to all of it. */
unsigned int backoff_next(struct backoff *backoff, unsigned int first_ms);

/* At random from half of `ms` to all of it. */
unsigned int backoff_spread(unsigned int ms);

#endif
