package compile

import (
	"dockwall/netinfo"
	"dockwall/rules"
)

// icmp is one type of ICMP messages.
type icmp struct {
	proto rules.Proto
	kind  uint8
}

// redirects tell a host to send by another router.
var redirects = []icmp{
	{rules.Proto{Proto: netinfo.ICMP}, rules.TypeRedirect4},
	{rules.Proto{Proto: netinfo.ICMPv6}, rules.TypeRedirect6},
}
