package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dockwall/agent/config"
	"dockwall/netinfo"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/compile"
	"dockwall/rules/plan"
)

// FuzzCompile: whatever file is taken, on whatever host, becomes a ruleset that
// can be written: valid, in both families, with and without sets, on lines
// that hold nothing but one rule each.
func FuzzCompile(f *testing.F) {
	var facts bytes.Buffer
	s := newMachine().snapshot
	s.Links = append(s.Links, netinfo.Link{Index: 4, Name: `q"uote`}, netinfo.Link{Index: 5, Name: "br-lan", Kind: "bridge"}, netinfo.Link{Index: 6, Name: "wan+"})
	s.Networks = append(s.Networks, netinfo.Network{ID: "n2", Name: "a\nb", Driver: "bridge", Bridge: `x" -j`, Mode4: netinfo.GatewayRouted, Mode6: netinfo.GatewayNATUnprotected})
	if err := s.WriteJSON(&facts); err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{"../../agent.hcl.example", "../config/testdata/full/agent.hcl", "../config/testdata/fixtures/warnings.hcl"} {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.ReplaceAll(text, []byte("file "), []byte("# file ")), facts.Bytes())
	}
	f.Add([]byte("network \"a\u2028b\" {\n  published = \"allow\"\n  between = \"deny\"\n}\ninterfaces \"i\" {\n  names = [\"!\", \"-t\", \"eth*\"]\n}\n"+
		"published \"p\" {\n  from = [\"any\"]\n  via = [interfaces.i]\n  ports = [\"0-65535/sctp\"]\n}\n"), []byte(`{"engine":{"known":true}}`))
	f.Fuzz(func(t *testing.T, text, facts []byte) {
		s, err := netinfo.ReadJSON(bytes.NewReader(facts))
		if err != nil || portsIn(s) > 5000 {
			return
		}
		path := filepath.Join(t.TempDir(), "agent.hcl")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		doc, _ := config.Load(path)
		if doc == nil {
			return
		}
		rs, _ := compile.Compile(doc.Policy, s)
		if err := rs.Validate(); err != nil {
			t.Fatal(err)
		}
		for _, family := range []iptables.Family{iptables.V4, iptables.V6} {
			for _, inline := range []bool{false, true} {
				r := iptables.Render(rs, family, iptables.Options{Variant: iptables.NFT, Inline: inline, Guard: true})
				checkLines(t, r)
			}
			checkLines(t, iptables.SetText(rs, family))
		}
	})
}

// portsIn is how many ports the facts spell out: ranges of candidates multiply.
func portsIn(s netinfo.Snapshot) int {
	n := 0
	for _, c := range s.Containers {
		for _, p := range c.Ports {
			n += 1 + max(0, int(p.HostPortEnd)-int(p.HostPort))
		}
	}
	for _, p := range s.Proxies {
		n += 1 + max(0, int(p.HostPortEnd)-int(p.HostPort))
	}
	return n
}

func checkLines(t *testing.T, text plan.Script) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text.Body, "\n"), "\n")
	if text.Body != "" && len(lines) != len(text.Lines) {
		t.Fatalf("%d lines from %d places", len(lines), len(text.Lines))
	}
	for _, line := range lines {
		// iptables-restore reads lines of at most 10,239 bytes.
		if len(line) > 10000 || strings.ContainsAny(line, "\r\x00") {
			t.Fatalf("not a line: %q", line)
		}
		if strings.HasPrefix(line, "-A ") && !strings.HasPrefix(line, "-A DOCKWALL-") || strings.Contains(line, "-j ACCEPT") && !strings.Contains(line, `"`) {
			t.Fatalf("not a rule of ours: %q", line)
		}
	}
}
