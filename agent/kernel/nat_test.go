package kernel

import (
	"context"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/netinfo"
)

// The rules are written with the tools that operators use.
func TestTranslationsOfTheKernel(t *testing.T) {
	k := inNamespace(t)
	run := func(stdin string, args ...string) {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	if got, err := k.Translations(context.Background()); err != nil || len(got) > 0 {
		t.Fatalf("of an empty kernel: %v, %v", got, err)
	}
	run("", "iptables-nft", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "2222", "-j", "DNAT", "--to-destination", "172.17.0.2:22")
	run("", "ip6tables-nft", "-t", "nat", "-A", "PREROUTING", "-p", "udp", "--dport", "53", "-j", "REDIRECT", "--to-ports", "5353")
	run("table ip mine {\n chain pre {\n  type nat hook prerouting priority -110;\n  tcp dport 81 dnat to 172.17.0.3:80\n  tcp dport 82 ip saddr 10.0.0.0/8 redirect to :80\n  tcp dport 83 accept\n }\n}\n"+
		"table inet also {\n chain pre {\n  type nat hook prerouting priority -100;\n  tcp dport 84 counter redirect to :85\n }\n chain post {\n  type nat hook postrouting priority 100;\n  masquerade\n }\n}\n", "nft", "-f", "-")
	addr := netip.MustParseAddr
	want := []netinfo.Translation{
		{Proto: netinfo.TCP, Lo: 81, Hi: 81, To: addr("172.17.0.3"), ToPort: 80},
		{Proto: netinfo.TCP, Lo: 82, Hi: 82, Redirect: true, ToPort: 80, Unclear: true},
		{Proto: netinfo.TCP, Lo: 2222, Hi: 2222, To: addr("172.17.0.2"), ToPort: 22},
		{V6: true, Proto: netinfo.UDP, Lo: 53, Hi: 53, Redirect: true, ToPort: 5353},
		{Proto: netinfo.TCP, Lo: 84, Hi: 84, Redirect: true, ToPort: 85, AfterDocker: true},
		{V6: true, Proto: netinfo.TCP, Lo: 84, Hi: 84, Redirect: true, ToPort: 85, AfterDocker: true},
	}
	got, err := k.Translations(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	same := cmp.Options{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmpopts.IgnoreFields(netinfo.Translation{}, "Rule")}
	if d := cmp.Diff(want, got, same); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if unnamed := slices.ContainsFunc(got, func(t netinfo.Translation) bool { return t.Rule == "" }); unnamed {
		t.Errorf("a rule without its text: %+v", got)
	}
}
