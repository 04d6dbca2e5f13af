#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The reflector against an API server that misbehaves (tests/cluster/apiserver.py), on the loopback of a namespace of
# their own. tests/tools/reflect prints the model whenever it changes.

setup() {
	load lib
	ADDRESS=127.0.0.1
	DIR=$(mktemp -d "${BATS_TEST_TMPDIR:-/tmp}/kube.XXXXXX")
	hold NODE --net --mount
	in_node ip link set lo up
	mkfifo "$DIR/commands"
	exec 9<>"$DIR/commands"
	mkdir "$DIR/api"
}

teardown() {
	local rc=0
	[[ -n ${BATS_TEST_COMPLETED-} ]] || tail -n 40 "$DIR/reflect" "$DIR/server" | cut -c -300
	if [[ -n ${PID_reflect-} ]]; then
		tell quit
		wait "$PID_reflect" || rc=$?
		! grep -E 'Sanitizer|runtime error' -A 20 "$DIR/reflect" || rc=1
	fi
	finish "${PIDS[@]}" "$NODE"
	return $rc
}

# server_up [VERSION]
server_up() {
	spawn server in_node "$HERE/../cluster/apiserver.py" serve "$DIR/api" $ADDRESS 6443 "$@"
	ready server
}

ctl() { "$HERE/../cluster/apiserver.py" ctl "$DIR/api" "$@"; }

# reflect [WORD...]: of node a, with short times.
reflect() {
	local host=$ADDRESS
	[[ $host != *:* ]] || host=[$host]
	spawn reflect in_node sh -c "exec '$BUILD/tests/tools/reflect' https://$host:6443 '$DIR/api' a retry=100 $* \
		<>'$DIR/commands'"
	ready reflect
}

tell() { echo "$1" >&9; }

# node NAME ADDRESS PODS [BYTES]: as JSON, with an annotation of that size.
node() {
	jq -nc --arg name "$1" --arg address "$2" --arg pods "$3" --argjson size "${4:-0}" '{
		metadata: {name: $name, annotations: {note: ("x" * $size // "")}},
		spec: {podCIDR: $pods}, status: {addresses: [{type: "InternalIP", address: $address}]}}'
}
put_node() { node "$@" | ctl put nodes -; }

# put_service NAME ADDRESS [EXTERNAL]
put_service() {
	jq -nc --arg name "$1" --arg address "$2" --arg external "${3-}" '{metadata: {name: $name},
		spec: {clusterIP: $address, externalIPs: [$external | select(. != "")]}}' | ctl put services -
}

put_cidr() {
	ctl put servicecidrs - <<<"{\"metadata\":{\"name\":\"kubernetes\"},\"spec\":{\"cidrs\":[\"$1\"]}}"
}

a='a=192.0.2.1,10.244.1.0/24' b='b=192.0.2.2,10.244.2.0/24' c='c=192.0.2.3,10.244.3.0/24'
put_a() { put_node a 192.0.2.1 10.244.1.0/24; }
put_b() { put_node b 192.0.2.2 10.244.2.0/24; }
put_c() { put_node c 192.0.2.3 10.244.3.0/24; }

# The last line that begins with that word.
last() { grep "^$1\b" "$DIR/reflect" | tail -n 1; }

# shows LINE: is, or soon is, the last one that begins with its first word.
shows() {
	within 10 is_last "$1" || fail "'$(last "${1%% *}")', not '$1'"
}
is_last() { [[ $(last "${1%% *}") == "$1" ]]; }

# state KIND FIELD: what the reflector says of itself.
state() {
	local before line
	before=$(grep -c ^available "$DIR/reflect" || true)
	tell state
	within 5 has_lines ^available $((before + 1)) || fail "no answer"
	line=$(grep "^state $1 " "$DIR/reflect" | tail -n 1)
	[[ $line =~ \ $2=([0-9]+) ]] && echo "${BASH_REMATCH[1]}"
}
has_lines() { [[ $(grep -c "$1" "$DIR/reflect") -ge $2 ]]; }

# reaches KIND FIELD VALUE
reaches() {
	within 10 has_state "$@" || fail "$1 $2 is $(state "$1" "$2"), not $3"
}
has_state() { [[ $(state "$1" "$2") == "$3" ]]; }

troubles() { within 10 grep -q "^trouble .*$1" "$DIR/reflect" || fail "nobody says '$1'"; }

# calls PATTERN: how many requests match.
calls() { ctl log | grep -cE "$1" || true; }
called() { [[ $(calls "$1") -ge $2 ]]; }

# watched: all three.
watched() { within 10 all_watched || fail "$(ctl watches)"; }
all_watched() { [[ $(ctl watches) == $'nodes 1\nservices 1\nservicecidrs 1' ]]; }

# up [WORD...]: server, node a, a range, and the reflector, all in peace.
up() {
	server_up
	put_a
	put_cidr 10.96.0.0/12
	reflect "$@"
	shows "nodes $a"
	shows "services 10.96.0.0/12"
	watched
}

@test "a list, then what changes; heartbeats are no changes" {
	up
	put_b
	shows "nodes $a $b"
	put_node b 192.0.2.20 10.244.20.0/24
	shows "nodes $a b=192.0.2.20,10.244.20.0/24"
	put_node b 192.0.2.20 10.244.20.0/24 5
	put_service s 10.96.0.5 203.0.113.7
	shows "externals 203.0.113.7/32"
	put_service t 10.112.0.1
	shows "services 10.96.0.0/12 10.112.0.1/32"
	ctl delete services default/t
	shows "services 10.96.0.0/12"
	ctl delete nodes b
	shows "nodes $a"
	same "$(state node events)" 4
	same "$(grep -c ^nodes "$DIR/reflect")" 4
	same "$(state node lists) $(state node errors) $(state node bad)" "1 0 0"
	same "$(last changes)" "changes 9"	# three lists, and each of the above but the heartbeat
}

@test "lists come in pages" {
	server_up
	ctl fill 1203 0 500
	reflect
	within 10 grep -q ^nodes "$DIR/reflect"
	same "$(last nodes | wc -w)" 1204
	same "$(calls '^list - nodes - - 200 limit=500')" 3
	same "$(calls '^list - nodes .*limit=500&continue=')" 2
	same "$(calls '^list - nodes .*continue=.*resourceVersion')" 0
}

@test "a cache that disregards the limit sends all at once" {
	server_up
	ctl cache on
	ctl fill 1203 0 500
	reflect
	within 10 grep -q ^nodes "$DIR/reflect"
	same "$(last nodes | wc -w)" 1204
	same "$(calls '^list - nodes')" 1
}

@test "a bookmark moves the version" {
	up
	put_service s 10.96.0.5
	put_service t 10.96.0.6
	ctl bookmark
	reaches node events 1
	ctl log clear
	sleep 1
	ctl end
	within 5 called '^watch - nodes' 1
	version=$(ctl get services default/t | jq -r .metadata.resourceVersion)
	ctl log | grep -q "^watch - nodes .*resourceVersion=$version&" || fail "not from $version on: $(ctl log)"
	same "$(state node errors)" 0
	put_b
	shows "nodes $a $b"
	same "$(state node lists)" 1
}

@test "410 for a token to continue with: the list begins anew, in one piece" {
	server_up
	ctl expire on
	ctl fill 600 0 500
	reflect
	within 10 grep -q ^nodes "$DIR/reflect"
	same "$(last nodes | wc -w)" 601
	troubles 'list nodes: HTTP 410: The provided continue parameter is too old'
	ctl log | grep -q '^list - nodes - - 200 limit=0' || fail "$(ctl log)"
	same "$(state node errors)" 1
}

# forgotten event|http: while nobody watches, b goes and c comes, and all versions up to then are too old.
forgotten() {
	up
	put_b
	shows "nodes $a $b"
	ctl gone "$1"
	ctl fail 503 on
	ctl end
	troubles 'HTTP 503'
	ctl delete nodes b
	put_c
	ctl compact
	ctl fail 503 off
	shows "nodes $a $c"
	troubles 'watch nodes: .*410: too old resource version'
	reaches node lists 2
	watched
	put_b
	shows "nodes $a $b $c"
	not grep -qx "nodes $a" <(tail -n +6 "$DIR/reflect")
}

@test "410 as an event of a watch: a new list loses what is gone" { forgotten event; }
@test "410 as the answer to a watch: a new list loses what is gone" { forgotten http; }

@test "401: the token is read again" {
	up
	ctl tokens token-2
	ctl end
	troubles 'HTTP 401: Unauthorized'
	put_b
	echo token-2 >"$DIR/api/token"
	shows "nodes $a $b"
	same "$(state node lists)" 1
}

@test "no token, then one" {
	server_up
	put_a
	mv "$DIR/api/token" "$DIR/kept"
	ctl tokens token-1
	reflect
	troubles "list nodes: open token '$DIR/api/token': No such file"
	: >"$DIR/api/token"
	troubles "list nodes: token '$DIR/api/token': No data"
	mv "$DIR/kept" "$DIR/api/token"
	shows "nodes $a"
}

@test "ServiceCIDRs as of v1beta1" {
	server_up
	ctl servicecidrs v1beta1
	put_cidr 10.96.0.0/12
	put_service s 10.96.0.5
	reflect
	shows "services 10.96.0.0/12"
	same "$(state servicecidr errors) $(state servicecidr absent)" "0 0"
	same "$(calls '^list networking.k8s.io servicecidrs - - 404')" 1
	put_cidr 10.112.0.0/12
	shows "services 10.96.0.5/32 10.112.0.0/12"
}

# no_cidrs HOW STATUS
no_cidrs() {
	server_up
	ctl servicecidrs "$1"
	put_cidr 10.96.0.0/12
	put_service s 10.96.0.5
	reflect absent=1500
	shows "services 10.96.0.5/32"
	same "$(state servicecidr errors) $(state servicecidr absent)" "0 1"
	troubles "servicecidr: list servicecidrs: HTTP $2"
	same "$(grep -c '^trouble servicecidr' "$DIR/reflect")" 1
	within 10 called "^list networking.k8s.io servicecidrs - - $2" 4
	same "$(grep -c '^trouble servicecidr' "$DIR/reflect")" 1
	ctl servicecidrs v1
	shows "services 10.96.0.0/12"
	# and what was known stays when they are gone
	same "$(state servicecidr absent)" 0
	ctl servicecidrs "$1"
	ctl compact
	ctl end
	reaches servicecidr watching 0
	same "$(last services)" "services 10.96.0.0/12"
}

@test "no ServiceCIDRs (404): every cluster IP alone, and another look now and then" { no_cidrs none 404; }
@test "ServiceCIDRs forbidden (403): every cluster IP alone, and another look now and then" { no_cidrs forbidden 403; }

@test "a connection that ends in mid-line loses nothing" {
	up
	ctl cut
	put_b
	shows "nodes $a $b"
	troubles 'watch nodes: '
	same "$(state node lists) $(state node bad)" "1 0"
}

@test "objects of 1 MB, in a list and in a watch" {
	server_up
	put_node a 192.0.2.1 10.244.1.0/24 1000000
	reflect
	shows "nodes $a"
	watched
	put_node b 192.0.2.2 10.244.2.0/24 1000000
	put_c
	shows "nodes $a $b $c"
	same "$(state node bad) $(state node errors)" "0 0"
}

@test "objects without sense are skipped, and named; what was known of them stays" {
	up
	put_b
	shows "nodes $a $b"
	put_node b 192.0.2.2 10.244.2.0/99
	troubles "node 'b': object.spec.podCIDR: \"10.244.2.0/99\": not a prefix"
	put_c
	shows "nodes $a $b $c"
	same "$(state node bad)" 1
	ctl compact
	ctl end
	reaches node lists 2
	same "$(state node bad)" 2
	same "$(last nodes)" "nodes $a $b $c"
	ctl delete nodes b
	shows "nodes $a $c"
}

@test "larger than any object: skipped" {
	up
	put_node b 192.0.2.2 10.244.2.0/24 4200000
	put_c
	shows "nodes $a $c"
	troubles 'node: more than 4194304 bytes'
	same "$(state node bad) $(state node lists)" "1 1"
}

@test "what is no JSON ends a watch, not the reflector" {
	up
	ctl raw 'oops'
	troubles "watch nodes: no JSON begins with 'o'"
	put_b
	shows "nodes $a $b"
	same "$(state node lists)" 1
}

@test "silence: a watch is given up and begun anew; nothing else waits" {
	up silence=700
	ctl silence on
	troubles 'watch nodes: nothing heard for [0-9]* ms'
	put_b
	start=${EPOCHREALTIME/./}
	state node watching
	[[ $((${EPOCHREALTIME/./} - start)) -lt 400000 ]] || fail "an answer took $((${EPOCHREALTIME/./} - start)) us"
	ctl silence off
	shows "nodes $a $b"
	same "$(state node lists)" 1
}

@test "503: asked again less and less often" {
	server_up
	put_a
	ctl fail 503 on
	reflect
	sleep 2.5
	n=$(calls '^list - nodes - - 503')
	[[ $n -ge 4 && $n -le 9 ]] || fail "$n times: $(ctl log)"
	ctl fail 503 off
	shows "nodes $a"
	troubles 'list nodes: HTTP 503: told to fail with 503'
	same "$(state node lists)" 1
}

@test "watches that end at once are not begun anew at once" {
	up
	ctl watchtime 0
	ctl log clear
	ctl end
	sleep 2
	n=$(calls '^watch - nodes')
	[[ $n -ge 2 && $n -le 12 ]] || fail "$n watches in 2 s"
	same "$(state node errors)" 0
	ctl watchtime 100
	put_b
	shows "nodes $a $b"
}

@test "a server that is not there yet" {
	server_up
	finish $PID_server
	reflect
	troubles "list nodes: Failed to connect to 127.0.0.1 port 6443"
	server_up
	put_a
	shows "nodes $a"
}

@test "a server that goes and comes back has forgotten everything" {
	up
	finish $PID_server
	troubles 'watch nodes: '
	server_up 5000
	put_b
	shows "nodes $b"
	troubles 'watch nodes: .*410: too old resource version'
}

@test "only the CA of the file is believed, as it is now" {
	server_up
	put_a
	mv "$DIR/api/ca.crt" "$DIR/kept"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '/CN=test CA' -keyout "$DIR/key" \
		-out "$DIR/api/ca.crt" 2>/dev/null
	reflect
	troubles 'list nodes: SSL certificate problem'
	same "$(calls .)" 0
	mv "$DIR/kept" "$DIR/api/ca.crt"
	shows "nodes $a"
}

@test "a certificate of another address is refused" {
	server_up
	finish $PID_server
	ADDRESS=127.0.0.2
	server_up
	put_a
	reflect
	troubles "list nodes: SSL: no alternative certificate subject name matches target host name '127.0.0.2'"
	same "$(calls .)" 0
}

@test "over IPv6" {
	ADDRESS=::1
	server_up
	put_a
	reflect
	shows "nodes $a"
}

@test "a name server that is silent keeps nobody waiting" {
	echo 'nameserver 127.0.0.1' >"$DIR/resolv.conf"
	in_node mount --bind "$DIR/resolv.conf" /etc/resolv.conf
	spawn names in_node python3 -c 'import socket, time
names = socket.socket(type=socket.SOCK_DGRAM)
names.bind(("127.0.0.1", 53))
print("ready", flush=True)
names.recv(1)
print("asked", flush=True)
time.sleep(1000)'
	ready names
	server_up
	ADDRESS=api.example
	reflect connect=1000
	within 5 grep -q asked "$DIR/names"
	start=${EPOCHREALTIME/./}
	same "$(state node synced)" 0
	[[ $((${EPOCHREALTIME/./} - start)) -lt 500000 ]] || fail "an answer took $((${EPOCHREALTIME/./} - start)) us"
	troubles 'list nodes: Resolving timed out'
	start=${EPOCHREALTIME/./}
	tell quit
	wait $PID_reflect
	[[ $((${EPOCHREALTIME/./} - start)) -lt 1000000 ]] || fail "its end took $((${EPOCHREALTIME/./} - start)) us"
	unset PID_reflect
}

@test "the condition is set, once, however long it takes" {
	server_up
	reflect
	tell available
	troubles 'set condition NetworkUnavailable: HTTP 404: nodes "a" not found'
	put_a
	within 10 called '^patch - nodes status a 200' 1
	same "$(ctl get nodes a | jq -c '[.status.conditions[] | {type, status, reason}]')" \
		'[{"type":"NetworkUnavailable","status":"False","reason":"CtnatIsUp"}]'
	state node events
	shows "available 1"
	sleep 0.5
	same "$(calls '^patch - nodes status a 200')" 1
	tell available
	within 10 called '^patch - nodes status a 200' 2
}

@test "other conditions stay as they are" {
	server_up
	node a 192.0.2.1 10.244.1.0/24 | jq -c '.status.conditions = [{type: "Ready", status: "True"},
		{type: "NetworkUnavailable", status: "True", reason: "NoRouteCreated"}]' | ctl put nodes -
	reflect
	tell available
	within 10 called '^patch - nodes status a 200' 1
	same "$(ctl get nodes a | jq -c '[.status.conditions[] | .type, .status]')" \
		'["Ready","True","NetworkUnavailable","False"]'
}

@test "only our own node, then all, then our own again" {
	server_up
	put_a
	put_b
	reflect own
	shows "nodes $a"
	watched
	put_c
	put_node a 192.0.2.10 10.244.1.0/24
	shows "nodes a=192.0.2.10,10.244.1.0/24"
	same "$(state node events)" 1
	tell all
	shows "nodes a=192.0.2.10,10.244.1.0/24 $b $c"
	watched
	ctl delete nodes b
	shows "nodes a=192.0.2.10,10.244.1.0/24 $c"
	tell own
	shows "nodes a=192.0.2.10,10.244.1.0/24"
	same "$(calls '^get')" 0
}
