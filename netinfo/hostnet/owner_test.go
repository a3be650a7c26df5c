package hostnet

import (
	"testing"

	"dockwall/test/nstest"
)

func TestOwnerOfASocket(t *testing.T) {
	p := newFakeProc(t)
	s := scannerWithoutConfig(t, p)
	want := func(when string, o Socket, want Owner) {
		t.Helper()
		_, err := s.Dockerd([]Socket{o})
		nstest.Must(t, err)
		if got := s.Owner(o); got != want {
			t.Errorf("%s: the owner is %d, want %d", when, got, want)
		}
	}
	want("without dockerd", Socket{Inode: 100}, OwnerUnknown)
	p.dockerd(9)
	want("open files unreadable", Socket{Inode: 100}, OwnerUnknown)
	p.link("9/fd/3", "socket:[100]")
	want("dockerd's", Socket{Inode: 100}, OwnerEngine)
	want("another's", Socket{Inode: 101}, OwnerHost)
	p.process(10, "dockerd", "net:[1]", "/usr/bin/dockerd -H unix:///run/second.sock")
	want("one of two dockerds unreadable", Socket{Inode: 101}, OwnerUnknown)
	want("held by the other", Socket{Inode: 100}, OwnerEngine)
}

// A docker-proxy that ends has lost its arguments, and still has its socket.
func TestOwnerWhileAProxyEnds(t *testing.T) {
	p := newFakeProc(t)
	p.dockerd(9)
	p.link("9/fd/3", "socket:[100]")
	p.child(9, 10, "docker-proxy", "net:[1]", proxyTCP)
	s := NewScanner(p.root)
	checkProxies(t, s, wantTCP(10))
	p.write("10/cmdline", "")
	checkProxies(t, s, wantTCP(10))
	p.child(9, 11, "docker-proxy", "net:[1]", "x")
	p.write("11/cmdline", "")
	_, err := s.Dockerd(nil)
	nstest.Must(t, err)
	checkProxies(t, s, wantTCP(10))
	if got := s.Owner(Socket{Inode: 101}); got != OwnerUnknown {
		t.Errorf("the owner is %d while a child of dockerd ends", got)
	}
	p.remove(11)
	checkProxies(t, s, wantTCP(10))
	if got := s.Owner(Socket{Inode: 101}); got != OwnerHost {
		t.Errorf("the owner is %d, want the host", got)
	}
}

// Without ptrace rights the cgroup tells: a socket stays in that of its maker.
func TestOwnerByCgroup(t *testing.T) {
	s := NewScanner(t.TempDir())
	s.holdings = holdings{dockerds: 1, placed: 1, cgroups: map[uint64]bool{7: true}}
	for cgroup, want := range map[uint64]Owner{7: OwnerUnknown, 8: OwnerHost, 0: OwnerUnknown} {
		if got := s.Owner(Socket{Inode: 1, Cgroup: cgroup}); got != want {
			t.Errorf("cgroup %d: the owner is %d, want %d", cgroup, got, want)
		}
	}
	s.holdings.dockerds = 2
	if got := s.Owner(Socket{Inode: 1, Cgroup: 8}); got != OwnerUnknown {
		t.Errorf("a dockerd in no known cgroup: the owner is %d", got)
	}
}

func TestHomesOfSockets(t *testing.T) {
	p := newFakeProc(t)
	p.process(10, "sshd", "net:[1]", "sshd")
	p.link("10/fd/3", "socket:[100]")
	p.link("10/fd/4", "socket:[102]")
	p.process(11, "nginx", "net:[1]", "nginx")
	p.write("11/cgroup", "0::/docker/"+aContainer+"\n")
	p.link("11/fd/3", "socket:[101]")
	p.link("11/fd/4", "socket:[102]")
	p.dockerd(12)
	p.link("12/fd/3", "socket:[103]")
	s := NewScanner(p.root)
	nstest.Must(t, s.refresh())
	got := s.Homes([]Socket{{Inode: 0}, {Inode: 100}, {Inode: 101}, {Inode: 102}, {Inode: 103}, {Inode: 104}})
	in := Residence{HomeContainer, aContainer}
	for inode, want := range map[uint64]Residence{0: {Home: HomeHost}, 100: {Home: HomeHost}, 101: in, 102: in, 103: {}, 104: {}} {
		if got[inode] != want {
			t.Errorf("socket %d: home %v, want %v", inode, got[inode], want)
		}
	}
}
