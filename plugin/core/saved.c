// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a text file, a value a line, that people can read:
 *
 *	ctnat settings 1
 *	ports 1024-65535
 *	leave 10.0.0.0/8
 *	cluster-service 10.96.0.0/12
 *	end
 *
 * It is replaced as a whole, by ctnatd alone, after the maps have what it says and before the base
 * state is called whole: so it never says less than what was in force. A reader wants its first
 * line and its last; a line that it does not know is a later version's, and passed over. A list
 * that is there but empty means something (serviceCIDRs []), so each has a line of its own besides
 * its members.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/replace.h"
#include "core/saved.h"

#define FIRST_LINE "ctnat settings 1"
#define LAST_LINE  "end"
#define SAVED_MAX  (16U << 20)

/* ---- the two kinds of values ----------------------------------------------------------------- */

/* Numbers of struct node_settings. */
#define NUMBERS(X)                      \
	X("mtu", mtu)                   \
	X("overhead", overhead)         \
	X("port-min", port_min)         \
	X("port-max", port_max)         \
	X("spoof-check", spoof_check)   \
	X("insert-limit", insert_limit) \
	X("datapath", datapath)         \
	X("short-way", short_way)       \
	X("stack-mark", stack_mark)

/* A growing array that becomes the cluster's. */
struct cidrs {
	struct cidr *cidrs;
	size_t n, max;
};

/* What is allocated for a network that was read. */
struct saved {
	struct cluster_cidrs cluster;
	struct cidrs pods, services, externals;
};

static int add(struct cidrs *to, const struct cidr *cidr)
{
	if (to->n == to->max) {
		size_t max = to->max ? 2 * to->max : 64;
		struct cidr *cidrs = reallocarray(to->cidrs, max, sizeof(*cidrs));

		if (!cidrs)
			return -ENOMEM;
		to->cidrs = cidrs;
		to->max = max;
	}
	to->cidrs[to->n++] = *cidr;
	return 0;
}

static int add_to_list(struct cidr_list *list, const struct cidr *cidr)
{
	if (list->n == CONF_CIDRS_MAX)
		return -ENOSPC;
	list->cidrs[list->n++] = *cidr;
	return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void put_cidrs(FILE *to, const char *key, const struct cidr *cidrs, size_t n)
{
	char text[ADDR_STRLEN];

	for (size_t i = 0; i < n; i++)
		fprintf(to, "%s %s\n", key, cidr_format(&cidrs[i], text));
}

static void put_list(FILE *to, const char *key, const struct cidr_list *list)
{
	if (list->set)
		fprintf(to, "%s\n", key);
	put_cidrs(to, key, list->cidrs, list->n);
}

static void put_network(FILE *to, const struct network *net)
{
	const struct node_settings *s = &net->node;
	const struct cluster_cidrs *c = net->cluster;

	fprintf(to, FIRST_LINE "\n");
#define PUT(key, field) fprintf(to, key " %llu\n", (unsigned long long)s->field);
	NUMBERS(PUT)
#undef PUT
	for (size_t i = 0; i < s->n_uplinks; i++)
		fprintf(to, "uplink %s\n", s->uplinks[i]);
	put_list(to, "leave", &s->non_masquerade);
	put_list(to, "service", &s->services);
	put_list(to, "masquerade", &s->masquerade);
	if (c->services_known)
		fprintf(to, "cluster-service\n");
	put_cidrs(to, "cluster-service", c->services, c->n_services);
	put_cidrs(to, "cluster-external", c->externals, c->n_externals);
	put_cidrs(to, "cluster-pod", c->pods, c->n_pods);
	fprintf(to, LAST_LINE "\n");
}

int saved_format(const struct network *net, char **text, size_t *len, struct err *err)
{
	FILE *to = open_memstream(text, len);

	if (!to)
		return err_set(err, -errno, "save the settings");
	put_network(to, net);
	return fclose(to) ? err_set(err, -ENOMEM, "save the settings") : 0;
}

int saved_replace(const char *name, const char *text, size_t len, struct err *err)
{
	_cleanup_close_ int dir = -1;

	if (mkdir(SAVED_DIR, 0755) < 0 && errno != EEXIST)
		return err_set(err, -errno, "create directory '%s'", SAVED_DIR);
	dir = open(SAVED_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, -errno, "open directory '%s'", SAVED_DIR);
	return replace_file(dir, name, text, len, 0644, err);
}

int saved_write(const struct network *net, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int ret = saved_format(net, &text, &len, err);

	if (ret < 0)
		return ret;
	ret = saved_replace(SAVED_NAME, text, len, err);
	return ret ? err_wrap(err, "save the settings") : 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int read_number(struct node_settings *s, const char *key, const char *value)
{
	char *end;
	unsigned long long number = strtoull(value, &end, 10);

#define READ(name, field)                  \
	if (!strcmp(key, name)) {          \
		s->field = number;         \
		return *end ? -EINVAL : 1; \
	}
	NUMBERS(READ)
#undef READ
	return 0;
}

static int read_uplink(struct node_settings *s, const char *value)
{
	if (s->n_uplinks == CONF_UPLINKS_MAX)
		return -ENOSPC;
	if (!parse_is_ifname(value))
		return -EINVAL;
	snprintf(s->uplinks[s->n_uplinks++], IFNAME_MAX, "%s", value);
	return 0;
}

/* A list's own line has no value. */
static int read_list(struct cidr_list *list, const char *value)
{
	struct cidr cidr;

	list->set = true;
	if (!*value)
		return 0;
	return cidr_parse(value, &cidr) < 0 ? -EINVAL : add_to_list(list, &cidr);
}

static int read_cidrs(struct cidrs *to, const char *value)
{
	struct cidr cidr;

	if (!*value)
		return 0;
	return cidr_parse(value, &cidr) < 0 ? -EINVAL : add(to, &cidr);
}

static int read_line(struct node_settings *s, struct saved *saved, const char *key,
		     const char *value)
{
	int ret = read_number(s, key, value);

	if (ret)
		return ret < 0 ? ret : 0;
	if (!strcmp(key, "uplink"))
		return read_uplink(s, value);
	if (!strcmp(key, "leave"))
		return read_list(&s->non_masquerade, value);
	if (!strcmp(key, "service"))
		return read_list(&s->services, value);
	if (!strcmp(key, "masquerade"))
		return read_list(&s->masquerade, value);
	if (!strcmp(key, "cluster-service")) {
		saved->cluster.services_known |= !*value;
		return read_cidrs(&saved->services, value);
	}
	if (!strcmp(key, "cluster-external"))
		return read_cidrs(&saved->externals, value);
	if (!strcmp(key, "cluster-pod"))
		return read_cidrs(&saved->pods, value);
	return 0;
}

static int read_text(char *text, struct node_settings *s, struct saved *saved, struct err *err)
{
	char *save = NULL, *line = strtok_r(text, "\n", &save);
	unsigned int number = 1;

	if (!line || strcmp(line, FIRST_LINE))
		return err_cni(err, CNI_INVALID_CONFIG, "'%s': does not begin with '%s'",
			       SAVED_PATH, FIRST_LINE);
	while ((line = strtok_r(NULL, "\n", &save))) {
		char *space = strchr(line, ' ');
		const char *value = space ? space + 1 : "";
		int ret;

		number++;
		if (!strcmp(line, LAST_LINE))
			return 0;
		if (space)
			*space = '\0';
		ret = read_line(s, saved, line, value);
		if (ret == -ENOMEM)
			return err_set(err, ret, "read '%s'", SAVED_PATH);
		if (ret < 0)
			return err_cni(err, CNI_INVALID_CONFIG,
				       "'%s': line %u: %s '%s': ctnatd did not write that",
				       SAVED_PATH, number, line, value);
	}
	return err_cni(err, CNI_INVALID_CONFIG, "'%s': has no end", SAVED_PATH);
}

static void free_saved(struct saved *saved)
{
	free(saved->pods.cidrs);
	free(saved->services.cidrs);
	free(saved->externals.cidrs);
	free(saved);
}

void saved_free(struct network **net)
{
	/* the cluster is the first of what it lies in */
	if (*net && (*net)->cluster)
		free_saved((struct saved *)(*net)->cluster);
	free(*net);
}

static void publish(struct saved *saved, struct network *net)
{
	struct cluster_cidrs *c = &saved->cluster;

	c->pods = saved->pods.cidrs;
	c->n_pods = saved->pods.n;
	c->services = saved->services.cidrs;
	c->n_services = saved->services.n;
	c->externals = saved->externals.cidrs;
	c->n_externals = saved->externals.n;
	net->cluster = c;
}

int saved_parse(char *text, struct network *net, struct err *err)
{
	_cleanup_free_ struct node_settings *settings = calloc(1, sizeof(*settings));
	struct saved *saved = calloc(1, sizeof(*saved));
	int ret = settings && saved ? read_text(text, settings, saved, err)
				    : err_set(err, -ENOMEM, "read '%s'", SAVED_PATH);

	if (ret < 0) {
		if (saved)
			free_saved(saved);
		return ret;
	}
	net->node = *settings;
	publish(saved, net);
	return 0;
}

int saved_read(struct network *net, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int ret = file_read(SAVED_PATH, SAVED_MAX, &text, &len, err);

	return ret < 0 ? ret : saved_parse(text, net, err);
}

int saved_remove(struct err *err)
{
	if (unlink(SAVED_PATH) < 0 && errno != ENOENT)
		return err_set(err, -errno, "remove '%s'", SAVED_PATH);
	rmdir(SAVED_DIR); /* if nobody else keeps anything there */
	return 0;
}
