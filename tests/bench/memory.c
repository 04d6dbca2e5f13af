// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "kern/bpffs.h"
#include "memory.h"

/* A line of /proc/self/fdinfo; 0 if there is none of that name (programs have no max_entries). */
static unsigned long long read_field(int fd, const char *name)
{
	unsigned long long value = 0;
	char path[64], line[256], found[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		unsigned long long n;

		if (sscanf(line, "%63[^:]: %llu", found, &n) == 2 && !strcmp(found, name))
			value = n;
	}
	if (file)
		fclose(file);
	return value;
}

static double say_directory(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	double sum = 0;

	while (dir && (entry = readdir(dir))) {
		char path[512];
		_cleanup_close_ int fd = -1;

		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		fd = entry->d_name[0] == '.' ? -1 : bpf_obj_get(path);
		if (fd < 0 || !read_field(fd, "max_entries"))
			continue;
		printf("  %-14s %8llu entries at most, %9.1f KB\n", entry->d_name,
		       read_field(fd, "max_entries"), read_field(fd, "memlock") / 1e3);
		sum += read_field(fd, "memlock") / 1e3;
	}
	if (dir)
		closedir(dir);
	return sum;
}

int memory_say(struct err *err)
{
	double sum;

	printf("\nMemory of maps\n");
	sum = say_directory(PIN_RECORDS) + say_directory(PIN_DATAPATH);
	printf("  %-14s %8s                  %9.1f KB\n", "all", "", sum);
	return sum > 0 ? 0 : err_set(err, -ENOENT, "no maps below %s", PIN_ROOT);
}
