package facts

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	certs "dockwall/agent/tls"
	"dockwall/agent/tls/probe"
	"dockwall/netinfo"
)

const (
	// proofInterval is how long what the probes of a socket showed is believed. Each
	// probe leaves lines in dockerd's log.
	proofInterval = time.Hour
	// silentPause is how long a socket that did not answer is left alone before it is
	// asked again; the pause doubles each time, up to proofInterval.
	silentPause = 250 * time.Millisecond
	// firstPatience and longPatience are how long an answer is waited for, the first
	// time and later. dockerd listens before it answers, and a probe that waits is
	// answered as soon as it does.
	firstPatience = 2 * time.Second
	longPatience  = 30 * time.Second
	// clockInterval is how often certificates are compared with the clock, which may
	// jump.
	clockInterval = time.Minute
)

// proofs are what probes showed of the sockets of Docker's API.
type proofs struct {
	// engine tells the dockerd processes from others: see hostnet.Scanner.Engines.
	engine string
	by     map[apiSocket]*proof
}

// apiSocket is one listening socket. Its inode tells it from another one on the same
// address, earlier or later.
type apiSocket struct {
	addr  netip.AddrPort
	inode uint64
}

type proof struct {
	found netinfo.Proof
	// due is when the socket is to be asked; asking: it is being asked.
	due      time.Time
	asking   bool
	patience time.Duration
	pause    time.Duration
}

// follow takes the sockets there are, and reports whether one came or went, or
// another dockerd has them. Each is to be asked at once.
func (ps *proofs) follow(engine string, sockets []apiSocket, now time.Time) (changed bool) {
	if ps.by == nil || ps.engine != engine {
		changed = len(ps.by) > 0
		ps.engine, ps.by = engine, map[apiSocket]*proof{}
	}
	before := len(ps.by)
	maps.DeleteFunc(ps.by, func(s apiSocket, _ *proof) bool { return !slices.Contains(sockets, s) })
	changed = changed || len(ps.by) < before
	for _, s := range sockets {
		if ps.by[s] != nil {
			continue
		}
		changed = true
		ps.by[s] = &proof{due: now, patience: firstPatience, pause: silentPause, found: netinfo.Proof{
			Addr: s.addr.Addr(), Port: s.addr.Port(), State: netinfo.ProofNone, Reason: "it has not been asked yet"}}
	}
	return changed
}

// take returns the sockets that are due, which are being asked from then on.
func (ps *proofs) take(now time.Time) map[apiSocket]*proof {
	due := map[apiSocket]*proof{}
	for s, p := range ps.by {
		if !p.asking && !p.due.After(now) {
			p.asking, due[s] = true, p
		}
	}
	return due
}

// next returns how long nothing is to be done: no socket is due, and no certificate
// ends.
func (ps *proofs) next(now time.Time) time.Duration {
	wait := clockInterval
	for _, p := range ps.by {
		if !p.asking {
			wait = min(wait, p.due.Sub(now))
		}
		if end := p.found.NotAfter; end.After(now) {
			wait = min(wait, end.Sub(now))
		}
	}
	return max(wait, 0)
}

// answered notes the verdict on a socket, unless the socket is another one by now.
func (ps *proofs) answered(s apiSocket, p *proof, v probe.Verdict, now time.Time) (changed bool) {
	if ps.by[s] != p {
		return false
	}
	before := p.found
	p.found, p.asking = proofOf(s, v), false
	p.due, p.patience = now.Add(proofInterval), longPatience
	if silent(v) {
		p.due = now.Add(p.pause)
		p.pause = min(2*p.pause, proofInterval)
	} else {
		p.patience, p.pause = firstPatience, silentPause
	}
	return !before.Equal(p.found)
}

// silent reports whether another try may have another outcome though nothing changed.
func silent(v probe.Verdict) bool {
	return v.State == probe.Unproven &&
		slices.ContainsFunc([]probe.Attempt{v.Plain, v.Anonymous, v.Foreign}, func(a probe.Attempt) bool { return a.Outcome == probe.Silent })
}

// proofOf is the verdict as a fact of the host.
func proofOf(s apiSocket, v probe.Verdict) netinfo.Proof {
	p := netinfo.Proof{Addr: s.addr.Addr(), Port: s.addr.Port(), State: netinfo.ProofNone, Reason: v.Reason}
	switch {
	case v.State == probe.Protected:
		p.State = netinfo.ProofProtected
	case v.Plain.Outcome == probe.Answered:
		p.State = netinfo.ProofPlain
	case v.State == probe.Open:
		p.State = netinfo.ProofOpen
	}
	if c := v.Certificate; c != nil {
		p.NotAfter, p.ValidFor = c.NotAfter, slices.Clone(c.Names.Addrs)
		slices.SortFunc(p.ValidFor, netip.Addr.Compare)
	}
	for _, problem := range v.Problems {
		if problem.Code == probe.CodeWeak {
			p.Weak = v.Certificate.Key
		}
	}
	return p
}

// into adds the proofs to the snapshot, as the clock has them. Ports that containers
// publish are not the API's, though dockerd may hold the sockets.
func (ps *proofs) into(s *netinfo.Snapshot, now time.Time) {
	if len(ps.by) == 0 {
		return
	}
	_, published := publishes(s.Containers)
	for _, p := range ps.by {
		f := p.found
		if published.has(netinfo.TCP, f.Port) {
			continue
		}
		if !f.NotAfter.IsZero() {
			f.Expiring = now.Add(certs.ExpiryWarning).After(f.NotAfter)
			if f.State == netinfo.ProofProtected && now.After(f.NotAfter) {
				f.State, f.Reason = netinfo.ProofNone, "the server's certificate has ended on "+f.NotAfter.UTC().Format(time.DateOnly)
			}
		}
		s.Proofs = append(s.Proofs, f)
	}
}
