# SPDX-License-Identifier: Apache-2.0
#
#   make              build/ctnat, build/ctnatd and build/ctnatctl
#   make check        lints and unit tests: no root, seconds
#   sudo make test    all tests       sudo make demo    the show, in namespaces of its own
#   make fuzz         60 s each       sudo make bench   a packet's cost beside nftables and iptables
#   sudo make bench-cni   ADD and DEL beside the reference plugins
#   sudo make bench-scale 250 pods with 5,000 flows for a minute: is anything lost?
#   sudo make test-cluster    three nodes with ctnatd, and an API server: all of it, with a thousand changes
#   sudo make bench-cluster   ctnatd with 5,000 nodes and 10,000 services
#   sudo make test-integrity  1 GB for each kind of flow and each offload, compared at both ends
#   sudo make image   the container image, with buildah; sudo make test-image  runs it as the manifests say
#   make install      below DESTDIR   sudo make deps    installs what tests/deps lists
#
# V=1 prints the commands. SANITIZE=1 builds and tests with ASan and UBSan, in build/san.

MAKEFLAGS += --no-builtin-rules --no-builtin-variables --jobs=$(shell nproc)
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all check test demo test-cluster test-integrity bench bench-cni bench-cluster bench-scale fuzz skel image test-image install clean deps force
export PATH := $(PATH):/usr/sbin:/sbin

B         := build
O         := $B$(if $(SANITIZE),/san)
CC        := gcc
CLANG     := clang
CFLAGS    := -O2 -g
PREFIX    := /usr/local
CNI_BIN   := /opt/cni/bin
FUZZ_TIME := 60
VERSION   := $(shell cat VERSION)$(addprefix -g,$(shell git describe --always --dirty --exclude='*' 2>/dev/null))

sanitize := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
flags     = -std=gnu11 $(CFLAGS) -fno-strict-aliasing -Wall -Wextra -Werror -MMD -MP -Ibpf -Iplugin -I$B/bpf $(if $(SANITIZE),$(sanitize))
bpfflags  = -g -O2 -target bpf -mcpu=v3 -Wall -Wextra -Werror -MMD -MP -Ibpf -I/usr/include/$(shell $(CC) -print-multiarch)
libs      = -Wl,--as-needed $(shell pkg-config --libs libbpf libmnl libnftnl libcjson libcurl libmicrohttpd)

# Goals that promise to install what they lack do so before the first compiler runs; a plain `make` changes no system.
deps := $(if $(filter deps demo test test-cluster test-integrity bench bench-cni bench-cluster bench-scale fuzz,$(MAKECMDGOALS)),$B/.deps)

Q   := $(if $(V),,@)
say  = $(if $(V),,@printf '  %-7s %s\n' $1 $@)
src  = $(foreach d,$1,$(filter-out %.bpf.c,$(wildcard $d/*.c)))
obj  = $(patsubst %.c,$O/obj/%.o,$1)

plugin := $(call src,plugin/base plugin/kern plugin/core plugin/conf)
cni    := $(call src,plugin/cni)
agent  := $(call src,plugin/agent)
ctl    := $(call src,plugin/ctl)
lib    := $(plugin) $(filter-out %/main.c,$(cni) $(agent) $(ctl))
skel   := $(patsubst %.bpf.c,$B/%.skel.h,$(wildcard bpf/*.bpf.c tests/*/*.bpf.c))
unit   := $(patsubst %.c,$O/%,$(call src,tests/unit tests/lint))
priv   := $(patsubst %.c,$O/%,$(call src,tests/kern tests/bpf))
bench  := $(addprefix $O/bench/,cni floor datapath scale)
tools  := $(patsubst %.c,$O/%,$(call src,tests/tools))
fuzz   := $(patsubst tests/%.c,$B/%,$(call src,tests/fuzz))

all: $O/ctnat $O/ctnatd $O/ctnatctl compile_commands.json

# ---- the programs in the kernel ---------------------------------------------------------------------

$B/%.bpf.o: %.bpf.c Makefile | $(deps)
	$(call say,BPF)
	$(Q)mkdir -p $(@D) && $(CLANG) $(bpfflags) -c -o $@ $< && llvm-strip -g $@

$B/%.skel.h: $B/%.bpf.o
	$(call say,SKEL)
	$(Q)bpftool gen skeleton $< name $(notdir $*)_bpf > $@

skel: $(skel)

# ---- the programs of the node: ways to compile the same sources -------------------------------------

# $(call compile,<directory of the objects>,<compiler and flags>)
define compile
$1/%.o: %.c Makefile | $(skel) $(deps)
	$$(call say,CC)
	$$(Q)mkdir -p $$(@D) && $2 -c -o $$@ $$<
endef
$(eval $(call compile,$O/obj,$$(CC) $$(flags)))
$(eval $(call compile,$O/hooks/obj,$$(CC) $$(flags) -DTEST_HOOKS))
$(eval $(call compile,$O/rebuilt/obj,$$(CC) $$(flags) -DTEST_HOOKS -DPROGRAMS_BUILD=1000))
$(eval $(call compile,$O/next/obj,$$(CC) $$(flags) -DTEST_HOOKS -DABI_DATAPATH=1000))
$(eval $(call compile,$B/fuzz/obj,$$(CLANG) $$(flags) $$(sanitize) -fsanitize=fuzzer-no-link))
$O/obj/tests/%.o $B/fuzz/obj/tests/%.o: flags += -Itests -I$B

link = $(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(if $(SANITIZE),$(sanitize)) -o $@ $(filter %.o %.a,$^) $(libs)

$O/ctnat: $(call obj,$(plugin) $(cni))
$O/ctnatd: $(call obj,$(plugin) $(agent))
$O/ctnatctl: $(call obj,$(plugin) $(ctl))
$O/hooks/ctnat: $(patsubst %.c,$O/hooks/obj/%.o,$(plugin) $(cni))
$O/rebuilt/ctnat: $(patsubst %.c,$O/rebuilt/obj/%.o,$(plugin) $(cni))
$O/next/ctnat: $(patsubst %.c,$O/next/obj/%.o,$(plugin) $(cni))
$O/rebuilt/ctnatd: $(patsubst %.c,$O/rebuilt/obj/%.o,$(plugin) $(agent))
$O/next/ctnatd: $(patsubst %.c,$O/next/obj/%.o,$(plugin) $(agent))
variants := $(addprefix $O/,$(addsuffix /ctnat,hooks rebuilt next)) $O/rebuilt/ctnatd $O/next/ctnatd
static := $O/static/ctnat $O/static/ctnatctl
$O/static/ctnat: $(call obj,$(plugin) $(cni))
$O/static/ctnatctl: $(call obj,$(plugin) $(ctl))
$O/ctnat $O/ctnatd $O/ctnatctl $(static) $(variants):
	$(call say,LINK)
	$(link)
# Runs on any node, whatever its libc. Needs the libraries' archives: Dockerfile has them.
$(static): libs = -static $(shell pkg-config --static --libs libbpf libmnl libnftnl libcjson)

mains := $(patsubst %,$O/obj/plugin/%/main.o,cni agent ctl)
%/main.o: flags += -DCTNAT_VERSION=\"$(VERSION)\"
$(mains): $O/version
$O/version: force
	$(Q)mkdir -p $(@D) && { echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@; }

# ---- tests ------------------------------------------------------------------------------------------

# A test links what it uses; one that includes a .c replaces that file.
%.a:
	$(call say,AR)
	$(Q)rm -f $@ && ar rcs $@ $^
$O/plugin.a: $(call obj,$(lib) $(call src,tests/lib))
$B/fuzz/plugin.a: $(patsubst %.c,$B/fuzz/obj/%.o,$(lib))

$O/tests/%: $O/obj/tests/%.o $O/plugin.a
	$(call say,LINK)
	$(link) -lcmocka
$O/bench.a: $(call obj,$(filter-out $(bench:$O/%=tests/%.c),$(call src,tests/bench)))
$O/bench/%: $O/obj/tests/bench/%.o $O/bench.a $O/plugin.a
	$(call say,LINK)
	$(link)
$B/fuzz/%: $B/fuzz/obj/tests/fuzz/%.o $B/fuzz/plugin.a
	$(call say,LINK)
	$(Q)$(CLANG) $(sanitize) -fsanitize=fuzzer -o $@ $^ $(libs)

# Debian's, unpacked: installed, it would start a server. A test that wants it and finds none is skipped.
$B/promtool: | $(deps)
	$(call say,FETCH)
	$(Q)mkdir -p $(@D) && dir=$$(mktemp -d) && (cd $$dir && apt-get -q download prometheus && dpkg -x prometheus_*.deb .) \
		>$@.log 2>&1 && cp $$dir/usr/bin/promtool $@ || echo "  promtool cannot be had: $$(tail -n 1 $@.log)"; rm -rf "$$dir"

check: $(unit)
	$(Q)BUILD=$O tests/run tests/lint/*.bats $(unit)
test: all $(variants) $(unit) $(priv) $(tools) $B/promtool
	$(Q)BUILD=$O tests/run tests/lint/*.bats $(unit) $(priv) tests/e2e/*.bats tests/deploy/manifests.bats tests/cluster/cluster.bats
test-cluster: all $(variants) $(tools)
	$(Q)BUILD=$O FILE_TIMEOUT=1800 tests/run tests/cluster/cluster.bats tests/cluster/agent.bats
bench-cluster: all
	$(Q)BUILD=$O bats tests/cluster/scale.bats
test-integrity: all $(tools)
	$(Q)BUILD=$O LONG=1 BYTES=1000000000 FILE_TIMEOUT=7200 tests/run tests/e2e/integrity.bats
demo: all
	$(Q)BUILD=$O tests/demo
bench: all $(bench)
	$(Q)BUILD=$O $O/bench/datapath
bench-cni: all $(bench)
	$(Q)BUILD=$O $O/bench/cni
bench-scale: all $(bench)
	$(Q)BUILD=$O $O/bench/scale
fuzz: $(addprefix run-,$(fuzz))
run-$B/fuzz/%: $B/fuzz/%
	$(Q)mkdir -p $B/fuzz/corpus/$*
	$(Q)$< -max_total_time=$(FUZZ_TIME) -timeout=10 -artifact_prefix=$B/fuzz/$*- $B/fuzz/corpus/$* $(wildcard tests/fuzz/corpus/$*)

image:
	$(Q)BUILD=$O deploy/image/build '$(VERSION)'
test-image: image
	$(Q)tests/deps podman runc
	$(Q)BUILD=$O tests/run tests/deploy/container.bats

# ---- the rest ---------------------------------------------------------------------------------------

install: all
	install -D -m 755 $O/ctnat $(DESTDIR)$(CNI_BIN)/.ctnat.new	# runtimes may call it at any moment
	mv -f $(DESTDIR)$(CNI_BIN)/.ctnat.new $(DESTDIR)$(CNI_BIN)/ctnat
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/sbin $O/ctnatd $O/ctnatctl
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 plugin/ctl/ctnatctl.8
	install -D -m 644 plugin/ctl/ctnatctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/ctnatctl

deps: $B/.deps
$B/.deps: tests/deps
	$(Q)tests/deps
	$(Q)mkdir -p $(@D) && touch $@

comma := ,
compile_commands.json: Makefile $(sort $(dir $(lib)))
	$(Q)(printf '['; sep=; for f in $(plugin) $(cni) $(agent) $(ctl); do \
		printf '%s\n{"directory": "%s", "file": "%s", "command": "$(CC) $(flags) -c %s"}' "$$sep" "$(CURDIR)" $$f $$f; \
		sep=$(comma); done; printf '\n]\n') > $@

clean:
	$(Q)rm -rf $B compile_commands.json

-include $(shell find $B -path $B/image -prune -o -type f -name '*.d' -print 2>/dev/null)
