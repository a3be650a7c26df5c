package kernel

import "time"

// The parts of ipset's netlink protocol (linux/netfilter/ipset/ip_set.h) that
// listing sets needs. Protocol 6 is spoken by every kernel in use.
const (
	ipsetSubsystem  = 6 // NFNL_SUBSYS_IPSET
	ipsetListHeader = 1 << 2
	ipsetTimeout    = 5 * time.Second
)
