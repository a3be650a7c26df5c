package hostnet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Engines returns what tells the running dockerd processes from others before and
// after them, empty if none runs, and the TCP addresses on which their settings say
// that they serve the API. It depends on what Dockerd saw when it last looked.
func (s *Scanner) Engines() (identity string, configured []netip.AddrPort) {
	var all []string
	for _, p := range s.dockerds() {
		all = append(all, fmt.Sprintf("%d %q", p.pid, p.args))
		settings := parseDaemonArgs(p.args)
		// Dockerd has returned the errors already.
		_ = settings.readFile(s.files, s.configFile)
		_ = s.readUnits(&settings, p)
		for _, l := range settings.listeners() {
			configured = append(configured, netip.AddrPortFrom(l.Addr, l.Port))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n"), configured
}
