package iptables_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/netinfo"
	"dockwall/rules/backend/iptables"
)

// The rules are as iptables-save 1.8.9 prints them.
func TestTranslations(t *testing.T) {
	const text = `*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:LAN - [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -i wan+ -p tcp -m tcp --dport 81 -j DNAT --to-destination 172.17.0.2:80
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -d 192.0.2.1/32 -p udp -m udp --dport 5000:5010 -m comment --comment "a \"b\" c" -j REDIRECT --to-ports 53
-A PREROUTING -s 10.0.0.0/8 -j LAN
-A PREROUTING -p tcp -m multiport --dports 80,8000:8001 -m addrtype --dst-type LOCAL -j REDIRECT
-A PREROUTING ! -i lo -p tcp -m tcp --dport 9 -j DNAT --to-destination 172.17.0.9
-A PREROUTING -p tcp -m tcp --dport 10 -m statistic --mode random --probability 0.5 -j DNAT --to-destination 172.17.0.9
-A PREROUTING -p tcp -j DNAT --to-destination 172.17.0.3-172.17.0.9
-A LAN -p tcp -m tcp --dport 82 -j DNAT --to-destination :83
-A LAN -s 10.1.0.0/16 -j RETURN
-A LAN -p tcp -m tcp --dport 84 -j REDIRECT --to-ports 85
-A LAN -j LAN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A POSTROUTING -j MASQUERADE
COMMIT
`
	tables, err := iptables.ParseSave(text)
	if err != nil {
		t.Fatal(err)
	}
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	want := []netinfo.Translation{
		{NIC: "wan*", Proto: netinfo.TCP, Lo: 81, Hi: 81, To: addr("172.17.0.2"), ToPort: 80},
		{Dest: prefix("192.0.2.1/32"), Proto: netinfo.UDP, Lo: 5000, Hi: 5010, ToPort: 53, Redirect: true, AfterDocker: true},
		{Source: prefix("10.0.0.0/8"), Proto: netinfo.TCP, Lo: 82, Hi: 82, ToPort: 83, AfterDocker: true},
		{Source: prefix("10.0.0.0/8"), Proto: netinfo.TCP, Lo: 84, Hi: 84, ToPort: 85, Redirect: true, AfterDocker: true, Unclear: true},
		{Local: true, Proto: netinfo.TCP, Lo: 80, Hi: 80, Redirect: true, AfterDocker: true},
		{Local: true, Proto: netinfo.TCP, Lo: 8000, Hi: 8001, Redirect: true, AfterDocker: true},
		{Proto: netinfo.TCP, Lo: 9, Hi: 9, To: addr("172.17.0.9"), AfterDocker: true, Unclear: true},
		{Proto: netinfo.TCP, Lo: 10, Hi: 10, To: addr("172.17.0.9"), AfterDocker: true, Unclear: true},
		{Proto: netinfo.TCP, AfterDocker: true, Unclear: true},
	}
	got := iptables.Translations(tables, iptables.V4)
	same := cmp.Options{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmpopts.IgnoreFields(netinfo.Translation{}, "Rule")}
	if d := cmp.Diff(want, got, same); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if rule := `-A PREROUTING -i wan+ -p tcp -m tcp --dport 81 -j DNAT --to-destination 172.17.0.2:80`; got[0].Rule != rule {
		t.Errorf("the first rule is %q", got[0].Rule)
	}
	if got := iptables.Translations(tables[:0], iptables.V6); got != nil {
		t.Errorf("without a table: %v", got)
	}
}
