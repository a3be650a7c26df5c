package explain

import (
	"net/netip"
	"strings"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules/policy"
)

// Rules that other programs wrote into nat decide where the packet goes.
func TestForeignNAT(t *testing.T) {
	addr := netip.MustParseAddr
	to := func(a string, port, own uint16) netinfo.Translation {
		return netinfo.Translation{Rule: "by hand", Proto: netinfo.TCP, Lo: port, Hi: port, To: addr(a), ToPort: own}
	}
	office := policy.AddressList{Literals: prefixes("203.0.113.0/24")}
	for name, tt := range map[string]struct {
		rule    netinfo.Translation
		q       Query
		verdict string
		says    string
	}{
		"none":                            {netinfo.Translation{}, Query{To: "192.0.2.1:2222"}, Allow, "on the host"},
		"to a container's port":           {to("172.17.0.3", 2222, 8080), Query{To: "192.0.2.1:2222"}, Deny, "web (172.17.0.3) 8080/tcp, where a nat rule sends 192.0.2.1:2222/tcp"},
		"to the port of another address":  {to("192.0.2.2", 2222, 443), Query{To: "192.0.2.1:2222"}, Deny, "192.0.2.2:443/tcp, which inner publishes"},
		"another port":                    {to("172.17.0.3", 2223, 8080), Query{To: "192.0.2.1:2222"}, Allow, "on the host"},
		"another protocol":                {to("172.17.0.3", 2222, 8080), Query{To: "192.0.2.1:2222", Proto: "udp"}, Allow, "on the host"},
		"by another interface":            {netinfo.Translation{NIC: "br*", Lo: 2222, Hi: 2222, To: addr("172.17.0.3")}, Query{To: "192.0.2.1:2222"}, Allow, "on the host"},
		"from another source":             {netinfo.Translation{Source: prefixes("198.51.100.0/24")[0], To: addr("172.17.0.3")}, Query{To: "192.0.2.1:2222"}, Allow, "on the host"},
		"for another destination":         {netinfo.Translation{Dest: prefixes("192.0.2.2/32")[0], To: addr("172.17.0.3")}, Query{To: "192.0.2.1:2222"}, Allow, "on the host"},
		"IPv6's":                          {netinfo.Translation{V6: true, To: addr("fd00::2")}, Query{To: "192.0.2.1:2222"}, Allow, "on the host"},
		"REDIRECT to a published port":    {netinfo.Translation{Local: true, Lo: 2222, Hi: 2222, Redirect: true, ToPort: 80}, Query{To: "192.0.2.2:2222"}, Deny, "192.0.2.1:80/tcp, which web publishes"},
		"REDIRECT away from one":          {netinfo.Translation{Lo: 80, Hi: 80, Redirect: true, ToPort: 22}, Query{To: "192.0.2.1:80"}, Allow, "192.0.2.1:22/tcp on the host"},
		"after Docker's, of a port of it": {netinfo.Translation{AfterDocker: true, Lo: 80, Hi: 80, Redirect: true, ToPort: 22}, Query{To: "192.0.2.1:80"}, Deny, "published as 192.0.2.1:80/tcp"},
		"after Docker's, of another":      {netinfo.Translation{AfterDocker: true, Lo: 2222, Hi: 2222, Redirect: true, ToPort: 80}, Query{To: "192.0.2.1:2222"}, Deny, "which web publishes"},
		"unclear":                         {netinfo.Translation{Rule: "odd", Unclear: true, Lo: 2222, Hi: 2222}, Query{To: "192.0.2.1:2222"}, Unknown, `the nat rule "odd" of another program may send the packet elsewhere`},
		"through the host":                {to("198.51.100.9", 2222, 22), Query{To: "192.0.2.1:2222"}, Allow, "198.51.100.9 22/tcp, where a nat rule sends"},
	} {
		s := host()
		if name != "none" {
			s.Translations = []netinfo.Translation{tt.rule}
		}
		p := closed()
		p.Blocks = []*policy.Block{{Name: "b", From: policy.AddressList{Literals: prefixes("198.18.0.0/15")}}}
		tt.q.From, tt.q.Via = "203.0.113.7", "eth0"
		if tt.q.Proto == "" {
			tt.q.Proto = "tcp"
		}
		a := ask(t, tt.q, p, s)
		if a.Verdict != tt.verdict || !strings.Contains(a.Meaning, tt.says) || len(a.Bugs) > 0 {
			t.Errorf("%s: %s: %s (bugs %q), want %s with %q", name, a.Verdict, a.Meaning, a.Bugs, tt.verdict, tt.says)
		}
		// With an allow for the container, the same packet passes.
		p.Published = []*policy.Published{{Name: "web", From: office}}
		if a := ask(t, tt.q, p, s); a.Verdict != Allow && tt.verdict != Unknown || len(a.Bugs) > 0 {
			t.Errorf("%s, allowed: %s: %s (bugs %q)", name, a.Verdict, a.Meaning, a.Bugs)
		}
	}
}
