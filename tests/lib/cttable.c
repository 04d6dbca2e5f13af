// SPDX-License-Identifier: Apache-2.0
/* Theory: what conntrack(8) prints is what an administrator would see, and so what is tested. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cttable.h"
#include "lib/datapath.h"

static char table[1 << 16];

static void read_table(void)
{
	FILE *list = popen("conntrack -L -f ipv4 2>/dev/null; conntrack -L -f ipv6 2>/dev/null", "r");
	size_t n;

	assert_non_null(list);
	n = fread(table, 1, sizeof(table) - 1, list);
	table[n] = '\0';
	pclose(list);
}

int ct_entries(void)
{
	int n = 0;

	read_table();
	for (const char *c = table; *c; c++)
		n += *c == '\n';
	return n;
}

void ct_expect(const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	read_table();
	if (!strstr(table, text))
		fail_msg("no conntrack entry says '%s':\n%s", text, table);
}

void ct_expect_none(void)
{
	read_table();
	if (*table)
		fail_msg("expected no conntrack entry:\n%s", table);
}

void ct_expires(const char *proto, int seconds)
{
	const char *entry;
	int left;

	read_table();
	entry = strstr(table, proto);
	if (!entry || sscanf(entry, "%*s %*d %d", &left) != 1)
		fail_msg("no conntrack entry of %s:\n%s", proto, table);
	if (left > seconds || left < seconds - 3)
		fail_msg("%s expires in %d seconds, not in %d", proto, left, seconds);
}

void ct_do(const char *fmt, ...)
{
	char args_text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(args_text, sizeof(args_text), fmt, args);
	va_end(args);
	run("conntrack %s >/dev/null 2>&1", args_text);
}
