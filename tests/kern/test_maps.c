// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel's own look-up finds after user space has written to a map's memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "kern/maps.h"

static int epochs_map(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "flow_index", sizeof(__u32), sizeof(struct flow_index), 1,
				&opts);

	assert_true(fd >= 0);
	return fd;
}

/* Of the slots that a mistaken modulus could hit, too. */
static void assert_raised(int fd, __u32 slot, __u32 value)
{
	static struct flow_index index;

	assert_int_equal(map_get(fd, &(__u32){ 0 }, &index), 0);
	for (__u32 i = 0; i < EPOCHS; i++)
		if (index.epoch[i] != (i == slot ? value : 0))
			fail_msg("epoch %u is %u", i, index.epoch[i]);
}

static void raising_an_epoch_raises_that_device_alone(void **state)
{
	static const __u32 devices[] = { 0, 1, 7, EPOCHS - 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		int fd = epochs_map();

		assert_int_equal(epoch_raise(fd, devices[i]), 0);
		assert_raised(fd, devices[i], 1);
		assert_int_equal(epoch_raise(fd, devices[i] + EPOCHS), 0);
		assert_raised(fd, devices[i], 2);
		close(fd);
	}
}

static void raising_an_epoch_of_no_map_fails(void **state)
{
	(void)state;
	assert_true(epoch_raise(-1, 1) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raising_an_epoch_raises_that_device_alone),
		cmocka_unit_test(raising_an_epoch_of_no_map_fails),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
