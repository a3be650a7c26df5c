package hostnet

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
)

// Where the nodes of a swarm reach each other: managers serve 2377 unless docker swarm
// init was given another --listen-addr; every node gossips on 7946, which cannot be
// changed (libnetwork's bindPort).
const (
	swarmPort  = 2377
	gossipPort = 7946
)

// readSwarm adds the port on which a manager serves the other nodes. dockerd keeps it
// below its data root; a host that is in no swarm has no such file.
func (d *daemonSettings) readSwarm(files *configFiles) error {
	path := filepath.Join(cmp.Or(d.dataRoot, "/var/lib/docker"), "swarm", "docker-state.json")
	b, err := files.get(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the state of the swarm: %w", err)
	}
	var state struct{ ListenAddr string }
	if err := json.Unmarshal(b, &state); err != nil {
		return fmt.Errorf("reading the state of the swarm %s: %w", path, err)
	}
	if a, err := netip.ParseAddrPort(state.ListenAddr); err == nil {
		d.swarm = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	return nil
}

// IsSwarmPort reports whether the TCP port is one of those on which the nodes of a swarm
// reach each other by default.
func IsSwarmPort(port uint16) bool { return port == swarmPort || port == gossipPort }

// isSwarms reports whether the socket serves the other nodes of the swarm.
func (d daemonSettings) isSwarms(a netip.AddrPort) bool {
	return IsSwarmPort(a.Port()) || d.swarm.IsValid() && sameSocket(d.swarm, a)
}
