// SPDX-License-Identifier: Apache-2.0
/* Who has which prefix, against a plain loop over all pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/claims.h"

#define CLAIMS	24
#define BEARERS 6
#define ROUNDS	20000

static unsigned int seed = 1;

static unsigned int dice(unsigned int sides)
{
	return rand_r(&seed) % sides;
}

/* Of few addresses and lengths, so that they meet; now and then of the other family, or all of it. */
static struct cidr any_prefix(void)
{
	struct cidr c;

	assert_int_equal(cidr_parse(dice(4) ? "10.244.0.0/16" : "fd00:10:244::/48", &c), 0);
	c.addr.byte[15] = dice(16);
	c.len = dice(50) ? 124 + dice(5) : dice(97);
	return cidr_mask(&c);
}

static bool holds_somebody(const struct claim *claim, const struct bearer *bearers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cidr_contains(&claim->cidr, &bearers[i].addr))
			return true;
	return false;
}

static enum verdict judged(const struct claim *claims, size_t at, const struct bearer *bearers,
			   size_t n)
{
	if (!claims[at].given && holds_somebody(&claims[at], bearers, n))
		return CLAIM_HOLDS;
	for (size_t i = 0; i < at; i++)
		if (claims[i].verdict == CLAIM_STANDS &&
		    cidr_overlaps(&claims[i].cidr, &claims[at].cidr))
			return CLAIM_OVERLAPS;
	return CLAIM_STANDS;
}

static void assert_rival(const struct claim *claims, size_t at, const struct bearer *bearers)
{
	const struct claim *claim = &claims[at];

	if (claim->verdict == CLAIM_HOLDS) {
		assert_true(cidr_contains(&claim->cidr, &bearers[claim->rival].addr));
	} else if (claim->verdict == CLAIM_OVERLAPS) {
		assert_true(claim->rival < at);
		assert_int_equal(claims[claim->rival].verdict, CLAIM_STANDS);
		assert_true(cidr_overlaps(&claims[claim->rival].cidr, &claim->cidr));
	}
}

static void assert_order(const struct claim *claims, const size_t *order, size_t n)
{
	bool seen[CLAIMS] = { false };

	for (size_t i = 0; i < n; i++) {
		const struct cidr *c = &claims[order[i]].cidr, *before;

		assert_false(seen[order[i]]);
		seen[order[i]] = true;
		if (!i)
			continue;
		before = &claims[order[i - 1]].cidr;
		assert_true(addr_compare(&before->addr, &c->addr) < 0 ||
			    (addr_equal(&before->addr, &c->addr) && before->len <= c->len));
	}
}

static void claims_are_judged_as_by_hand(void **state)
{
	size_t verdicts[3] = { 0 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		size_t n = dice(CLAIMS + 1), m = dice(BEARERS + 1), order[CLAIMS];
		struct claim claims[CLAIMS];
		struct bearer bearers[BEARERS];

		for (size_t i = 0; i < n; i++)
			claims[i] = (struct claim){ .cidr = any_prefix(), .given = !i };
		for (size_t i = 0; i < m; i++)
			bearers[i].addr = cidr_last(&(struct cidr){ any_prefix().addr, 128 });
		assert_int_equal(claims_settle(claims, n, bearers, m, order), 0);
		assert_order(claims, order, n);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(claims[i].verdict, judged(claims, i, bearers, m));
			assert_rival(claims, i, bearers);
			verdicts[claims[i].verdict]++;
		}
	}
	for (size_t i = 0; i < 3; i++)
		assert_true(verdicts[i] > ROUNDS);	/* the dice were good */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(claims_are_judged_as_by_hand),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("claims", tests, NULL, NULL);
}
