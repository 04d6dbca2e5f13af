/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_TESTS_CTTABLE_H
#define CTNAT_TESTS_CTTABLE_H

/* The conntrack table of the namespace that the test is in, as conntrack(8) prints it. */

int ct_entries(void);
/* Asserts that an entry's line holds this text. */
void ct_expect(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ct_expect_none(void);
/* Asserts that the table's only entry of this protocol was given so many seconds a moment ago. */
void ct_expires(const char *proto, int seconds);
/* Runs `conntrack` with these arguments. */
void ct_do(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
