package kernel

import (
	"slices"
	"strings"
	"sync"

	"dockwall/netinfo/hostnet"
	backend "dockwall/rules/backend/iptables"
)

// bases are the chains of others that dockwall's jumps stand in.
var bases = []string{"FORWARD", "INPUT", "OUTPUT", "DOCKER-USER"}

// Watched reports whether a change there may touch what dockwall wrote. Docker
// commits a dozen transactions for each container that it starts, and none of
// them is.
func Watched(p hostnet.Place) bool {
	if p.Family == hostnet.BridgeFamily {
		return p.Table == FrameTable
	}
	if p.Family == hostnet.InetFamily {
		return p.Table == PolicyTable
	}
	if p.Family == 0 || !slices.Contains(ownTables, p.Table) {
		return false
	}
	return p.Chain == "" || slices.Contains(bases, p.Chain) || strings.HasPrefix(p.Chain, "DOCKWALL-")
}

// leading are the chains of other programs whose rules packets meet before dockwall's.
type leading struct {
	mu  sync.Mutex
	all []hostnet.Place
}

// note takes the chains from what was read.
func (l *leading) note(st backend.State) {
	var all []hostnet.Place
	for family, tables := range map[int][]backend.Table{4: st.V4, 6: st.V6} {
		for _, t := range tables {
			for _, name := range backend.Before(t) {
				all = append(all, hostnet.Place{Family: family, Table: t.Name, Chain: name})
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = all
}

// Watched is Watched, and true of the chains that stood before dockwall's rules when the
// kernel was last read: they were harmless then. It may be called by any goroutine.
func (k *Kernel) Watched(p hostnet.Place) bool {
	if Watched(p) {
		return true
	}
	k.leading.mu.Lock()
	defer k.leading.mu.Unlock()
	return slices.Contains(k.leading.all, p)
}
