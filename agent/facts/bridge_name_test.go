package facts

import (
	"testing"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/docker"
)

// A bridge that is called as Docker calls its own is another program's once the engine was
// asked. Until then it may be Docker's.
func TestBridgeWithDockersKindOfName(t *testing.T) {
	nerdctl := netinfo.Link{Index: 7, Name: "br-ba9876543210", Kind: "bridge"}
	start := time.Now()
	m := remember(netinfo.Snapshot{})
	first := func(f docker.Facts, at time.Duration) bool {
		s, _ := m.assemble(f, []netinfo.Link{nerdctl}, absence{}, start.Add(at))
		return s.Links[0].Unplaced
	}
	if !first(docker.Facts{}, 0) {
		t.Error("placed though no engine was asked")
	}
	f := answer(true)
	f.Networks, f.Listed = nil, start.Add(placing/2)
	if !first(f, placing/2) {
		t.Error("placed by a list that may be older than the bridge")
	}
	if f.Listed = start.Add(placing); first(f, placing) {
		t.Error("unplaced though the engine was asked, and does not list it")
	}
	if first(answer(false), time.Hour) {
		t.Error("unplaced again when the engine is away")
	}
	m = remember(netinfo.Snapshot{Links: []netinfo.Link{nerdctl}})
	if first(f, 0) {
		t.Error("unplaced after a restart of the agent")
	}
	unasked := nerdctl
	unasked.Unplaced = true
	if m = remember(netinfo.Snapshot{Links: []netinfo.Link{unasked}}); !first(answer(false), 0) {
		t.Error("placed by a restart of the agent alone")
	}
	if m = (memory{atOnce: true, suspect: map[string]bool{}}); first(f, 0) {
		t.Error("unplaced for a command, which asks the engine once")
	}
}

// While no dockerd runs, and for virtual machines, a new bridge is none of Docker's.
func TestBridgeThatCameWhileNoDockerdRan(t *testing.T) {
	start := time.Now()
	virbr := netinfo.Link{Index: 8, Name: "virbr0", Kind: "bridge"}
	tap := netinfo.Link{Index: 9, Name: "vnet0", Kind: "tun", Master: 8}
	away := absence{start.Add(-time.Minute), start.Add(time.Second)}
	for name, x := range map[string]struct {
		links    []netinfo.Link
		dockerd  absence
		unplaced bool
	}{
		"dockerd may run":              {[]netinfo.Link{virbr}, absence{}, true},
		"it was missed before":         {[]netinfo.Link{virbr}, away, false},
		"it was missed since":          {[]netinfo.Link{virbr}, absence{start.Add(time.Second), start.Add(time.Minute)}, true},
		"it was not looked for again":  {[]netinfo.Link{virbr}, absence{start.Add(-time.Minute), start}, true},
		"a virtual machine is on it":   {[]netinfo.Link{virbr, tap}, absence{}, false},
		"a tap is on no bridge at all": {[]netinfo.Link{virbr, {Index: 9, Name: "tap0", Kind: "tun"}}, absence{}, true},
	} {
		m := remember(netinfo.Snapshot{Engine: netinfo.Engine{Known: true}, Links: []netinfo.Link{{Index: 1, Name: "lo"}}})
		m.assemble(answer(false), nil, x.dockerd, start.Add(-time.Hour))
		s, _ := m.assemble(answer(false), x.links, x.dockerd, start)
		if s.Links[0].Unplaced != x.unplaced {
			t.Errorf("%s: unplaced is %v, want %v", name, s.Links[0].Unplaced, x.unplaced)
		}
		if again, _ := m.assemble(answer(false), []netinfo.Link{virbr}, absence{}, start.Add(time.Hour)); again.Links[0].Unplaced != x.unplaced {
			t.Errorf("%s, and later dockerd starts: unplaced is %v, want %v", name, again.Links[0].Unplaced, x.unplaced)
		}
		if more, news := WithBridges(netinfo.Snapshot{}, s.Links); news == x.unplaced || news && len(more.Links) != 1 {
			t.Errorf("%s: kept for the next start are %v, %v", name, more.Links, news)
		}
	}
}
