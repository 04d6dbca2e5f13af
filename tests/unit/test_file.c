// SPDX-License-Identifier: Apache-2.0
/* Whole reads and writes. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

/* A file of n bytes, at its beginning. */
static int file_of(size_t n)
{
	char *bytes = malloc(n + 1);
	int fd = memfd_create("file", 0);

	assert_non_null(bytes);
	memset(bytes, 'x', n);
	assert_int_equal(file_write_all(fd, bytes, n, NULL), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	free(bytes);
	return fd;
}

static void everything_is_read_up_to_the_limit(void **state)
{
	static const struct {
		size_t size, max;
	} cases[] = { { 0, 0 }, { 0, 10000 }, { 1, 1 }, { 4095, 4096 }, { 4096, 4096 }, { 4097, 10000 }, { 10000, 10000 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = file_of(cases[i].size);
		char *text = NULL;
		size_t len = 7;

		assert_int_equal(file_read_all(fd, cases[i].max, &text, &len, NULL), 0);
		assert_int_equal(len, cases[i].size);
		assert_int_equal(strlen(text), len);
		free(text);
		close(fd);
	}
}

static void more_than_the_limit_is_an_error(void **state)
{
	int fd = file_of(10001);
	struct err err = { 0 };
	char *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(file_read_all(fd, 10000, &text, &len, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "more than 10000 bytes"));
	assert_null(text);
	close(fd);
	assert_int_equal(file_read_all(fd, 10000, &text, &len, &err), -EBADF);
}

static void a_pipe_gives_what_it_has_bit_by_bit(void **state)
{
	char *text = NULL;
	int fds[2];
	size_t len;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(file_write_all(fds[1], "ab", 2, NULL), 0);
	assert_int_equal(file_write_all(fds[1], "c", 1, NULL), 0);
	close(fds[1]);
	assert_int_equal(file_read_all(fds[0], 10, &text, &len, NULL), 0);
	assert_string_equal(text, "abc");
	free(text);
	close(fds[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_read_up_to_the_limit),
		cmocka_unit_test(more_than_the_limit_is_an_error),
		cmocka_unit_test(a_pipe_gives_what_it_has_bit_by_bit),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
