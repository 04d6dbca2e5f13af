#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Each lint twice: on this tree, where it must find nothing, and on a small bad one, where it must name the culprit.

setup() {
	cd "$BATS_TEST_DIRNAME/../.."
	LINT=$PWD/tests/lint
	BAD=$BATS_TEST_TMPDIR
	mkdir -p "$BAD"/{bpf,deploy,plugin/{base,kern,core,cni,ctl},tests,.ci}
	echo '# SPDX-License-Identifier: Apache-2.0' >"$BAD/Makefile"
}

# bad FILE LINE...: a file of the bad tree.
bad() { printf '%s\n' "${@:2}" >"$BAD/$1"; }

# finds LINT FILE TEXT: the lint fails, and has a line with both.
finds() {
	run "$LINT/$1" "$BAD"
	[[ $status -ne 0 ]] || { echo "$1 found nothing"; return 1; }
	grep -F "$2" <<<"$output" | grep -F -- "$3" || { echo "$output"; return 1; }
}

c='// SPDX-License-Identifier: Apache-2.0'

@test "includes: this tree" { tests/lint/includes; }

@test "includes: arrows run one way" {
	bad plugin/kern/up.c "$c" '#include "core/pod.h"'
	finds includes plugin/kern/up.c:2 'plugin/kern may not include that'
	bad plugin/cni/across.c "$c" '#include <stdio.h>' '#include "ctl/out.h"'
	finds includes plugin/cni/across.c:3 'plugin/cni may not include that'
	bad plugin/base/sibling.c "$c" '#include "err.h"'
	finds includes plugin/base/sibling.c:2 'abi.h alone'
	bad plugin/core/maps.c "$c" '#include "maps.h"'
	finds includes plugin/core/maps.c:2 'abi.h alone'
	bad plugin/core/object.c "$c" '#include "ctnat.skel.h"'
	finds includes plugin/core/object.c:2 'only plugin/kern/bpfobj.c'
}

@test "includes: each library has one door" {
	bad plugin/core/link.c "$c" '#include <libmnl/libmnl.h>'
	finds includes plugin/core/link.c:2 'not by this door'
	bad plugin/kern/rtnl_link.c "$c" '#include <libnftnl/rule.h>'
	finds includes plugin/kern/rtnl_link.c:2 'not by this door'
	bad plugin/kern/nl.c "$c" '#  include <bpf/bpf.h>'
	finds includes plugin/kern/nl.c:2 'not by this door'
	bad plugin/core/json.c "$c" '#include <cjson/cJSON.h>'
	finds includes plugin/core/json.c:2 'not by this door'
	bad plugin/cni/json.h "$c" '#include <cjson/cJSON.h>'
	finds includes plugin/cni/json.h:2 'not by this door'
	bad plugin/base/new.c "$c" '#include <openssl/sha.h>'
	finds includes plugin/base/new.c:2 'no door is known'
}

@test "style: this tree" { tests/lint/style; }

@test "style: what it minds" {
	bad plugin/base/long.c "$c" "$(yes // | head -n 400)"
	finds style plugin/base/long.c 'more than 400'
	bad plugin/base/wide.c "$c" "$(printf '\t%093d' 0)"
	finds style plugin/base/wide.c 'more than 100 columns, in line 2'
	bad plugin/core/utils.c "$c"
	finds style plugin/core/utils.c 'says nothing'
	bad plugin/core/common.h "$c"
	finds style plugin/core/common.h 'says nothing'
	bad plugin/core/free.c 'int x;'
	finds style plugin/core/free.c 'no SPDX line'
	bad bpf/apache.bpf.c "$c"
	finds style bpf/apache.bpf.c 'no SPDX line for GPL-2.0'
	bad plugin/cni/main.c "$c" 'int main(void) { return system("ip link"); }'
	finds style plugin/cni/main.c:2 system
	bad plugin/kern/quit.c "$c" 'void quit(void) { exit(1); }'
	finds style plugin/kern/quit.c:2 exit
	bad plugin/cni/result.c "$c" 'void say(void) { printf("{}"); }'
	finds style plugin/cni/result.c:2 printf
	bad plugin/kern/later.c "$c" '/* TO''DO: think */'
	finds style plugin/kern/later.c:2 think
	bad plugin/kern/blank.c "$c" 'int x; '
	finds style plugin/kern/blank.c:2 'int x'
	bad plugin/kern/eight.c "$c" '        int x;'
	finds style plugin/kern/eight.c:2 'int x'
	bad tests/x.bats '# SPDX-License-Identifier: Apache-2.0' '@test "x" {' '	! false' '	true' '}'
	finds style tests/x.bats:3 '! false'
}

@test "scripts: this tree" { tests/lint/scripts; }

@test "scripts: what it minds" {
	bad tests/run '#!/bin/bash' 'if true; then'
	finds scripts tests/run 'syntax error'
	rm "$BAD/tests/run"
	bad tests/x.bats '@test "x" {' '	while' '}'
	finds scripts tests/x.bats 'syntax error'
	rm "$BAD/tests/x.bats"
	bad deploy/x '#!/bin/sh' 'if true; then'
	finds scripts deploy/x 'end of file'
	rm "$BAD/deploy/x"
	bad tests/x.py 'def x(:'
	finds scripts tests/x.py 'line 1'
}

@test "manual: this tree" { tests/lint/manual; }

@test "manual: what it minds" {
	mkdir -p "$BAD/plugin/ctl"
	cp plugin/ctl/{main.c,ctnatctl.8,ctnatctl.bash} "$BAD/plugin/ctl"
	sed -i 's/{ "pods",/{ "podz",/' "$BAD/plugin/ctl/main.c"
	finds manual plugin/ctl/ctnatctl.8 "'podz'"
	finds manual plugin/ctl/ctnatctl.bash "'podz'"
	sed -i 's/{ "podz",/{ "pods",/; s/{ "limit",/{ "bound",/' "$BAD/plugin/ctl/main.c"
	finds manual plugin/ctl/ctnatctl.8 --bound
	cp plugin/ctl/main.c "$BAD/plugin/ctl"
	echo 'if' >>"$BAD/plugin/ctl/ctnatctl.bash"
	finds manual plugin/ctl/ctnatctl.bash 'syntax error'
}
