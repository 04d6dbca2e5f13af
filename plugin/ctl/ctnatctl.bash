# SPDX-License-Identifier: Apache-2.0
#
# bash completion for ctnatctl: commands, the options of each, and addresses of pods.

# _ctnatctl_pods: addresses of this node's pods, one a line; nothing if we may not look.
_ctnatctl_pods() {
	ctnatctl pods -o json 2>/dev/null | sed -nE 's/.*"addresses":[[:space:]]*\[(.*)\].*/\1/p' | tr -d '"' | tr ', ' '\n\n'
}

# _ctnatctl_offer WORD...: those that begin as the word under the cursor does. readline takes ':' for the end of a word, unless
# it was told otherwise: then what stands before the last one is there already.
_ctnatctl_offer() {
	local head=''
	[[ $word != *:* || $COMP_WORDBREAKS != *:* ]] || head=${word%"${word##*:}"}
	mapfile -t COMPREPLY < <(compgen -W "$*" -- "$word")
	COMPREPLY=("${COMPREPLY[@]#"$head"}")
}

_ctnatctl() {
	local commands='status pods flows stats routes explain log gc uninstall'
	local line word previous command='' places=0 skip=''
	COMPREPLY=()
	# words as the shell divides them, not as readline does
	read -ra line <<<"${COMP_LINE:0:COMP_POINT}"
	word=''
	[[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] || { word=${line[-1]}; unset 'line[-1]'; }
	previous=${line[-1]}
	local i
	for ((i = 1; i < ${#line[@]}; i++)); do
		case ${skip:-${line[i]}} in
		skip) skip='' ;;
		-o | --output | --pod | --limit | --in | --sport | --ttl | --flags) skip=skip ;;
		-*) ;;
		*) if [[ -z $command ]]; then command=${line[i]}; else places=$((places + 1)); fi ;;
		esac
	done

	case $previous in
	-o | --output) _ctnatctl_offer text json; return ;;
	--flags) _ctnatctl_offer syn ack fin rst syn,ack fin,ack; return ;;
	--pod | --in) _ctnatctl_offer $(_ctnatctl_pods); return ;;
	--limit | --sport | --ttl) return ;;
	esac
	if [[ $word == -* ]]; then
		local options='--output --help'
		case $command in
		flows) options+=' --pod --limit' ;;
		explain) options+=' --in --sport --ttl --flags' ;;
		gc) options+=' --dry-run' ;;
		uninstall) options+=' --force' ;;
		esac
		_ctnatctl_offer $options
	elif [[ -z $command ]]; then
		_ctnatctl_offer $commands
	elif [[ $command == explain ]]; then
		case $places in
		0 | 1) _ctnatctl_offer $(_ctnatctl_pods) ;;
		2) _ctnatctl_offer tcp udp icmp sctp ;;
		esac
	fi
}

complete -F _ctnatctl ctnatctl
