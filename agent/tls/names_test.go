package tls

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	var n Names
	for _, name := range []string{"db1", "DB1.example.com.", "*.example.com", "192.0.2.1", "IP:192.0.2.1", "::ffff:192.0.2.1", "[2001:db8::1]", "DNS:db1", "xn--bcher-kva.example"} {
		if err := n.Add(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var addrs []string
	for _, a := range n.Addrs {
		addrs = append(addrs, a.String())
	}
	got := strings.Join(n.DNS, " ") + "; " + strings.Join(addrs, " ")
	if want := "db1 db1.example.com *.example.com xn--bcher-kva.example; 192.0.2.1 2001:db8::1"; got != want {
		t.Errorf("names are %s, want %s", got, want)
	}
	for _, name := range []string{"", "*", "a b", "bücher.example", "0.0.0.0", "::", "fe80::1%eth0", "IP:db1", "DNS:192.0.2.1", "a..b", "-a", "224.0.0.1", strings.Repeat("a.", 130) + "a"} {
		if err := n.Add(name); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}
