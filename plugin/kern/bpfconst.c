// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "base/cleanup.h"
#include "kern/bpfconst.h"

#define PROG_MAPS_MAX 64	/* that one of our programs uses */

/* libbpf names it "<object>.rodata". */
static bool is_rodata(const struct bpf_map_info *info)
{
	size_t len = strlen(info->name), tail = strlen(".rodata");

	return len >= tail && !strcmp(info->name + len - tail, ".rodata");
}

/* An fd of the program's map of constants. */
static int open_rodata(int prog_fd, struct bpf_map_info *out)
{
	__u32 ids[PROG_MAPS_MAX], len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .nr_map_ids = PROG_MAPS_MAX, .map_ids = (__u64)(long)ids };

	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len) < 0)
		return -errno;
	for (__u32 i = 0; i < info.nr_map_ids && i < PROG_MAPS_MAX; i++) {
		_cleanup_close_ int fd = bpf_map_get_fd_by_id(ids[i]);

		len = sizeof(*out);
		memset(out, 0, len);
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, out, &len) < 0)
			return -errno;
		if (is_rodata(out))
			return TAKE_FD(fd);
	}
	return -ENOENT;
}

static int read_rodata(struct bpfconst *c, int prog_fd)
{
	_cleanup_free_ char *bytes = NULL;
	struct bpf_map_info info;
	_cleanup_close_ int fd = open_rodata(prog_fd, &info);

	if (fd < 0)
		return fd;
	bytes = malloc(info.value_size);
	if (!bytes)
		return -ENOMEM;
	if (bpf_map_lookup_elem(fd, &(__u32){ 0 }, bytes) < 0)
		return -errno;
	c->btf = btf__load_from_kernel_by_id(info.btf_id);
	if (!c->btf)
		return -errno;
	c->section = info.btf_value_type_id;
	c->size = info.value_size;
	c->bytes = TAKE_PTR(bytes);
	return 0;
}

int bpfconst_open(struct bpfconst *c, int prog_fd, struct err *err)
{
	int ret;

	memset(c, 0, sizeof(*c));
	ret = read_rodata(c, prog_fd);
	return ret < 0 ? err_set(err, ret, "read the constants of the pinned programs") : 0;
}

void bpfconst_close(struct bpfconst *c)
{
	btf__free(c->btf);
	free(c->bytes);
	memset(c, 0, sizeof(*c));
}

int bpfconst_find(const struct btf *btf, unsigned int section, const char *name, size_t size,
		  size_t *offset)
{
	const struct btf_type *type = btf__type_by_id(btf, section);
	const struct btf_var_secinfo *var;

	if (!type || !btf_is_datasec(type))
		return -ENOENT;
	var = btf_var_secinfos(type);
	for (int i = 0; i < btf_vlen(type); i++, var++) {
		const struct btf_type *v = btf__type_by_id(btf, var->type);

		if (strcmp(btf__name_by_offset(btf, v->name_off), name))
			continue;
		*offset = var->offset;
		return var->size == size ? 0 : -EINVAL;
	}
	return -ENOENT;
}

int bpfconst_get(const struct bpfconst *c, const char *name, void *out, size_t size)
{
	size_t offset;
	int ret = bpfconst_find(c->btf, c->section, name, size, &offset);

	if (ret < 0)
		return ret;
	if (offset + size > c->size)
		return -EINVAL;
	memcpy(out, c->bytes + offset, size);
	return 0;
}
