/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_TESTS_SAMPLES_H
#define CTNAT_TESTS_SAMPLES_H

/* Measurements of one thing. */
#include <stddef.h>

#define SAMPLES_MAX 1000

struct samples {
	size_t n;
	double value[SAMPLES_MAX];
};

/* What does not fit is not kept. */
void samples_add(struct samples *samples, double value);

/* 0 < q <= 1, by nearest rank: always a value that was measured; of 50 the 99th percentile is the
 * largest. 0 if empty. */
double samples_quantile(const struct samples *samples, double q);
double samples_median(const struct samples *samples);

#endif
