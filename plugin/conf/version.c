// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "conf/version.h"

/* Before 0.3.0 a result was one address of each family, which no runtime asks for any more. */
const char *const supported_versions[] = {
	"0.3.0", "0.3.1", "0.4.0", "1.0.0", VERSION_NEWEST, NULL
};

static const char *const verb_since[] = {
	[VERB_ADD] = "0.1.0",
	[VERB_DEL] = "0.1.0",
	[VERB_CHECK] = "0.4.0",
	[VERB_GC] = "1.1.0",
	[VERB_STATUS] = "1.1.0",
	[VERB_VERSION] = "0.1.0",
};

bool version_supported(const char *version)
{
	for (const char *const *known = supported_versions; *known; known++)
		if (!strcmp(version, *known))
			return true;
	return false;
}

int version_compare(const char *a, const char *b)
{
	for (;;) {
		char *rest_a, *rest_b;
		unsigned long part_a = strtoul(a, &rest_a, 10), part_b = strtoul(b, &rest_b, 10);

		if (part_a != part_b)
			return part_a < part_b ? -1 : 1;
		if (*rest_a != '.' && *rest_b != '.')
			return 0;
		a = rest_a + (*rest_a == '.');
		b = rest_b + (*rest_b == '.');
	}
}

const char *version_of_verb(enum verb verb)
{
	return verb_since[verb];
}
