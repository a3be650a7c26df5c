package kernel

import (
	"context"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	backend "dockwall/rules/backend/iptables"
)

// tools remembers which variant the plain names are of. Its methods may be called by
// several goroutines.
type tools struct {
	mu    sync.Mutex
	known map[asked]backend.Variant
}

// tool is the program to start for a command such as ip6tables-nft-save. Hosts that have
// only one variant may have only the plain names: ip6tables-save, if that is of nft.
func (k *programs) tool(name string) string {
	for _, v := range []backend.Variant{backend.NFT, backend.Legacy} {
		infix := strings.TrimPrefix(string(v), "iptables")
		plain := strings.Replace(name, infix, "", 1)
		if plain == name || !strings.HasPrefix(plain, "ip") {
			continue
		}
		// A host that has the variant's own names, and not this one, is broken.
		own := name[:strings.Index(name, infix)+len(infix)]
		if _, err := exec.LookPath(own); err == nil {
			break
		}
		if path, err := exec.LookPath(plain); err == nil && k.tools.variant(path) == v {
			return plain
		}
	}
	return name
}

// toolTimeout is how long a program may take to say its version.
const toolTimeout = 5 * time.Second

// variant is the variant of the program at the path, as its version says; empty if it says
// nothing. It is asked once, until it is replaced.
func (t *tools) variant(path string) backend.Variant {
	key, err := askedNow(path)
	if err != nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if v, known := t.known[key]; known {
		return v
	}
	ctx, cancel := context.WithTimeout(context.Background(), toolTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	var v backend.Variant
	switch said := string(out); {
	case err != nil:
		return "" // it may be asked again
	case strings.Contains(said, "(nf_tables)"):
		v = backend.NFT
	case strings.Contains(said, "(legacy)"):
		v = backend.Legacy
	}
	if t.known == nil {
		t.known = map[asked]backend.Variant{}
	}
	t.known[key] = v
	return v
}

// hasSocket reports whether the kernel has the family at all: with ipv6.disable=1 it has no
// sockets of IPv6, which legacy's tools need. If that is not known it is true.
func hasSocket(f backend.Family) bool {
	family := unix.AF_INET
	if f == backend.V6 {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err != unix.EAFNOSUPPORT
}
