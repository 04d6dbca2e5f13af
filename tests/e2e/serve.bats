#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# ctnatd's HTTP server: what it answers, where it listens, and that nobody can keep others from their answers.
# tests/tools/serve stands in for ctnatd.

setup() {
	load lib
	node_up
	mkfifo "$DIR/orders"
	exec 5<>"$DIR/orders"
	spawn server_ in_node sh -c "exec '$BUILD/tests/tools/serve' 127.0.0.1:9464 10.244.1.0/24 <'$DIR/orders'"
	ready server_
}

teardown() {
	local rc=0
	echo quit >&5
	wait "$PID_server_" || rc=$?
	exec 5>&-
	[[ $rc -eq 0 ]] || fail "the server ended with $rc: $(<"$DIR/server_")" || rc=1
	node_down && return $rc
}

http() { in_node "$HERE/web.py" "$@"; }
get() { http ask "${3:-GET}" "${2:-127.0.0.1}" 9464 "$1"; }
status_of() { get "$@" | sed -n 1p; }
# answers [ADDRESS]: without the time that Python needs to start.
answers() {
	in_node timeout 10 bash -c "exec 3<>/dev/tcp/${1:-127.0.0.1}/9464 && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && cat <&3" \
		2>/dev/null | grep '^HTTP/1.. 200 OK' >/dev/null
}

# order ADDRESS: the server listens there from now on; ANSWER is what it says.
order() {
	local lines
	lines=$(wc -l <"$DIR/server_")
	echo "$1" >&5
	within 5 longer "$lines" || fail "no answer to '$1'"
	ANSWER=$(tail -n 1 "$DIR/server_")
}
longer() { [[ $(wc -l <"$DIR/server_") -gt $1 ]]; }

descriptors() { ls "/proc/$PID_server_/fd" | wc -l; }
as_many() { [[ $(descriptors) -eq $1 ]]; }

@test "pages, and what is none" {
	same "$(status_of /metrics)" 200
	same "$(status_of '/metrics?name=x')" 200
	same "$(get /metrics | grep -i ^content-type:)" "Content-Type: text/plain; version=0.0.4; charset=utf-8"
	get /metrics | grep -qx 'ctnat_build_info{version="test"} 1'
	same "$(status_of /)" 404
	same "$(status_of /metrics/)" 404
	same "$(get /none | tail -n 1)" "no such page"
	same "$(status_of /readyz)" 503
	same "$(get /readyz | tail -n 1)" "no podCIDR yet"
	same "$(status_of /nothing)" 500
}

@test "HEAD is GET without the page; all else is 405" {
	local length
	length=$(get /readyz 127.0.0.1 HEAD | sed -n 's/^Content-Length: //p')
	same "$length" 15
	same "$(get /readyz 127.0.0.1 HEAD | tail -n 1)" ""
	local method
	for method in POST PUT DELETE OPTIONS PATCH; do
		same "$(status_of /metrics 127.0.0.1 $method)" 405 $method
	done
	get /metrics 127.0.0.1 POST | grep -qx 'Allow: GET, HEAD'
	same "$(http ask POST 127.0.0.1 9464 /metrics 100 | sed -n 1p)" 405 "with a body"
	answers
}

@test "addresses, and their change" {
	order '[::1]:9464'
	same "$ANSWER" ok
	answers ::1
	not answers 127.0.0.1
	order ':9464'
	same "$ANSWER" ok
	answers ::1
	answers 127.0.0.1
	answers $NODE4
	order "$NODE4:9464"
	same "$ANSWER" ok
	answers $NODE4
	not answers 127.0.0.1
	order off
	same "$ANSWER" ok
	not answers $NODE4
	order "$NODE4:9464"
	order ""
	same "$ANSWER" ok
	not answers $NODE4
	order 127.0.0.1:9464
	answers
}

@test "what is no address, or cannot be had, leaves the old one in force" {
	local address
	for address in 9464 127.0.0.1 127.0.0.1: 127.0.0.1:0 127.0.0.1:65536 127.0.0.1:http :x ::1:9464 '[127.0.0.1]:9464' \
		'[::1]' localhost:9464 '[]:9464' on; do
		order "$address"
		[[ $ANSWER == *"serve at '$address': '$address': not 'address:port', "* ]] || fail "$address: $ANSWER"
		answers
	done
	order 192.0.2.99:9464
	same "$ANSWER" "serve at '192.0.2.99:9464': listen: Cannot assign requested address"
	answers
	spawn other in_node "$HERE/peer.py" serve 7777
	ready other
	order :7777
	same "$ANSWER" "serve at ':7777': listen: Address already in use"
	answers
	order 127.0.0.1:7777
	same "$ANSWER" "serve at '127.0.0.1:7777': listen: Address already in use"
	answers
}

@test "without IPv6, ':port' is IPv4's" {
	in_node sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	order :9464
	same "$ANSWER" ok
	answers
}

@test "requests that are too long, or none" {
	local answer
	answer=$(printf 'GET /metrics HTTP/1.1\r\nHost: x\r\nX: %020000d\r\n\r\n' 0 | http raw 127.0.0.1 9464)
	[[ -z $answer || $answer == "HTTP/1.1 4"* ]] || fail "headers of 20 kB: ${answer:0:200}"
	answer=$(printf 'GET /%020000d HTTP/1.1\r\nHost: x\r\n\r\n' 0 | http raw 127.0.0.1 9464)
	[[ -z $answer || $answer == "HTTP/1.1 4"* ]] || fail "a path of 20 kB: ${answer:0:200}"
	answer=$(head -c 20000 /dev/urandom | http raw 127.0.0.1 9464 | tr -d '\0')
	[[ -z $answer || $answer == "HTTP/1."?" 4"* ]] || fail "noise: ${answer:0:200}"
	printf 'POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n' | http raw 127.0.0.1 9464 |
		grep -q '^HTTP/1.1 405'
	answers
}

# While they are at it, everybody else is answered at once; and in the end nothing is left of them.
nobody_waits_for() {
	local before start i
	answers
	before=$(descriptors)
	spawn client in_node "$HERE/web.py" "$@"
	ready client
	for i in {1..20}; do
		start=${EPOCHREALTIME/./}
		answers || fail "no answer beside $1"
		[[ $((${EPOCHREALTIME/./} - start)) -lt 2000000 ]] || fail "an answer took $((${EPOCHREALTIME/./} - start)) us beside $1"
		sleep 0.05
	done
	wait "$PID_client" || fail "$(<"$DIR/client")"
	grep -qx "closed ${*: -1} of ${*: -1}" "$DIR/client" || fail "$(<"$DIR/client")"
	within 5 as_many "$before" || fail "$(descriptors) descriptors, not $before"
}

@test "who says nothing" { nobody_waits_for silent 127.0.0.1 9464 200; }
@test "who says a byte now and then" { nobody_waits_for dribble 127.0.0.1 9464 200; }
@test "who asks for much and does not read it" { nobody_waits_for deaf 127.0.0.1 9464 /large 50; }
@test "few of them are patient for five seconds, no more" {
	SECONDS=0
	nobody_waits_for dribble 127.0.0.1 9464 5
	[[ $SECONDS -ge 4 && $SECONDS -le 9 ]] || fail "$SECONDS seconds"
}

@test "an answer under way survives a change of address" {
	mkfifo "$DIR/go"
	spawn reader in_node bash -c "exec 3<>/dev/tcp/127.0.0.1/9464 && printf 'GET /large HTTP/1.0\r\n\r\n' >&3 &&
		read -rn 1 <&3 && echo ready && read -r <'$DIR/go' && wc -c <&3"
	ready reader
	order '[::1]:9464'
	same "$ANSWER" ok
	echo >"$DIR/go"
	wait "$PID_reader" || fail "$(<"$DIR/reader")"
	[[ $(tail -n 1 "$DIR/reader") -gt 4194304 ]] || fail "$(<"$DIR/reader") bytes"
}
