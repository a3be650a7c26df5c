package explain

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
)

// target is what --to names.
type target struct {
	// container is the container that was named; with SharesWith, the one that has the network.
	container *netinfo.Container
	// host: the host itself, by whichever of its addresses is near.
	host bool
	addr netip.Addr
	port uint16
}

func parseTarget(s *netinfo.Snapshot, text string, proto rules.Protocol) (target, error) {
	name, port, err := splitTarget(text, proto)
	if err != nil {
		return target{}, err
	}
	t := target{port: port}
	if name == "" {
		t.host = true
		return t, nil
	}
	if inside, ok := strings.CutPrefix(name, "["); ok {
		name = strings.TrimSuffix(inside, "]")
	}
	if t.addr, err = netip.ParseAddr(name); err == nil {
		t.addr = t.addr.Unmap().WithZone("")
		return t, nil
	}
	if strings.Contains(name, ":") || strings.HasPrefix(text, "[") {
		return target{}, fmt.Errorf("--to %s: %q is not an address", text, name)
	}
	c, err := findContainer(s, name)
	if err != nil {
		return target{}, err
	}
	t.container, t.host = c, c.HostNetwork
	return t, nil
}

// splitTarget takes the port off, where the protocol has ports.
func splitTarget(text string, proto rules.Protocol) (name string, port uint16, err error) {
	if proto == netinfo.ICMP {
		return text, 0, nil
	}
	i := strings.LastIndexByte(text, ':')
	if a, err := netip.ParseAddr(text); err == nil && a.Is6() {
		return "", 0, fmt.Errorf("--to %s has no port: an IPv6 address and a port are written [%s]:PORT", text, text)
	}
	if i < 0 || strings.HasSuffix(text, "]") {
		return "", 0, fmt.Errorf("--to %s has no port: write %s:PORT", text, text)
	}
	n, err := strconv.ParseUint(text[i+1:], 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("--to %s: %q is not a port (1 to 65535)", text, text[i+1:])
	}
	if name = text[:i]; strings.Contains(name, ":") && !strings.HasPrefix(name, "[") {
		return "", 0, fmt.Errorf("--to %s: an IPv6 address with a port is written [%s]:%s", text, name, text[i+1:])
	}
	return name, uint16(n), nil
}

// findContainer finds a container by name or ID (at least its first twelve
// characters, as docker ps prints it), and follows --network container:X to
// the one whose network it is.
func findContainer(s *netinfo.Snapshot, name string) (*netinfo.Container, error) {
	var found *netinfo.Container
	var names []string
	for i := range s.Containers {
		c := &s.Containers[i]
		names = append(names, c.Name)
		if c.Name == name || c.ID == name || len(name) >= 12 && strings.HasPrefix(c.ID, name) {
			found = c
		}
	}
	if found == nil {
		return nil, fmt.Errorf("there is no container %q%s", name, suggest(name, names))
	}
	for range s.Containers {
		if found.SharesWith == "" {
			break
		}
		for i := range s.Containers {
			if s.Containers[i].ID == found.SharesWith {
				found = &s.Containers[i]
				break
			}
		}
	}
	return found, nil
}
