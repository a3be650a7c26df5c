package cli_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/agent/config"
	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules/policy"
)

// peer is somebody at remote who is connected to the local address.
func peer(local, remote string) hostnet.Peer {
	return hostnet.Peer{Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddr(remote)}
}

// apiHost is a host whose dockerd listens on 2375 for everybody.
func apiHost() *machine {
	m := newMachine()
	for i, l := range m.snapshot.Links {
		if l.Name == "eth0" {
			m.snapshot.Links[i].Addrs = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64")}
		}
	}
	m.snapshot.Listeners = []netinfo.Listener{{Addr: netip.IPv6Unspecified(), Proto: netinfo.TCP, Port: 2375, Dockerd: true}}
	return m
}

// A client that is connected to Docker's API from another host is allowed, where
// the port asks for certificates, and no other: not this host, nor the servers that
// this host is connected to, nor clients of a port on which no dockerd listens.
func TestInitAllowsTheAPIToWhoUsesIt(t *testing.T) {
	m := apiHost()
	file := filepath.Join(t.TempDir(), "agent.hcl")
	c := newCommand(m)
	var asked []uint16
	c.env.Host.Peers = func(ports []uint16) ([]hostnet.Peer, error) {
		asked = ports
		return []hostnet.Peer{
			peer("192.0.2.1:2375", "198.51.100.7"), peer("[2001:db8::1]:2375", "2001:db8:f::7"), peer("192.0.2.1:2375", "198.51.100.7"),
			peer("192.0.2.1:2375", "192.0.2.1"), peer("203.0.113.9:2375", "192.0.2.1"), peer("203.0.113.9:2375", "172.17.0.2"),
			peer("192.0.2.1:2375", "172.17.0.2"),
		}, nil
	}
	c.mustRun(t, 0, "init", "--json", "--config", file)
	var r struct {
		DockerAPI []string `json:"docker_api"`
	}
	if err := json.Unmarshal(c.stdout.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"172.17.0.2", "198.51.100.7", "2001:db8:f::7"}, r.DockerAPI); diff != "" || !slices.Equal(asked, []uint16{2375}) {
		t.Errorf("docker_api (-want +got), asked for %v:\n%s", asked, diff)
	}
	p := mustLoad(t, file)
	for _, state := range []netinfo.ProofState{netinfo.ProofProtected, netinfo.ProofPlain} {
		m.snapshot.Proofs = []netinfo.Proof{{Addr: netip.IPv6Unspecified(), Port: 2375, State: state}}
		for _, from := range []string{"198.51.100.7", "198.51.100.8"} {
			q := policy.Question{NIC: "eth0", Source: netip.MustParseAddr(from), Dest: netip.MustParseAddr("192.0.2.1"), Port: 2375, Proto: netinfo.TCP}
			if a := policy.Eval(p, m.snapshot, q); a.Allow != (from == "198.51.100.7" && state == netinfo.ProofProtected) {
				t.Errorf("the port is %s, from %s: %+v", state, from, a)
			}
		}
	}
}

// Where nobody is connected, or nobody can see who is, the API is closed.
func TestInitClosesTheAPI(t *testing.T) {
	for _, err := range []error{nil, errors.New("operation not permitted")} {
		file := filepath.Join(t.TempDir(), "agent.hcl")
		c := newCommand(apiHost())
		c.env.Host.Peers = func([]uint16) ([]hostnet.Peer, error) { return nil, err }
		c.mustRun(t, 0, "init", "--config", file)
		if p := mustLoad(t, file); p.DockerAPI != nil {
			t.Errorf("%v: the draft allows the API to %v", err, p.DockerAPI.From)
		}
		if told := c.stderr.Len() > 0; told != (err != nil) {
			t.Errorf("%v: it says %q", err, c.stderr.String())
		}
	}
}

// A link to the file is followed, and the file's mode kept; a new one is not
// for everybody to read.
func TestInitKeepsModeAndLink(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "agent.hcl"), filepath.Join(dir, "link.hcl")
	c := newCommand(newMachine())
	c.mustRun(t, 0, "init", "--config", file)
	mustMode(t, file, 0o640)
	if err := errors.Join(os.Chmod(file, 0o600), os.Symlink("agent.hcl", link)); err != nil {
		t.Fatal(err)
	}
	c.mustRun(t, 2, "init", "--config", link)
	c.mustRun(t, 0, "init", "--force", "--config", link)
	mustMode(t, file, 0o600)
	if target, err := os.Readlink(link); err != nil || target != "agent.hcl" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("in the folder: %v, %v; want the file and the link", entries, err)
	}
}

// Docker away: what it said last is not what is published now.
func TestInitNeedsDocker(t *testing.T) {
	m := newMachine()
	m.snapshot.Engine = netinfo.Engine{Known: true, Error: "connection refused"}
	file := filepath.Join(t.TempDir(), "agent.hcl")
	c := newCommand(m)
	c.mustRun(t, 2, "init", "--config", file)
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file is there: %v", err)
	}
}

func mustLoad(t *testing.T, file string) policy.Policy {
	t.Helper()
	doc, diags := config.Load(file)
	if len(diags) > 0 {
		t.Fatal(diags.Err())
	}
	return doc.Policy
}

func mustMode(t *testing.T, file string, want os.FileMode) {
	t.Helper()
	fi, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := fi.Mode().Perm(); got != want {
		t.Errorf("%s has mode %o, want %o", file, got, want)
	}
}
