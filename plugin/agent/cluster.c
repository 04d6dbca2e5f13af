// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: to these tables, an object is a name and a string of bytes; whether it has changed is a
 * comparison of bytes. Entries are as large as what is in them: of 10,000 services, nearly all have
 * one address. Tables are sorted by name, as API servers send their lists: most are appended to.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cluster.h"
#include "base/cleanup.h"

#define FIRST_SIZE 64

struct cluster_entry {
	const char *name; /* behind the value */
	uint32_t round;	  /* the last list that it was in */
	uint32_t len;
	_Alignas(8) unsigned char value[];
};

/* What is kept of an object. */
static const void *value_of(const struct object *object, size_t *len)
{
	const struct service *service = &object->service;

	switch (object->kind) {
	case KIND_SERVICE:
		*len = offsetof(struct service, addrs[service->n_cluster + service->n_external]);
		return service;
	case KIND_SERVICE_CIDR:
		*len = offsetof(struct service_cidr, cidrs[object->service_cidr.n]);
		return &object->service_cidr;
	default:
		*len = sizeof(object->peer);
		return &object->peer;
	}
}

static struct cluster_entry *entry_new(const struct object *object, uint32_t round)
{
	size_t len, name_size = strlen(object->name) + 1;
	const void *value = value_of(object, &len);
	struct cluster_entry *entry = malloc(sizeof(*entry) + len + name_size);

	if (!entry)
		return NULL;
	entry->round = round;
	entry->len = (uint32_t)len;
	memcpy(entry->value, value, len);
	entry->name = memcpy(entry->value + len, object->name, name_size);
	return entry;
}

static bool entry_says(const struct cluster_entry *entry, const struct object *object)
{
	size_t len;
	const void *value = value_of(object, &len);

	return entry->len == len && !memcmp(entry->value, value, len);
}

/* ---- a table --------------------------------------------------------------------------------- */

/* Where the name is, or belongs. */
static size_t place_of(const struct cluster_table *table, const char *name, bool *found)
{
	size_t low = 0, high = table->n;

	*found = false;
	if (high && strcmp(table->entries[high - 1]->name, name) < 0)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(table->entries[middle]->name, name);

		if (!order)
			*found = true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct cluster_entry *find(const struct cluster_table *table, const char *name)
{
	bool found;
	size_t at = place_of(table, name, &found);

	return found ? table->entries[at] : NULL;
}

static int make_room(struct cluster_table *table)
{
	size_t size = table->size ? table->size * 2 : FIRST_SIZE;
	void *entries;

	if (table->n < table->size)
		return 0;
	entries = realloc(table->entries, size * sizeof(*table->entries));
	if (!entries)
		return -ENOMEM;
	table->entries = entries;
	table->size = size;
	return 0;
}

static void insert(struct cluster_table *table, size_t at, struct cluster_entry *entry)
{
	memmove(table->entries + at + 1, table->entries + at,
		(table->n - at) * sizeof(*table->entries));
	table->entries[at] = entry;
	table->n++;
}

/* ---- what comes in --------------------------------------------------------------------------- */

int cluster_init(struct cluster *c, const char *self, struct err *err)
{
	memset(c, 0, sizeof(*c));
	if (!self[0] || strlen(self) >= sizeof(c->self))
		return err_set(err, -EINVAL, "'%s' is no name of a node", self);
	memcpy(c->self, self, strlen(self));
	return 0;
}

void cluster_free(struct cluster *c)
{
	for (size_t kind = 0; kind < KINDS; kind++) {
		for (size_t i = 0; i < c->tables[kind].n; i++)
			free(c->tables[kind].entries[i]);
		free(c->tables[kind].entries);
	}
	free(c->peers);
	memset(c, 0, sizeof(*c));
}

void cluster_begin(struct cluster *c, enum kind kind)
{
	c->tables[kind].round++;
}

int cluster_put(struct cluster *c, const struct object *object, struct err *err)
{
	struct cluster_table *table = &c->tables[object->kind];
	struct cluster_entry *entry;
	bool found;
	size_t at = place_of(table, object->name, &found);

	if (found && entry_says(table->entries[at], object)) {
		table->entries[at]->round = table->round;
		return 0;
	}
	entry = make_room(table) ? NULL : entry_new(object, table->round);
	if (!entry)
		return err_set(err, -ENOMEM, "keep %s '%s'", kind_name(object->kind), object->name);
	if (found) {
		free(table->entries[at]);
		table->entries[at] = entry;
	} else {
		insert(table, at, entry);
	}
	c->generation[object->kind]++;
	return 0;
}

void cluster_keep(struct cluster *c, enum kind kind, const char *name)
{
	struct cluster_entry *entry = find(&c->tables[kind], name);

	if (entry)
		entry->round = c->tables[kind].round;
}

void cluster_delete(struct cluster *c, enum kind kind, const char *name)
{
	struct cluster_table *table = &c->tables[kind];
	bool found;
	size_t at = place_of(table, name, &found);

	if (!found)
		return;
	free(table->entries[at]);
	table->n--;
	memmove(table->entries + at, table->entries + at + 1,
		(table->n - at) * sizeof(*table->entries));
	c->generation[kind]++;
}

void cluster_end(struct cluster *c, enum kind kind)
{
	struct cluster_table *table = &c->tables[kind];
	size_t kept = 0;

	for (size_t i = 0; i < table->n; i++)
		if (table->entries[i]->round == table->round)
			table->entries[kept++] = table->entries[i];
		else
			free(table->entries[i]);
	if (kept != table->n || !table->known)
		c->generation[kind]++;
	table->n = kept;
	table->known = true;
}

/* ---- what is asked --------------------------------------------------------------------------- */

bool cluster_knows(const struct cluster *c, enum kind kind)
{
	return c->tables[kind].known;
}

size_t cluster_count(const struct cluster *c, enum kind kind)
{
	return c->tables[kind].n;
}

const struct peer *cluster_self(const struct cluster *c)
{
	const struct cluster_entry *entry = find(&c->tables[KIND_NODE], c->self);

	return entry ? (const void *)entry->value : NULL;
}

int cluster_peers(struct cluster *c, const struct peer **out, size_t *n, struct err *err)
{
	const struct cluster_table *table = &c->tables[KIND_NODE];
	struct peer *peers;

	if (c->peers_generation != c->generation[KIND_NODE]) {
		peers = realloc(c->peers, (table->n + 1) * sizeof(*peers));
		if (!peers)
			return err_set(err, -ENOMEM, "list %zu nodes", table->n);
		for (size_t i = 0; i < table->n; i++)
			memcpy(&peers[i], table->entries[i]->value, sizeof(*peers));
		c->peers = peers;
		c->peers_generation = c->generation[KIND_NODE];
	}
	*out = c->peers;
	*n = table->n;
	return 0;
}

static const struct service *service_at(const struct cluster *c, size_t i)
{
	return (const void *)c->tables[KIND_SERVICE].entries[i]->value;
}

/* All ServiceCIDRs, as they come. `out` has room for them; NULL: counts. */
static size_t copy_service_cidrs(const struct cluster *c, struct cidr *out)
{
	const struct cluster_table *table = &c->tables[KIND_SERVICE_CIDR];
	size_t n = 0;

	for (size_t i = 0; i < table->n; i++) {
		const struct service_cidr *one = (const void *)table->entries[i]->value;

		if (out)
			memcpy(out + n, one->cidrs, one->n * sizeof(*out));
		n += one->n;
	}
	return n;
}

static int compare_cidrs(const void *a, const void *b)
{
	const struct cidr *one = a, *other = b;
	int order = addr_compare(&one->addr, &other->addr);

	return order ? order : (one->len > other->len) - (one->len < other->len);
}

static size_t sort_once(struct cidr *cidrs, size_t n)
{
	size_t kept = 0;

	qsort(cidrs, n, sizeof(*cidrs), compare_cidrs);
	for (size_t i = 0; i < n; i++)
		if (!kept || compare_cidrs(&cidrs[kept - 1], &cidrs[i]))
			cidrs[kept++] = cidrs[i];
	return kept;
}

static bool is_in(const struct addr *addr, const struct cidr *cidrs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cidr_contains(&cidrs[i], addr))
			return true;
	return false;
}

int cluster_service_cidrs(const struct cluster *c, struct cidr **out, size_t *n, struct err *err)
{
	size_t services = cluster_count(c, KIND_SERVICE), ranges = copy_service_cidrs(c, NULL);
	size_t max = ranges + services * SERVICE_CLUSTER_MAX, used = ranges;
	struct cidr *cidrs = calloc(max + 1, sizeof(*cidrs));

	if (!cidrs)
		return err_set(err, -ENOMEM, "list %zu addresses", max);
	copy_service_cidrs(c, cidrs);
	for (size_t i = 0; i < services; i++) {
		const struct service *service = service_at(c, i);

		for (size_t j = 0; j < service->n_cluster; j++)
			if (!is_in(&service->addrs[j], cidrs, ranges))
				cidrs[used++] = cidr_host(&service->addrs[j]);
	}
	*n = sort_once(cidrs, used);
	*out = cidrs;
	return 0;
}

int cluster_externals(const struct cluster *c, struct cidr **out, size_t *n, struct err *err)
{
	size_t services = cluster_count(c, KIND_SERVICE), max = 0, used = 0;
	struct cidr *cidrs;

	for (size_t i = 0; i < services; i++)
		max += service_at(c, i)->n_external;
	cidrs = calloc(max + 1, sizeof(*cidrs));
	if (!cidrs)
		return err_set(err, -ENOMEM, "list %zu addresses", max);
	for (size_t i = 0; i < services; i++) {
		const struct service *service = service_at(c, i);

		for (size_t j = 0; j < service->n_external; j++)
			cidrs[used++] = cidr_host(&service->addrs[service->n_cluster + j]);
	}
	*n = sort_once(cidrs, used);
	*out = cidrs;
	return 0;
}
