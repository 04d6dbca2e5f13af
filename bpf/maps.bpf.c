// SPDX-License-Identifier: GPL-2.0
/*
 * The maps and nothing else: made first, on any kernel that has bpffs, whatever becomes of the
 * programs. ctnat.bpf.c then finds them by their pins.
 */
#include <linux/bpf.h>

#include "maps.h"

char _license[] SEC("license") = "GPL";
