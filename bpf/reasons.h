/* SPDX-License-Identifier: (GPL-2.0 OR Apache-2.0) */
#ifndef CTNAT_REASONS_H
#define CTNAT_REASONS_H

/* Every way out of a program, and the events that are no way out (`revived`). Passes first, drops
 * from DROP_FIRST on: the number decides. `what` is for people: README, ctnatctl and metrics print
 * it. */
#define REASONS(X) \
	X(PASS_NOT_OURS, "not_ours", "passed: not addressed to the node, VLAN-tagged, or not IP") \
	X(PASS_MALFORMED, "malformed", "passed: lengths that do not add up; the stack decides") \
	X(PASS_NEIGHBOUR, "neighbour", \
	  "passed: ARP, neighbour discovery or MLD of the pod itself") \
	X(PASS_STACK, "stack", "passed: fragment, IP option, not TCP or UDP, or TTL 1") \
	X(PASS_ESTABLISHED, "established", \
	  "passed: conntrack knows the flow, the kernel translates") \
	X(PASS_REVIVED, "revived", "a SYN met an entry in TIME_WAIT or CLOSE, which was ended") \
	X(PASS_NOT_SYN, "not_syn", "passed: TCP of no known flow that is not a plain SYN") \
	X(PASS_LEAVE, "leave", "passed: destination that is not masqueraded") \
	X(PASS_KERNEL, "kernel", "passed: destination that the base table masquerades") \
	X(PASS_SERVICE, "service", "passed: service address, left to kube-proxy") \
	X(PASS_LOCAL, "local", "passed: destination is the node itself, or has no route") \
	X(PASS_NO_UPLINK, "no_uplink", "passed: does not leave by an uplink") \
	X(PASS_NO_EGRESS, "no_egress", "passed: no address of the node to masquerade with") \
	X(PASS_ASSISTED, "assisted", \
	  "passed: this kernel's BPF cannot set NAT, the base table does") \
	X(PASS_UNGUARDED, "unguarded", \
	  "passed: the uplink's guard saw nothing of what was opened last; the kernel translates") \
	X(PASS_LIMITED, "limited", \
	  "passed: the pod's limit of unanswered flows a second; the kernel translates") \
	X(PASS_ALLOC_FAILED, "alloc_failed", "passed: conntrack gave no entry (table full)") \
	X(PASS_INSERTED, "inserted", "a conntrack entry with SNAT was inserted") \
	X(PASS_RETRIED, "insert_retried", \
	  "inserted with another source port, the first was taken") \
	X(PASS_RACED, "insert_raced", \
	  "another CPU inserted the same flow first; its entry is used") \
	X(PASS_EXHAUSTED, "snat_exhausted", \
	  "no free source port was found; the base table has the last word") \
	X(PASS_CACHED, "stack_cached", \
	  "passed: asked within the last second, and the answer was the stack") \
	X(PASS_ASKED, "asked", \
	  "passed: an established flow, whose way through the stack is being watched") \
	X(PASS_TOO_BIG, "too_big", \
	  "passed: larger than the MTU of its short way; the stack fragments or says so") \
	X(SHORT_OUT, "short_out", "the short way out: translated and sent by an uplink") \
	X(SHORT_IN, "short_in", "the short way in: translated and handed to a pod") \
	X(SHORT_POD, "short_pod", "the short way between two pods of the node") \
	X(LEARNED, "learned", \
	  "the stack was seen to forward a flow, which now goes the short way") \
	X(FORGOTTEN, "forgotten", "SYN, FIN or RST: the flow goes through the stack again") \
	X(ENDED_EGRESS, "ended_egress", \
	  "an entry was ended: its source address is not the node's, or of another uplink") \
	X(UPLINK_PASS, "uplink_pass", "from an uplink: passed, no established flow of a pod") \
	X(UPLINK_CACHED, "uplink_cached", \
	  "from an uplink: passed, asked within the last second") \
	X(POD_PASS, "pod_pass", "to a pod, through the stack: passed") \
	X(GUARD_NOT_POD, "guard_not_pod", \
	  "guard: passed, the source is no pod: the node's own traffic, and translated packets") \
	X(GUARD_PASS, "guard_pass", \
	  "guard: passed, a pod's packet to a destination that is left as it is") \
	X(DROP_SPOOFED, "spoofed", "dropped: source is not an address of the pod") \
	X(DROP_SPOOFED_ARP, "spoofed_arp", "dropped: ARP that speaks for somebody else") \
	X(DROP_SPOOFED_ND, "spoofed_nd", \
	  "dropped: neighbour discovery that speaks for somebody else, or hides") \
	X(DROP_ROGUE_RA, "rogue_ra", "dropped: router advertisement or redirect from a pod") \
	X(DROP_ROGUE_DHCP, "rogue_dhcp", "dropped: DHCP-server message from a pod") \
	X(DROP_LINK_LOCAL, "link_local", \
	  "dropped: link-local source, and neither neighbour discovery nor MLD, or too much") \
	X(DROP_NESTED_TAG, "nested_tag", \
	  "dropped: two VLAN tags, behind which the kernel would find what was not checked") \
	X(DROP_UNADMITTED, "unadmitted", \
	  "dropped: of a flow of which nothing was let out (a firewall); its entry was ended") \
	X(DROP_TORN, "torn", \
	  "dropped: the answer that said its way was replaced at this very moment") \
	X(DROP_DYING, "dying", "dropped: the pod is being deleted") \
	X(DROP_LEAK, "leak", "guard: dropped, would have left with a pod's address")

#define REASON_DROP_FIRST REASON_DROP_SPOOFED

enum reason {
#define REASON_ENUM(id, name, what) REASON_##id,
	REASONS(REASON_ENUM)
#undef REASON_ENUM
	REASON_MAX,
};

#endif
