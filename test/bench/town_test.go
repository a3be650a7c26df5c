package bench

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dockwall/netinfo/docker/dockertest"
	"dockwall/test/lab"
)

// perNetwork is how many containers share a network, until there are
// maxNetworks.
const (
	perNetwork  = 25
	maxNetworks = 200
	groups      = 100 // kinds of containers, told apart by a label
)

// town is a host with an engine that answers as dockerd does.
type town struct {
	*lab.Lab
	engine   *dockertest.Engine
	networks int
	serial   int
}

// newTown makes a host whose engine has so many containers.
func newTown(t testing.TB, containers int) *town {
	t.Helper()
	l := lab.New(t, lab.Options{NoDocker: true})
	e, err := dockertest.New(filepath.Join(l.Dir(), "run"), dockertest.Gen28)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	w := &town{Lab: l, engine: e, networks: max(1, min(maxNetworks, containers/perNetwork))}
	for i := range w.networks {
		e.CreateNetwork(dockertest.Network{Name: network(i), Subnet: fmt.Sprintf("10.%d.0.0/16", i+1)})
	}
	for range containers {
		e.Start(w.create())
	}
	return w
}

func network(i int) string { return fmt.Sprintf("net%d", i) }

// create makes one more container that is not started: of the next group, on
// the next network, with a port of its own.
func (w *town) create() string {
	i := w.serial
	w.serial++
	return w.engine.Create(dockertest.Container{
		Name: fmt.Sprintf("app-%05d", i), Image: "app:1", Labels: map[string]string{"tier": tier(i % groups)},
		Networks: []string{network(i % w.networks)},
		Ports:    []dockertest.Port{{Port: "80/tcp", HostPort: fmt.Sprint(20000 + i%40000)}},
	})
}

func tier(group int) string { return fmt.Sprintf("t%02d", group) }

// settings begin every file.
const settings = `docker {
  host = "unix:///run/docker.sock"
}
log {
  level = "warn"
}
`

// policyText is a file of so many policies of all kinds, and with a list of
// addresses that nothing may come from and no container reach.
func policyText(policies int, blocklist bool) string {
	var b strings.Builder
	b.WriteString(settings)
	if blocklist {
		b.WriteString("addresses \"list\" {\n  file = \"list.cidr\"\n}\nblock \"list\" {\n  from = [addresses.list]\n  to   = [addresses.list]\n}\n")
	}
	for g := range groups {
		fmt.Fprintf(&b, "containers %q {\n  labels = { tier = %q }\n}\n", tier(g), tier(g))
	}
	for i := range policies {
		b.WriteString(block(i))
	}
	return b.String()
}

// block is the i-th policy. Most are about published ports, as in real files.
func block(i int) string {
	to, other := tier(i%groups), tier((i+7)%groups)
	switch i % 10 {
	case 7:
		return fmt.Sprintf("between \"b%d\" {\n  from = [containers.%s]\n  to = [containers.%s]\n  ports = [\"5432/tcp\"]\n}\n", i, to, other)
	case 8:
		return fmt.Sprintf("egress \"e%d\" {\n  from = [containers.%s]\n  to = [\"198.18.%d.0/24\"]\n  ports = [\"443/tcp\"]\n}\n", i, to, i%256)
	case 9:
		return fmt.Sprintf("host \"h%d\" {\n  from = [containers.%s]\n  ports = [\"53\"]\n}\n", i, to)
	}
	return fmt.Sprintf("published \"p%d\" {\n  to = [containers.%s]\n  ports = [\"%d/tcp\"]\n  from = [\"192.0.2.0/24\", \"203.0.%d.0/24\"]\n}\n",
		i, to, servedPort+i, i%256)
}

// servedPort is the port of the first policy.
const servedPort = 8000

// writeList writes so many networks and addresses beside the file, such as a
// list of abusers has: mostly single addresses and /24s, some larger. None
// holds an address of the lab.
func (w *town) writeList(t testing.TB, n int) {
	t.Helper()
	var b strings.Builder
	for _, p := range prefixes(n) {
		b.WriteString(p.String() + "\n")
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(w.ConfigPath()), "list.cidr"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// prefixes are n different ones, the same at every call.
func prefixes(n int) []netip.Prefix {
	rnd := rand.New(rand.NewPCG(1, 2))
	seen := make(map[netip.Prefix]bool, n)
	for len(seen) < n {
		bits := 32
		switch rnd.IntN(10) {
		case 0, 1, 2:
			bits = 24
		case 3:
			bits = 16 + rnd.IntN(16)
		}
		a := rnd.Uint32()
		// Out of 20.0.0.0 to 99.255.255.255, where none of the lab's are.
		first := byte(20 + (a>>24)%80)
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{first, byte(a >> 16), byte(a >> 8), byte(a)}), bits).Masked()
		seen[p] = true
	}
	out := make([]netip.Prefix, 0, n)
	for p := range seen {
		out = append(out, p)
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return out
}
