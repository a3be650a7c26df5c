package hostnet

import (
	"slices"
	"strings"
)

// fallbackTunnels are interfaces that the kernel makes in every network namespace once a
// tunnel's module is loaded.
var fallbackTunnels = []string{"tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0", "ip6gretap0", "ip6erspan0"}

// maxInterfaces is how much is read of a list of interfaces.
const maxInterfaces = 1 << 20

// Interfaces returns the names of the interfaces in the network namespace of a container's
// process, without loopback and the kernel's own tunnels; ok is false if the process is not
// known to be that container's, or is in this network namespace. It takes no ptrace rights.
func (s *Scanner) Interfaces(pid int, container string) (names []string, ok bool) {
	if s.containerOf(pid) != container || s.inSameNet(pid) {
		return nil, false
	}
	b, err := readAtMost(s.path(pid, "net", "dev"), maxInterfaces)
	if err != nil {
		return nil, false
	}
	for line := range strings.Lines(string(b)) {
		name, _, counters := strings.Cut(strings.TrimSpace(line), ":")
		if counters && name != "lo" && !slices.Contains(fallbackTunnels, name) {
			names = append(names, name)
		}
	}
	return names, true
}
