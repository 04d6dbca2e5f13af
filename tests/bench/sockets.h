/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BENCH_SOCKETS_H
#define CTNAT_BENCH_SOCKETS_H

/* Frames of real sockets in the pod, whose checksums are not yet made and which may be many
 * segments in one. Measures and notes; nothing is required. Devices are armed before and after. */
#include "subjects.h"

int sockets_measure(unsigned int rounds, struct err *err);

#endif
