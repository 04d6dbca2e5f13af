// SPDX-License-Identifier: Apache-2.0
/*
 * What nl.c makes of answers that a kernel seldom gives. The file under test is included, its way
 * to the kernel replaced: what the test has put into `answers` comes back, one datagram for each
 * receive, the request's sequence number filled in.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

static ssize_t fake_sendto(const struct mnl_socket *sock, const void *buf, size_t len);
static ssize_t fake_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from,
			     socklen_t *from_len);

#define mnl_socket_sendto fake_sendto
#define mnl_socket_get_fd(sock) ((void)(sock), -1)
#define recvfrom fake_recvfrom
#include "kern/nl.c"

#define PORTID 4711
#define OBJECT (NLMSG_MIN_TYPE + 1)

struct answer {
	int error;		/* of the system call; then there is nothing else */
	unsigned int from;	/* port of the sender; 0: the kernel */
	size_t len;
	char data[512];
};

static struct answer answers[8];
static size_t n_answers, next_answer, n_sent;
static unsigned int sent_seq;
static int send_error;

static struct nl nl;
static struct err err;
static unsigned int seen;	/* objects that the callback saw since the last restart */

static ssize_t fake_sendto(const struct mnl_socket *sock, const void *buf, size_t len)
{
	const struct nlmsghdr *nlh = buf;

	(void)sock;
	if (send_error) {
		errno = send_error;
		send_error = 0;
		return -1;
	}
	sent_seq = nlh->nlmsg_seq;
	n_sent++;
	return (ssize_t)len;
}

static ssize_t fake_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from,
			     socklen_t *from_len)
{
	struct answer *answer = &answers[next_answer];
	int left;

	(void)fd;
	(void)from_len;
	assert_true((flags & MSG_DONTWAIT) || next_answer < n_answers);	/* else it would hang */
	if (next_answer++ == n_answers || answer->error) {
		errno = answer->error ? answer->error : EAGAIN;
		return -1;
	}
	assert_true(answer->len <= size);
	left = (int)answer->len;
	for (struct nlmsghdr *nlh = (void *)answer->data;
	     left && nlh->nlmsg_len <= (unsigned int)left;
	     nlh = mnl_nlmsg_next(nlh, &left))
		nlh->nlmsg_seq += sent_seq;
	memcpy(buf, answer->data, answer->len);
	((struct sockaddr_nl *)from)->nl_pid = answer->from;
	return (ssize_t)answer->len;
}

static int set_up(void **state)
{
	(void)state;
	memset(answers, 0, sizeof(answers));
	memset(&err, 0, sizeof(err));
	n_answers = next_answer = n_sent = seen = 0;
	send_error = 0;
	nl = (struct nl){ .portid = PORTID };
	return 0;
}

/* ---- building answers ------------------------------------------------------------------------ */

/* A message at the end of the last datagram; `seq` is relative to the request's. */
static struct nlmsghdr *put(unsigned int type, unsigned int flags, int seq, const void *payload,
			    size_t len)
{
	struct answer *answer = &answers[n_answers - 1];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(answer->data + answer->len);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	nlh->nlmsg_seq = (unsigned int)seq;
	nlh->nlmsg_pid = PORTID;
	memcpy(mnl_nlmsg_put_extra_header(nlh, len), payload, len);
	answer->len += nlh->nlmsg_len;
	return nlh;
}

static void new_datagram(void)
{
	n_answers++;
}

static struct nlmsghdr *put_object(unsigned int flags)
{
	return put(OBJECT, NLM_F_MULTI | flags, 0, "", 0);
}

static void put_done(unsigned int flags, int error)
{
	put(NLMSG_DONE, NLM_F_MULTI | flags, 0, &error, sizeof(error));
}

static struct nlmsghdr *put_ack(unsigned int flags, int seq, int error)
{
	struct nlmsgerr ack = {
		.error = error, .msg = { .nlmsg_len = 40, .nlmsg_flags = NLM_F_ACK },
	};

	return put(NLMSG_ERROR, flags | NLM_F_CAPPED, seq, &ack, sizeof(ack));
}

/* Puts the attribute behind the last message. */
static void put_text(struct nlmsghdr *nlh, unsigned int type, const char *text, size_t len)
{
	unsigned int before = nlh->nlmsg_len;

	mnl_attr_put(nlh, type, len, text);
	answers[n_answers - 1].len += nlh->nlmsg_len - before;
}

/* ---- talking --------------------------------------------------------------------------------- */

static int count_object(const struct nlmsghdr *nlh, void *data)
{
	(void)data;
	assert_int_equal(nlh->nlmsg_type, OBJECT);
	seen++;
	return 0;
}

static int refuse_object(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	(void)data;
	seen++;
	return -EDOM;
}

static void forget_objects(void *data)
{
	(void)data;
	seen = 0;
}

static int talk(unsigned int flags, nl_callback each)
{
	struct nl_handler handler = { .each = each, .restart = forget_objects };
	struct nl_request req;

	return nl_talk(&nl, nl_request(&req, OBJECT, flags), &handler, &err);
}

static void an_ack_ends_a_talk(void **state)
{
	(void)state;
	new_datagram();
	put_object(0);
	new_datagram();
	put_ack(0, 0, 0);
	assert_int_equal(talk(0, count_object), 0);
	assert_int_equal(seen, 1);
	assert_int_equal(next_answer, n_answers);
}

static void the_kernels_words_are_told(void **state)
{
	struct nlmsghdr *nlh;

	(void)state;
	new_datagram();
	nlh = put_ack(NLM_F_ACK_TLVS, 0, -ENETUNREACH);
	put_text(nlh, NLMSGERR_ATTR_OFFS, "\1\0\0\0", 4);
	put_text(nlh, NLMSGERR_ATTR_MSG, "Nexthop has invalid gateway", 28);
	assert_int_equal(talk(0, NULL), -ENETUNREACH);
	assert_string_equal(err.msg, "Nexthop has invalid gateway: Network is unreachable");
	assert_int_equal(err.errnum, -ENETUNREACH);
}

/* Then the request stands between the error and the words. */
static void also_when_the_ack_is_not_capped(void **state)
{
	struct {
		struct nlmsgerr ack;
		char request[24];
	} whole = { .ack = { .error = -EINVAL, .msg = { .nlmsg_len = 40 } } };

	(void)state;
	memset(whole.request, 0xff, sizeof(whole.request));
	new_datagram();
	put_text(put(NLMSG_ERROR, NLM_F_ACK_TLVS, 0, &whole, sizeof(whole)), NLMSGERR_ATTR_MSG,
		 "no NUL", 6);
	assert_int_equal(talk(0, NULL), -EINVAL);
	assert_string_equal(err.msg, "no NUL: Invalid argument");
}

static void without_words_it_is_refused(void **state)
{
	struct {
		struct nlmsgerr ack;
	} lying = { .ack = { .error = -EPERM, .msg = { .nlmsg_len = 0xfffffff0 } } };

	(void)state;
	new_datagram();
	put_ack(0, 0, -EPERM);
	assert_int_equal(talk(0, NULL), -EPERM);
	assert_string_equal(err.msg, "refused: Operation not permitted");

	new_datagram();
	put(NLMSG_ERROR, NLM_F_ACK_TLVS, 0, &lying, sizeof(lying));
	assert_int_equal(talk(0, NULL), -EPERM);
	new_datagram();
	put_ack(0, 0, INT32_MIN);
	assert_int_equal(talk(0, NULL), -EBADMSG);
	new_datagram();
	put(NLMSG_ERROR, 0, 0, "abc", 3);
	assert_int_equal(talk(0, NULL), -EBADMSG);
}

static void a_dump_can_fail_at_its_end(void **state)
{
	int error = -ENODEV;

	(void)state;
	new_datagram();
	put_object(0);
	put_text(put(NLMSG_DONE, NLM_F_ACK_TLVS, 0, &error, sizeof(error)), NLMSGERR_ATTR_MSG,
		 "gone", 5);
	assert_int_equal(talk(NLM_F_DUMP, count_object), -ENODEV);
	assert_string_equal(err.msg, "gone: No such device");
}

static void an_interrupted_dump_begins_again(void **state)
{
	(void)state;
	new_datagram();
	put_object(0);
	put_object(NLM_F_DUMP_INTR);
	new_datagram();
	put_object(0);
	put_done(0, 0);
	new_datagram();
	put_object(0);
	put_done(NLM_F_DUMP_INTR, 0);
	new_datagram();
	put_object(0);
	put_object(0);
	put_done(0, 0);
	assert_int_equal(talk(NLM_F_DUMP, count_object), 0);
	assert_int_equal(n_sent, 3);
	assert_int_equal(seen, 2);
}

static void signals_interrupt_nothing(void **state)
{
	(void)state;
	send_error = EINTR;
	new_datagram();
	answers[0].error = EINTR;
	new_datagram();
	put_ack(0, 0, 0);
	assert_int_equal(talk(0, NULL), 0);
	assert_int_equal(n_sent, 1);
}

static void failures_of_the_socket_are_told(void **state)
{
	(void)state;
	send_error = EPERM;
	assert_int_equal(talk(0, NULL), -EPERM);
	new_datagram();
	answers[0].error = ENOBUFS;
	assert_int_equal(talk(0, NULL), -ENOBUFS);
	assert_non_null(strstr(err.msg, "receive"));
}

/* What is left of earlier talks, for other sockets, or from other processes. */
static void what_is_not_ours_is_passed_over(void **state)
{
	(void)state;
	new_datagram();
	put_ack(0, -1, -EPERM);
	put_ack(0, 1, -EPERM);
	put_ack(0, 0, -EPERM)->nlmsg_pid = PORTID + 1;
	put(NLMSG_NOOP, 0, 0, "", 0);
	new_datagram();
	put_ack(0, 0, -EPERM);
	answers[1].from = 815;
	new_datagram();
	put_ack(0, 0, 0);
	assert_int_equal(talk(0, count_object), 0);
	assert_int_equal(seen, 0);
}

/* To libmnl 1.0.4 a length beyond 2 GB fits into any datagram, and the next message is the same. */
static void an_impossible_length_ends_the_datagram(void **state)
{
	(void)state;
	new_datagram();
	put_object(0)->nlmsg_len = ~0u;
	new_datagram();
	put_ack(0, 0, 0);
	assert_int_equal(talk(0, count_object), 0);
	assert_int_equal(seen, 0);
}

/* Or the next dump on this socket would be refused. */
static void a_failing_callback_leaves_nothing_unread(void **state)
{
	(void)state;
	new_datagram();
	put_object(0);
	put_object(0);
	new_datagram();
	put_object(0);
	put_done(0, 0);
	assert_int_equal(talk(NLM_F_DUMP, refuse_object), -EDOM);
	assert_int_equal(seen, 1);
	assert_int_equal(next_answer, n_answers);
}

/* ---- batches --------------------------------------------------------------------------------- */

/* Three messages, of which the first and the last ask for an ack. */
static int talk_batch(void)
{
	char buf[128] __attribute__((aligned(NLMSG_ALIGNTO)));
	unsigned int first = 0, last = 0;
	size_t len = 0;

	for (int i = 0; i < 3; i++) {
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf + len);

		nlh->nlmsg_flags = NLM_F_REQUEST | (i == 1 ? 0 : NLM_F_ACK);
		nlh->nlmsg_seq = last = nl_seq(&nl);
		first = first ? first : last;
		len += nlh->nlmsg_len;
	}
	return nl_talk_batch(&nl, buf, len, first, last, &err);
}

static void a_batch_is_done_when_all_asked_for_is_answered(void **state)
{
	(void)state;
	new_datagram();
	put_ack(0, 0, 0);
	new_datagram();
	put_ack(0, 2, 0);
	assert_int_equal(talk_batch(), 0);
	assert_int_equal(n_sent, 1);
}

static void a_batch_without_an_answer_has_failed(void **state)
{
	(void)state;
	new_datagram();
	put_ack(0, 0, 0);
	assert_int_equal(talk_batch(), -EPROTO);
}

static void the_first_failure_of_a_batch_counts(void **state)
{
	struct nlmsgerr unasked = { .error = -EEXIST };

	(void)state;
	new_datagram();
	put_ack(0, 0, 0);
	new_datagram();
	put(NLMSG_ERROR, NLM_F_CAPPED, 1, &unasked, sizeof(unasked));
	new_datagram();
	put_ack(0, 2, -ENOENT);
	assert_int_equal(talk_batch(), -EEXIST);
	assert_int_equal(next_answer, n_answers + 1);
}

static void lost_acks_are_noticed(void **state)
{
	(void)state;
	new_datagram();
	put_ack(0, 0, 0);
	new_datagram();
	answers[1].error = ENOBUFS;
	assert_int_equal(talk_batch(), -ENOBUFS);
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static void an_array_grows_and_forgets(void **state)
{
	struct nl_array array = { .size = sizeof(int) };

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100; i++) {
			int *item = nl_array_add(&array);

			assert_int_equal(*item, 0);
			*item = i + 1;
		}
		assert_int_equal(array.n, 100);
		for (int i = 0; i < 100; i++)
			assert_int_equal(((int *)array.items)[i], i + 1);
		nl_array_reset(&array);
	}
	/* Going back to any number, as a list of two families does, must not lose room. */
	for (size_t keep = 0; keep < 40; keep++) {
		array.n = keep;
		for (size_t i = keep; i < 40; i++)
			*(int *)nl_array_add(&array) = 1;
	}
	free(array.items);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup(name, set_up)
	static const struct CMUnitTest tests[] = {
		test(an_ack_ends_a_talk),
		test(the_kernels_words_are_told),
		test(also_when_the_ack_is_not_capped),
		test(without_words_it_is_refused),
		test(a_dump_can_fail_at_its_end),
		test(an_interrupted_dump_begins_again),
		test(signals_interrupt_nothing),
		test(failures_of_the_socket_are_told),
		test(what_is_not_ours_is_passed_over),
		test(an_impossible_length_ends_the_datagram),
		test(a_failing_callback_leaves_nothing_unread),
		test(a_batch_is_done_when_all_asked_for_is_answered),
		test(a_batch_without_an_answer_has_failed),
		test(the_first_failure_of_a_batch_counts),
		test(lost_acks_are_noticed),
		test(an_array_grows_and_forgets),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nl", tests, NULL, NULL);
}
