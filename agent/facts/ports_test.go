package facts

import (
	"errors"
	"testing"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// wiring is a fake of the kernel's veths.
type wiring struct {
	veths []hostnet.Veth
	macs  map[int]string // by the host end's index
	asked int
}

func (w *wiring) ask(v hostnet.Veth) (string, error) {
	w.asked++
	if mac, ok := w.macs[v.Index]; ok {
		return mac, nil
	}
	return "", errors.New("no such device")
}

func (w *wiring) links() []netinfo.Link {
	links := []netinfo.Link{{Index: 3, Name: "br-a", Kind: "bridge"}}
	for _, v := range w.veths {
		links = append(links, netinfo.Link{Index: v.Index, Name: "veth" + string(rune('a'+v.Index)), Kind: "veth", Master: v.Master})
	}
	return links
}

func (w *wiring) peers(ps bridgePorts) map[int]string {
	links := w.links()
	ps.into(links, w.veths, w.ask)
	peers := map[int]string{}
	for _, l := range links {
		if l.Peer != "" {
			peers[l.Index] = l.Peer
		}
	}
	return peers
}

const ann, bob = "02:42:00:00:00:01", "02:42:00:00:00:02"

// TestPortsAreSticky: what a container does to its own end changes nothing, and
// a later port cannot take an address that another one has.
func TestPortsAreSticky(t *testing.T) {
	w := &wiring{macs: map[int]string{}, veths: []hostnet.Veth{{Index: 10, Peer: 9, Master: 3}}}
	ps := bridgePorts{}
	if got := w.peers(ps); len(got) != 0 || w.asked != 0 {
		t.Errorf("before both ends are up: %v, asked %d times", got, w.asked)
	}
	w.veths[0].Ready = true
	if got := w.peers(ps); len(got) != 0 || w.asked != 1 {
		t.Errorf("without an answer: %v, asked %d times", got, w.asked)
	}
	w.macs[10] = ann
	if got := w.peers(ps); got[10] != ann {
		t.Errorf("with an answer: %v", got)
	}
	w.macs[10] = bob
	w.veths[0].Ready = false
	if got := w.peers(ps); got[10] != ann || w.asked != 2 {
		t.Errorf("after the container changed its address and went down: %v, asked %d times", got, w.asked)
	}
	w.veths = append(w.veths, hostnet.Veth{Index: 11, Peer: 9, Namespace: 1, Master: 3, Ready: true}, hostnet.Veth{Index: 12, Peer: 9, Namespace: 2, Master: 4, Ready: true})
	w.macs[11], w.macs[12] = ann, ann
	if got := w.peers(ps); got[10] != ann || got[11] != "" || got[12] != ann {
		t.Errorf("a second claim on the same bridge, and one on another: %v", got)
	}
	w.veths = w.veths[1:]
	if got := w.peers(ps); got[11] != "" {
		t.Errorf("after the first one went: %v, want the second still not believed", got)
	}
}

// TestPortsAfterRestart: an agent that starts believes what the last one knew,
// and of two unknown ports that claim one address neither.
func TestPortsAfterRestart(t *testing.T) {
	w := &wiring{macs: map[int]string{10: ann, 11: ann}, veths: []hostnet.Veth{
		{Index: 10, Peer: 9, Master: 3, Ready: true}, {Index: 11, Peer: 9, Namespace: 1, Master: 3, Ready: true}}}
	if got := w.peers(bridgePorts{}); len(got) != 0 {
		t.Errorf("nothing is known from before: %v, want neither", got)
	}
	last := netinfo.Snapshot{Links: w.links()}
	last.Links[1].Peer = ann
	if got := w.peers(rememberPorts(last)); got[10] != ann || got[11] != "" {
		t.Errorf("the first is known from before: %v", got)
	}
	last.Links[1].Name = "other"
	if got := w.peers(rememberPorts(last)); len(got) != 0 {
		t.Errorf("another link has the index now: %v", got)
	}
}
