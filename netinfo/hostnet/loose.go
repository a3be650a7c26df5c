package hostnet

import (
	"os"
	"strings"
)

// TCPLoose reports whether conntrack picks up TCP connections midstream
// (nf_conntrack_tcp_loose), which is the kernel's default.
func TCPLoose() bool {
	b, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_tcp_loose")
	return err != nil || strings.TrimSpace(string(b)) != "0"
}
