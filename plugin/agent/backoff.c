// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <sys/random.h>

#include "agent/backoff.h"

#define DOUBLINGS 5
#define LIMIT	  30 /* times the first: 1 s becomes 30 s, not 32 */

unsigned int backoff_spread(unsigned int ms)
{
	uint32_t number;

	/* without random numbers all wait as long as they may */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
		return ms;
	return ms - number % (ms / 2 + 1);
}

unsigned int backoff_next(struct backoff *backoff, unsigned int first_ms)
{
	unsigned int ms = first_ms << backoff->tries;

	if (backoff->tries < DOUBLINGS)
		backoff->tries++;
	else
		ms = first_ms * LIMIT;
	return backoff_spread(ms);
}
