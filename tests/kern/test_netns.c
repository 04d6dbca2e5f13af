// SPDX-License-Identifier: Apache-2.0
/* Entering other namespaces and coming back, and sysctls. Each test has two namespaces of its
 * own. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "kern/netns.h"
#include "kern/sysctl.h"

#define ASSERT_OK(call)                                                        \
	do {                                                                   \
		if ((call) < 0)                                                \
			fail_msg("%s: %s", #call, err.msg);                    \
	} while (0)

static int self = -1, pod = -1;
static struct err err;

static int set_up(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return -1;
	pod = netns_open_self(&err);
	if (pod < 0 || unshare(CLONE_NEWNET) < 0)
		return -1;
	self = netns_open_self(&err);
	return self < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(pod);
	close(self);
	return 0;
}

static void assert_says(const char *what)
{
	if (!strstr(err.msg, what))
		fail_msg("'%s' does not say '%s'", err.msg, what);
}

static void only_a_network_namespace_is_one(void **state)
{
	char dir[] = "/tmp/ctnat-test-XXXXXX", fifo[64];
	int fd;

	(void)state;
	assert_int_equal(netns_open("/proc/self/ns/mnt", &err), -EINVAL);
	assert_says("/proc/self/ns/mnt");
	assert_int_equal(netns_open("/proc/self/status", &err), -EINVAL);
	assert_int_equal(netns_open("/proc/self/ns", &err), -EINVAL);
	assert_int_equal(netns_open("/proc/self/ns/none", &err), -ENOENT);

	assert_non_null(mkdtemp(dir));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	alarm(10);	/* else it would wait for a writer, for ever */
	assert_int_equal(netns_open(fifo, &err), -EINVAL);
	alarm(0);
	unlink(fifo);
	rmdir(dir);

	fd = netns_open("/proc/self/ns/net", &err);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static unsigned long long inode(int fd)
{
	unsigned long long ino;

	ASSERT_OK(netns_inode(fd, &ino, &err));
	return ino;
}

static int take_cookie(void *data, struct err *e)
{
	return netns_cookie(data, e);
}

static int go_wrong(void *data, struct err *e)
{
	(void)data;
	return err_set(e, -EDOM, "as wanted");
}

static void whoever_enters_comes_back(void **state)
{
	unsigned long long ours, theirs;
	struct nl nl;
	int now;

	(void)state;
	ASSERT_OK(netns_cookie(&ours, &err));
	ASSERT_OK(netns_run(pod, self, take_cookie, &theirs, &err));
	assert_true(ours != theirs);
	assert_int_equal(netns_run(pod, self, go_wrong, NULL, &err), -EDOM);
	ASSERT_OK(netns_nl_open(&nl, pod, self, &err));
	nl_close(&nl);
	now = netns_open_self(&err);
	assert_true(inode(now) == inode(self));
	assert_true(inode(now) != inode(pod));
	close(now);

	assert_int_equal(netns_run(-1, self, go_wrong, NULL, &err), -EBADF);
}

static int forward(void *data, struct err *e)
{
	return sysctl_write("net/ipv4/ip_forward", data, e);
}

static void sysctls_are_the_namespaces_own(void **state)
{
	static const char accept_ra[] = "net/ipv6/conf/host.0/accept_ra";
	char value[16];

	(void)state;
	ASSERT_OK(sysctl_write("net/ipv4/ip_forward", "0", &err));
	ASSERT_OK(netns_run(pod, self, forward, "1", &err));
	ASSERT_OK(sysctl_read("net/ipv4/ip_forward", value, sizeof(value), &err));
	assert_string_equal(value, "0");

	/* A dot is no separator. */
	assert_int_equal(system("ip link add host.0 type veth peer name eth0"), 0);
	ASSERT_OK(sysctl_write(accept_ra, "2", &err));
	ASSERT_OK(sysctl_read(accept_ra, value, sizeof(value), &err));
	assert_string_equal(value, "2");

	assert_int_equal(sysctl_write(accept_ra, "many", &err), -EINVAL);
	assert_says("'many'");
	assert_int_equal(sysctl_read("net/ipv4/none", value, sizeof(value), &err), -ENOENT);
	assert_says("net/ipv4/none");
	assert_int_equal(sysctl_read(accept_ra, value, 1, &err), -ENOSPC);
	ASSERT_OK(sysctl_read(accept_ra, value, 2, &err));
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		test(only_a_network_namespace_is_one),
		test(whoever_enters_comes_back),
		test(sysctls_are_the_namespaces_own),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("netns", tests, NULL, NULL);
}
