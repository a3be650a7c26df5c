package e2e_test

import (
	"strings"
	"testing"
	"time"

	"dockwall/test/lab"
)

// toolless hides programs of /usr/sbin from the host whose names match a pattern of case.
const toolless = `
real=$(mktemp -d) shown=$(mktemp -d)
mount --bind /usr/sbin "$real"
for f in "$real"/*; do
  name=${f##*/}
  case $name in %HIDDEN%) ;; *) ln -s "$f" "$shown/$name" ;; esac
done
mount --bind "$shown" /usr/sbin
`

// hide takes these programs from the host, those of the lab's own folder too.
func hide(l *lab.Lab, patterns ...string) {
	l.Host("sh", "-ec", strings.Replace(toolless, "%HIDDEN%", strings.Join(patterns, "|"), 1))
	for _, p := range patterns {
		l.Host("sh", "-ec", `for f in "$0"/bin/$1; do rm -f "$f"; done`, l.Dir(), p)
	}
}

// TestEachFamilyByItself takes tools away from a host: what can be written is in force, and
// a family that the host has and that cannot be written is named.
func TestEachFamilyByItself(t *testing.T) {
	for _, c := range []struct {
		name    string
		variant string
		backend string
		prepare func(l *lab.Lab)
		state   string
		six     bool // IPv6 is in force as well
	}{
		{"plain names", "nft", "", func(l *lab.Lab) { hide(l, "ip*tables-nft*", "ip*tables-legacy*") }, "enforcing", true},
		{"plain names of legacy", "legacy", "", func(l *lab.Lab) { hide(l, "ip*tables-nft*", "ip*tables-legacy*") }, "enforcing", true},
		{"no ip6tables", "nft", "iptables-nft", func(l *lab.Lab) { hide(l, "ip6tables*") }, "degraded", false},
		{"no ip6tables, so nftables", "nft", "", func(l *lab.Lab) { hide(l, "ip6tables*") }, "enforcing", true},
		{"ip6tables fails", "legacy", "iptables-legacy", func(l *lab.Lab) {
			hide(l, "ip6tables*")
			for _, name := range []string{"ip6tables", "ip6tables-save", "ip6tables-restore"} {
				l.Host("sh", "-ec", `printf '#!/bin/sh\necho "cannot initialize ip6tables table: Address family not supported by protocol" >&2\nexit 3\n' >"$0" && chmod +x "$0"`, l.Dir()+"/bin/"+name)
			}
		}, "degraded", false},
		{"no IPv6 and no ip6tables", "legacy", "iptables-legacy", func(l *lab.Lab) {
			l.Host("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
			hide(l, "ip6tables*")
		}, "enforcing", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := lab.New(t, lab.Options{Engine: wanted[0], Variant: c.variant, Backend: c.backend, NoDocker: true})
			c.prepare(l)
			l.StartDockerd()
			l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
			wan := l.Client("wan")
			must(t, l, lab.Ask{From: wan, Proto: "tcp", Addr: l.HostAddr("eth0", 4), Port: 8080}, "web")
			l.WriteConfig("# no policy\n")
			a := l.LaunchAgentd()
			state, detail := "", ""
			for range 50 {
				if state, detail = a.State(); state == c.state {
					break
				}
				time.Sleep(100 * time.Millisecond)
			}
			if state != c.state || c.state == "degraded" && !strings.Contains(detail, "IPv6") {
				t.Errorf("it is %q, want %q: %s", state, c.state, detail)
			}
			if r := wan.Dial("tcp", l.HostAddr("eth0", 4), 8080); r.OK {
				t.Error("IPv4: the published port is open")
			}
			if state != "enforcing" || !c.six {
				return
			}
			if r := wan.Dial("tcp", l.HostAddr("eth0", 6), 8080); r.OK {
				t.Error("IPv6: the published port is open")
			}
		})
	}
}
