package compile

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules/finding"
	"dockwall/rules/policy"
)

// proofProblems finds sockets of Docker's API that answer clients without a
// certificate, and certificates that clients will not accept for long.
func proofProblems(p policy.Policy, s netinfo.Snapshot) []finding.Finding {
	var ps []finding.Finding
	for _, proof := range s.Proofs {
		at := netip.AddrPortFrom(proof.Addr, proof.Port)
		add := func(c finding.Code, format string, args ...any) {
			f := finding.New(c, fmt.Sprintf(format, args...)).About("Docker's API on " + at.String())
			if p.DockerAPI != nil {
				f = f.At(p.DockerAPI.Origin)
			}
			ps = append(ps, f)
		}
		if proof.State != netinfo.ProofProtected {
			unproven(p.DockerAPI, proof, add)
		}
		if proof.Expiring {
			add(finding.TLSExpiry, "the certificate of Docker's API on %s ends on %s", at, proof.NotAfter.UTC().Format("2006-01-02"))
		}
		if missing := missingNames(p.DockerAPI, s, proof); len(missing) > 0 {
			add(finding.TLSName, "the certificate of Docker's API on %s is not valid for %s", at, strings.Join(missing, ", "))
		}
		if proof.Weak != "" {
			add(finding.TLSWeakKey, "the certificate of Docker's API on %s is weak: %s", at, proof.Weak)
		}
	}
	return ps
}

// unproven finds what it means that a socket is not proven.
func unproven(a *policy.DockerAPI, p netinfo.Proof, add func(finding.Code, string, ...any)) {
	switch {
	case a == nil && p.State == netinfo.ProofPlain:
		add(finding.APIPlain, "Docker's API on %s/tcp answers every process of this host without TLS", netip.AddrPortFrom(p.Addr, p.Port))
	case a == nil || !within(a.Ports, netinfo.TCP, p.Port):
	case a.RequireTLS:
		add(finding.NoTLS, "docker_api: port %d/tcp is closed to every client except this host, because require_tls is set and the port is not proven to ask for a client's certificate: on %s, %s",
			p.Port, p.Addr, p.Reason)
	default:
		add(finding.APIOpen, "docker_api: port %d/tcp is open to clients, and is not proven to ask for a client's certificate: on %s, %s; a client that it answers is root on this host",
			p.Port, p.Addr, p.Reason)
	}
}

// missingNames returns the addresses by which clients may dial the socket and which
// the certificate is not valid for.
func missingNames(a *policy.DockerAPI, s netinfo.Snapshot, p netinfo.Proof) []string {
	if p.NotAfter.IsZero() {
		return nil
	}
	var missing []string
	for _, dialled := range policy.APIAddrs(a, s, p.Addr) {
		if !slices.Contains(p.ValidFor, dialled) {
			missing = append(missing, dialled.String())
		}
	}
	return missing
}
