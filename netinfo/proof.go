package netinfo

import (
	"cmp"
	"slices"
	"time"
)

// Proof is what probes of a TCP socket showed on which dockerd listens for its API.
type Proof struct {
	// Addr is the socket's local address; see Listener.
	Addr Addr   `json:"addr"`
	Port uint16 `json:"port"`
	// State is what a client without a valid certificate meets there.
	State ProofState `json:"state"`
	// Reason says why the port is not protected; empty if it is.
	Reason string `json:"reason,omitempty"`
	// NotAfter is the end of the server's certificate; zero if it showed none.
	NotAfter time.Time `json:"not_after,omitzero"`
	// Expiring says that the certificate has ended or will soon.
	Expiring bool `json:"expiring,omitempty"`
	// ValidFor are the addresses that the certificate is valid for.
	ValidFor []Addr `json:"valid_for,omitempty"`
	// Weak names the certificate's key or signature if that is weak.
	Weak string `json:"weak,omitempty"`
}

// ProofState is what a client without a valid certificate meets.
type ProofState string

// The states.
const (
	// ProofProtected: only clients with a certificate are answered.
	ProofProtected ProofState = "protected"
	// ProofOpen: others are answered too, over TLS.
	ProofOpen ProofState = "open"
	// ProofPlain: every client is answered, without TLS.
	ProofPlain ProofState = "plain"
	// ProofNone: neither is proven. The server was not asked yet, did not answer, or
	// its certificate is not valid now.
	ProofNone ProofState = "unproven"
)

// Compare orders proofs by address and port.
func (p Proof) Compare(o Proof) int {
	return cmp.Or(p.Addr.Compare(o.Addr), cmp.Compare(p.Port, o.Port))
}

// Equal reports whether the facts are the same.
func (p Proof) Equal(o Proof) bool {
	return p.Compare(o) == 0 && p.State == o.State && p.Reason == o.Reason && p.NotAfter.Equal(o.NotAfter) &&
		p.Expiring == o.Expiring && slices.Equal(p.ValidFor, o.ValidFor) && p.Weak == o.Weak
}

// Proven reports whether the TCP port is proven to answer only clients with a
// certificate: every socket on it that other hosts reach is, and there is one.
func (s *Snapshot) Proven(port uint16) bool {
	proven := false
	for _, p := range s.Proofs {
		if p.Port != port || p.Addr.IsLoopback() {
			continue
		}
		if p.State != ProofProtected {
			return false
		}
		proven = true
	}
	return proven
}
