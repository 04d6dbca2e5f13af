// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>

#include "agent/loop.h"

int main(void)
{
	struct loop loop;

	return loop_open(&loop, NULL) < 0 || loop_run(&loop, NULL) < 0;
}
