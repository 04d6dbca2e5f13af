// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

int err_set(struct err *err, int errnum, const char *fmt, ...)
{
	va_list args;
	int n;

	if (!err)
		return errnum;
	err->errnum = errnum;
	err->code = CNI_KERNEL;
	va_start(args, fmt);
	n = vsnprintf(err->msg, sizeof(err->msg), fmt, args);
	va_end(args);
	if (n >= 0 && (size_t)n < sizeof(err->msg))
		snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", strerror(-errnum));
	return errnum;
}

static int errno_of(unsigned int code)
{
	if (code == CNI_TRY_AGAIN)
		return -EAGAIN;
	return code <= CNI_INVALID_CONFIG && code != CNI_IO ? -EINVAL : -EIO;
}

int err_cni(struct err *err, unsigned int code, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return errno_of(code);
	err->errnum = errno_of(code);
	err->code = code;
	va_start(args, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, args);
	va_end(args);
	return err->errnum;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char context[256];
	size_t n, rest;
	va_list args;

	if (!err)
		return -EIO;
	va_start(args, fmt);
	vsnprintf(context, sizeof(context) - 2, fmt, args);
	va_end(args);
	n = strlen(strcat(context, ": "));
	rest = strnlen(err->msg, sizeof(err->msg) - 1 - n);
	memmove(err->msg + n, err->msg, rest);
	memcpy(err->msg, context, n);
	err->msg[n + rest] = '\0';
	return err->errnum;
}
