/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BASE_ERR_H
#define CTNAT_BASE_ERR_H

/*
 * One error, on main's stack: nothing to free, nothing to allocate on the way that fails.
 *
 * A fallible function returns 0 (or a value >= 0), or -errno with `struct err` filled in; its
 * out-parameters are then untouched. The error is created where it happens and returned in the same
 * expression; each layer that knows a better name for the object wraps it once:
 *
 *	return err_set(err, -errno, "open netns '%s'", path);
 *		"open netns '/x': No such file or directory"
 *	return err_cni(err, CNI_INVALID_CONFIG, "mtu: ...");
 *		no strerror: the message says it all
 *	return err_wrap(err, "create veth '%s'", name);
 *		"create veth 'x': <what was there>"
 *
 * Only the main.c of each program prints, logs or exits.
 */

/* Error codes of the CNI specification 1.1.0, section "Error", and ours from 100. */
enum cni_code {
	CNI_INCOMPATIBLE_VERSION = 1,
	CNI_UNSUPPORTED_FIELD = 2,
	CNI_UNKNOWN_CONTAINER = 3,
	CNI_INVALID_ENV = 4,
	CNI_IO = 5,
	CNI_DECODE = 6,
	CNI_INVALID_CONFIG = 7,
	CNI_TRY_AGAIN = 11,
	CNI_NOT_AVAILABLE = 50,
	CNI_LIMITED = 51,
	CNI_KERNEL = 100,	/* the kernel refused something; the default of err_set() */
	CNI_EXHAUSTED = 101,	/* no free address */
	CNI_CHECK_FAILED = 102,	/* CHECK found a difference */
	CNI_DELEGATE = 103,	/* the delegated IPAM plugin failed without an error of its own */
};

struct err {
	int errnum;		/* negative errno */
	unsigned int code;	/* enum cni_code, or a delegate's own */
	char msg[1024];
};

/* Fills *err with the message and strerror(-errnum), code CNI_KERNEL. Returns errnum (negative).
 * err may be NULL everywhere. */
int err_set(struct err *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_set() with a code of its own and without strerror. Returns -EINVAL for what is wrong with
 * the request (1 to 7, but for CNI_IO), -EAGAIN for CNI_TRY_AGAIN, -EIO otherwise. */
int err_cni(struct err *err, unsigned int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "context: " before the message that is there. Returns err->errnum. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
