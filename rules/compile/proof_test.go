package compile_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/netinfo"
	"dockwall/rules/compile"
	"dockwall/rules/finding"
	"dockwall/rules/policy"
)

func TestProofFindings(t *testing.T) {
	lan := netip.MustParsePrefix("192.0.2.1/24")
	links := []netinfo.Link{{Index: 1, Name: "lo"}, {Index: 2, Name: "eth0", Addrs: []netip.Prefix{lan}}}
	any := policy.AddressList{Literals: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}
	open, required := &policy.DockerAPI{From: any}, &policy.DockerAPI{From: any, RequireTLS: true}
	end := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		name  string
		api   *policy.DockerAPI
		proof netinfo.Proof
		want  []finding.Code
	}{
		{"nothing to tell", required, netinfo.Proof{State: netinfo.ProofProtected, NotAfter: end, ValidFor: []netip.Addr{lan.Addr()}}, nil},
		{"plain, no block", nil, netinfo.Proof{State: netinfo.ProofPlain}, []finding.Code{finding.APIPlain}},
		{"TLS, no block", nil, netinfo.Proof{State: netinfo.ProofOpen}, nil},
		{"plain, open", open, netinfo.Proof{State: netinfo.ProofPlain}, []finding.Code{finding.APIOpen}},
		{"silent, open", open, netinfo.Proof{State: netinfo.ProofNone}, []finding.Code{finding.APIOpen}},
		{"plain, closed", required, netinfo.Proof{State: netinfo.ProofPlain}, []finding.Code{finding.NoTLS}},
		{"silent, closed", required, netinfo.Proof{State: netinfo.ProofNone}, []finding.Code{finding.NoTLS}},
		{"soon at its end", required, netinfo.Proof{State: netinfo.ProofProtected, NotAfter: end, Expiring: true, ValidFor: []netip.Addr{lan.Addr()}},
			[]finding.Code{finding.TLSExpiry}},
		{"a name missing, a weak key", nil, netinfo.Proof{State: netinfo.ProofProtected, NotAfter: end, Weak: "RSA 1024"},
			[]finding.Code{finding.TLSName, finding.TLSWeakKey}},
	} {
		x.proof.Addr, x.proof.Port = netip.IPv6Unspecified(), 2376
		_, problems := compile.Compile(policy.Policy{DenyWith: policy.DenyDrop, Defaults: policy.Defaults{Published: policy.Deny, Between: policy.Allow,
			Egress: policy.Allow, Host: policy.Allow}, DockerAPI: x.api}, netinfo.Snapshot{Links: links, Proofs: []netinfo.Proof{x.proof}})
		var got []finding.Code
		for _, p := range problems {
			got = append(got, p.Code)
		}
		if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", x.name, diff)
		}
	}
}
