package kernel

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/rules"
	backend "dockwall/rules/backend/iptables"
)

// The sets that saved rules name are made empty, of the right type and family, so that
// iptables-restore loads these rules, the host's own included. Those that exist stay.
func TestMakeSetsForSavedRules(t *testing.T) {
	for _, v := range []backend.Variant{backend.NFT, backend.Legacy} {
		t.Run(string(v), func(t *testing.T) {
			k := inNamespace(t)
			apply(t, k, small(), backend.Options{Variant: v, Guard: v == backend.NFT})
			sh(t, "iptables-"+suffix(v)+" -A INPUT -p tcp --dport 22 -j ACCEPT")
			rules4, rules6 := sh(t, "iptables-"+suffix(v)+"-save"), sh(t, "ip6tables-"+suffix(v)+"-save")
			sets := small().Sets

			k = inNamespace(t) // a cold boot
			sh(t, "ipset create dockwall4-h-x hash:net,port family inet maxelem 1000 && ipset add dockwall4-h-x 192.0.2.1,tcp:80 && ipset create theirs hash:ip")
			made, err := k.MakeSets(t.Context(), 4, sets)
			must(t, err)
			if diff := cmp.Diff([]string{"dockwall4-" + sets[0].Name}, made); diff != "" {
				t.Errorf("what was made of IPv4 (-want +got):\n%s", diff)
			}
			made, err = k.MakeSets(t.Context(), 6, sets)
			must(t, err)
			if diff := cmp.Diff([]string{"dockwall6-" + sets[0].Name, "dockwall6-h-x"}, made); diff != "" {
				t.Errorf("what was made of IPv6 (-want +got):\n%s", diff)
			}
			restoreFile(t, v, "", rules4)
			restoreFile(t, v, "6", rules6)
			if !strings.Contains(sh(t, "iptables-"+suffix(v)+"-save"), "--dport 22 -j ACCEPT") {
				t.Errorf("the host's own rule is not there:\n%s", saved(t))
			}
			for _, want := range []string{"create dockwall4-h-x hash:net,port family inet hashsize 1024 maxelem 1000", "add dockwall4-h-x 192.0.2.1,tcp:80",
				"create dockwall6-h-x hash:net,port family inet6", "create theirs"} {
				if got := sh(t, "ipset save"); !strings.Contains(got, want) {
					t.Errorf("%q is not among the sets:\n%s", want, got)
				}
			}
			// Applying brings dockwall's own rules up to date, and takes nothing of others'.
			apply(t, k, small(), backend.Options{Variant: v, Guard: v == backend.NFT})
			if got := sh(t, "iptables-"+suffix(v)+"-save; ipset save"); !strings.Contains(got, "--dport 22 -j ACCEPT") || !strings.Contains(got, "create theirs") {
				t.Errorf("what is not dockwall's is gone:\n%s", got)
			}
			if made, err = k.MakeSets(t.Context(), 4, sets); err != nil || made != nil {
				t.Errorf("a second time it made %v, %v", made, err)
			}
		})
	}
}

// Without the sets iptables-restore refuses all of a file: otherwise the test above would
// show nothing.
func TestSavedRulesNeedTheirSets(t *testing.T) {
	inNamespace(t)
	out := sh(t, `printf '*filter\n-A INPUT -p tcp --dport 22 -j ACCEPT\n-A INPUT -m set --match-set dockwall4-h-x dst,dst -j DROP\nCOMMIT\n' | iptables-nft-restore 2>&1; iptables-nft-save`)
	if strings.Contains(out, "-j ACCEPT") || !strings.Contains(out, "dockwall4-h-x") {
		t.Errorf("the rules were loaded without the set:\n%s", out)
	}
}

func TestMakeSetsOfNone(t *testing.T) {
	k := inNamespace(t)
	for _, sets := range [][]rules.Set{nil, {}} {
		if made, err := k.MakeSets(t.Context(), 4, sets); made != nil || err != nil {
			t.Errorf("it made %v, %v", made, err)
		}
	}
	// A set that ipset refuses is named.
	if _, err := k.MakeSets(t.Context(), 4, []rules.Set{{Name: strings.Repeat("x", 40), Type: rules.HashNet}}); err == nil || !strings.Contains(err.Error(), "IPv4") {
		t.Errorf("a name that is too long: %v", err)
	}
}

func suffix(v backend.Variant) string { return strings.TrimPrefix(string(v), "iptables-") }

// restoreFile restores what was saved, as a unit does at boot.
func restoreFile(t *testing.T, v backend.Variant, family, text string) {
	t.Helper()
	path := t.TempDir() + "/rules"
	must(t, os.WriteFile(path, []byte(text), 0o600))
	sh(t, "ip"+family+"tables-"+suffix(v)+"-restore "+path)
}
