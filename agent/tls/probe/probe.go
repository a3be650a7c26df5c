package probe

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"time"
)

// Target is a port that may be Docker's API.
type Target struct {
	// Addr is host:port, as net.Dial takes it.
	Addr string
	// Names are the addresses and names under which clients reach the port; the
	// certificate has to be valid for each.
	Names []string
	// Roots are the authorities that clients trust; nil if the chain is not checked.
	Roots *x509.CertPool
	// Patience is how long each probe may take; two seconds if 0.
	Patience time.Duration
	// Dial is net.Dialer's; nil if that.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	Now  time.Time
}

// State is the outcome of all probes.
type State string

// The states.
const (
	// Protected: only a client with a certificate is answered.
	Protected State = "protected"
	// Open: a client without a valid certificate is answered.
	Open State = "open"
	// Unproven: neither was seen, or the server's certificate is not valid now.
	Unproven State = "unproven"
)

// Verdict is what the probes found.
type Verdict struct {
	Addr  string `json:"address"`
	State State  `json:"state"`
	// Reason says in words why it is not protected; empty if it is.
	Reason string `json:"reason,omitempty"`
	// Plain, Anonymous and Foreign are the first three probes.
	Plain     Attempt `json:"plain"`
	Anonymous Attempt `json:"anonymous"`
	Foreign   Attempt `json:"foreign"`
	// Certificate is the server's; nil if it showed none.
	Certificate *Certificate `json:"certificate,omitempty"`
	// Problems are those of the certificate.
	Problems []Problem `json:"problems"`
}

// Outcome is what came of one probe.
type Outcome string

// The outcomes.
const (
	// Refused: the server turned the probe away as one does that wants TLS, or
	// another certificate.
	Refused Outcome = "refused"
	// Answered: the server answered with HTTP.
	Answered Outcome = "answered"
	// Silent: the server did not answer, or with something that proves nothing.
	Silent Outcome = "silent"
)

// Attempt is one probe.
type Attempt struct {
	Outcome Outcome `json:"outcome"`
	// Status is that of the HTTP answer; 0 if there was none.
	Status int `json:"status,omitempty"`
	// Detail is the server's alert or the error, in words.
	Detail string `json:"detail"`
}

const defaultPatience = 2 * time.Second

// Run makes the four probes at the same time.
func Run(ctx context.Context, t Target) Verdict {
	if t.Patience == 0 {
		t.Patience = defaultPatience
	}
	if t.Dial == nil {
		t.Dial = (&net.Dialer{}).DialContext
	}
	ctx, cancel := context.WithTimeout(ctx, t.Patience)
	defer cancel()
	v := Verdict{Addr: t.Addr, Problems: []Problem{}}
	var chain, other []*x509.Certificate
	var probes sync.WaitGroup
	probes.Go(func() { v.Plain = t.plain(ctx) })
	probes.Go(func() { v.Anonymous, chain = t.tls(ctx, anonymous) })
	probes.Go(func() { v.Foreign, other = t.tls(ctx, foreign) })
	probes.Wait()
	if len(chain) == 0 {
		chain = other
	}
	if len(chain) > 0 {
		v.Certificate, v.Problems = t.inspect(chain)
	}
	v.State, v.Reason = v.decide()
	return v
}

// decide puts the probes together; reason is empty if the port is protected.
func (v *Verdict) decide() (s State, reason string) {
	for _, p := range []struct {
		Attempt
		is string
	}{
		{v.Plain, "it answers without TLS"},
		{v.Anonymous, "it answers over TLS without asking for a client's certificate"},
		{v.Foreign, "it answers to a certificate of any CA"},
	} {
		if p.Outcome == Answered {
			return Open, fmt.Sprintf("%s (HTTP status %d)", p.is, p.Status)
		}
	}
	for _, p := range []struct {
		Attempt
		is string
	}{{v.Plain, "without TLS"}, {v.Anonymous, "over TLS without a certificate"}, {v.Foreign, "with a certificate of an unknown CA"}} {
		if p.Outcome != Refused {
			return Unproven, fmt.Sprintf("asked %s, it proves nothing: %s", p.is, p.Detail)
		}
	}
	for _, p := range v.Problems {
		if p.Code == CodeExpired {
			return Unproven, p.Text
		}
	}
	return Protected, ""
}
