// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "lib/samples.h"

void samples_add(struct samples *samples, double value)
{
	if (samples->n < SAMPLES_MAX)
		samples->value[samples->n++] = value;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double samples_quantile(const struct samples *samples, double q)
{
	double sorted[SAMPLES_MAX], place = q * samples->n;
	size_t rank = (size_t)place;

	if (!samples->n)
		return 0;
	memcpy(sorted, samples->value, samples->n * sizeof(sorted[0]));
	qsort(sorted, samples->n, sizeof(sorted[0]), compare);
	rank += rank < place;
	return sorted[rank - 1];
}

double samples_median(const struct samples *samples)
{
	return samples_quantile(samples, 0.5);
}
