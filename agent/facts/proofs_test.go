package facts

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	certs "dockwall/agent/tls"
	"dockwall/agent/tls/probe"
	"dockwall/netinfo"
)

var (
	api     = apiSocket{netip.MustParseAddrPort("[::]:2376"), 7}
	noon    = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	asked   = probe.Attempt{Outcome: probe.Refused}
	proven  = probe.Verdict{State: probe.Protected, Plain: asked, Anonymous: asked, Foreign: asked, Certificate: &probe.Certificate{NotAfter: noon.Add(90 * certs.Day)}}
	plain   = probe.Verdict{State: probe.Open, Reason: "it answers without TLS", Plain: probe.Attempt{Outcome: probe.Answered}}
	nothing = probe.Verdict{State: probe.Unproven, Reason: "it did not answer", Plain: probe.Attempt{Outcome: probe.Silent}}
)

// known are proofs of one socket that was just found, and its proof.
func known() (*proofs, *proof) {
	ps := &proofs{}
	ps.follow("1", []apiSocket{api}, noon)
	return ps, ps.by[api]
}

func state(ps *proofs, now time.Time) (netinfo.ProofState, string) {
	var s netinfo.Snapshot
	ps.into(&s, now)
	if len(s.Proofs) != 1 {
		return "", ""
	}
	return s.Proofs[0].State, s.Proofs[0].Reason
}

// A socket is asked once when it comes, and once an hour.
func TestProofIsBelievedForAnHour(t *testing.T) {
	ps, p := known()
	if s, why := state(ps, noon); s != netinfo.ProofNone || why == "" {
		t.Errorf("before the answer: %s %q", s, why)
	}
	if due := ps.take(noon); len(due) != 1 || due[api] != p || len(ps.take(noon)) != 0 {
		t.Errorf("%v are due, want the socket once", due)
	}
	if !ps.answered(api, p, proven, noon) || ps.answered(api, p, proven, noon) {
		t.Error("a first answer is news, and the same again is not")
	}
	if s, _ := state(ps, noon); s != netinfo.ProofProtected {
		t.Errorf("after the answer: %s", s)
	}
	for at := noon; at.Before(noon.Add(time.Hour)); at = at.Add(time.Second) {
		if ps.follow("1", []apiSocket{api}, at) || len(ps.take(at)) > 0 {
			t.Fatalf("it is asked again at %s, though nothing changed", at)
		}
	}
	if len(ps.take(noon.Add(time.Hour))) != 1 {
		t.Error("it is not asked again after an hour")
	}
}

// Another dockerd, another socket on the same address or none: what was proven is not
// believed for a moment longer.
func TestProofEndsWithItsSocket(t *testing.T) {
	other := apiSocket{api.addr, 8}
	for name, follow := range map[string]func(*proofs) bool{
		"another dockerd": func(ps *proofs) bool { return ps.follow("2", []apiSocket{api}, noon) },
		"another socket":  func(ps *proofs) bool { return ps.follow("1", []apiSocket{other}, noon) },
		"no socket":       func(ps *proofs) bool { return ps.follow("1", nil, noon) },
		"no dockerd":      func(ps *proofs) bool { return ps.follow("", nil, noon) },
	} {
		ps, p := known()
		ps.take(noon)
		ps.answered(api, p, proven, noon)
		ps.take(noon.Add(time.Hour))
		if !follow(ps) {
			t.Errorf("%s is no news", name)
		}
		if s, _ := state(ps, noon); s == netinfo.ProofProtected {
			t.Errorf("%s: still protected", name)
		}
		// The answer of the socket before comes late.
		if ps.answered(api, p, proven, noon) {
			t.Errorf("%s: the answer of the socket before is believed", name)
		}
	}
}

// A second socket of the port is not proven with the first.
func TestProofOfEachSocket(t *testing.T) {
	ps, p := known()
	ps.answered(api, p, proven, noon)
	second := apiSocket{netip.MustParseAddrPort("192.0.2.1:2376"), 9}
	if !ps.follow("1", []apiSocket{api, second}, noon) {
		t.Error("a second socket is no news")
	}
	s := netinfo.Snapshot{}
	ps.into(&s, noon)
	if len(s.Proofs) != 2 || s.Proven(2376) {
		t.Errorf("%+v: proven before the second was asked", s.Proofs)
	}
	ps.answered(second, ps.by[second], plain, noon)
	s = netinfo.Snapshot{}
	if ps.into(&s, noon); s.Proven(2376) {
		t.Errorf("%+v: proven though the second answers without TLS", s.Proofs)
	}
}

// The end of the certificate ends the proof, without a probe.
func TestProofEndsWithTheCertificate(t *testing.T) {
	ps, p := known()
	ps.take(noon)
	ps.answered(api, p, proven, noon)
	end := proven.Certificate.NotAfter
	ps.by[api].due = end.Add(time.Hour)
	if wait := ps.next(end.Add(-time.Second)); wait != time.Second {
		t.Errorf("a second before the end nothing is to be done for %s", wait)
	}
	for at, want := range map[time.Time]netinfo.ProofState{end.Add(-time.Second): netinfo.ProofProtected, end.Add(time.Second): netinfo.ProofNone} {
		if s, why := state(ps, at); s != want || (why == "") != (want == netinfo.ProofProtected) {
			t.Errorf("at %s: %s %q, want %s", at, s, why, want)
		}
	}
	c := &Collector{apiProofs: apiProofs{proofs: *ps, clock: end.Add(-time.Minute)}}
	if c.certificateEnded(end.Add(-time.Second)) || !c.certificateEnded(end) || c.certificateEnded(end.Add(time.Second)) {
		t.Error("the end is to be told once")
	}
}

// A dockerd that listens and does not answer yet is asked again, each time later.
func TestSilentSocketIsAskedAgain(t *testing.T) {
	ps, p := known()
	at := noon
	asked := 0
	for ; at.Before(noon.Add(24 * time.Hour)); at = at.Add(100 * time.Millisecond) {
		if len(ps.take(at)) > 0 {
			asked++
			ps.answered(api, p, nothing, at)
		}
	}
	if asked < 14 || asked > 40 {
		t.Errorf("asked %d times in a day, want often at first and once an hour in the end", asked)
	}
	if p.patience != longPatience {
		t.Errorf("its patience is %s", p.patience)
	}
	ps.answered(api, p, proven, at)
	if s, _ := state(ps, at); s != netinfo.ProofProtected || p.patience != firstPatience {
		t.Errorf("%s, and its patience is %s, when it has answered", s, p.patience)
	}
}

func TestProofOf(t *testing.T) {
	long := noon.Add(365 * certs.Day)
	cert := &probe.Certificate{NotAfter: long, Key: "RSA 1024", Names: certs.Names{Addrs: []netip.Addr{addr("192.0.2.9"), addr("192.0.2.1")}}}
	for _, x := range []struct {
		v    probe.Verdict
		want netinfo.Proof
	}{
		{plain, netinfo.Proof{State: netinfo.ProofPlain, Reason: "it answers without TLS"}},
		{nothing, netinfo.Proof{State: netinfo.ProofNone, Reason: "it did not answer"}},
		{probe.Verdict{State: probe.Open, Reason: "no certificate asked for", Plain: asked}, netinfo.Proof{State: netinfo.ProofOpen, Reason: "no certificate asked for"}},
		{probe.Verdict{State: probe.Protected, Certificate: cert, Problems: []probe.Problem{{Code: probe.CodeWeak}}},
			netinfo.Proof{State: netinfo.ProofProtected, NotAfter: long, ValidFor: []netip.Addr{addr("192.0.2.1"), addr("192.0.2.9")}, Weak: "RSA 1024"}},
	} {
		x.want.Addr, x.want.Port = addr("::"), 2376
		if diff := cmp.Diff(x.want, proofOf(api, x.v), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

// The certificate's end shows before it comes; ports that containers publish are not
// the API's.
func TestProofsInTheSnapshot(t *testing.T) {
	ps, p := known()
	ps.answered(api, p, proven, noon)
	s := netinfo.Snapshot{}
	if ps.into(&s, noon); s.Proofs[0].Expiring {
		t.Error("expiring 90 days before the end")
	}
	s = netinfo.Snapshot{}
	if ps.into(&s, noon.Add(61*certs.Day)); !s.Proofs[0].Expiring || !s.Proven(2376) {
		t.Errorf("%+v 29 days before the end", s.Proofs)
	}
	s = netinfo.Snapshot{Containers: []netinfo.Container{{ID: "c", Ports: []netinfo.PublishedPort{{HostPort: 2376, HostPortEnd: 2376, Proto: netinfo.TCP, ContainerPort: 1}}}}}
	if ps.into(&s, noon); len(s.Proofs) != 0 {
		t.Errorf("%+v of a published port", s.Proofs)
	}
}
