package kernel

import (
	"errors"
	"strings"
	"testing"

	"dockwall/rules"
	"dockwall/rules/plan"
)

// What iptables says without the extension, and without the kernel's module.
func TestLacks(t *testing.T) {
	const logs, plain = "*filter\n-A DOCKWALL-X -j NFLOG --nflog-group 4777\n-A DOCKWALL-X -j CLASSIFY --set-class 646f:7700\nCOMMIT\n", "*filter\n-A DOCKWALL-X -j DROP\nCOMMIT\n"
	const stamps = "*filter\n-A DOCKWALL-X -j CLASSIFY --set-class 646f:7700\nCOMMIT\n"
	for _, tt := range []struct {
		stdin, said, line string
		want              rules.VerdictKind
	}{
		{logs, "iptables-restore v1.8.9 (nf_tables): Couldn't load target `NFLOG':No such file or directory; Error occurred at line: 2", "-A DOCKWALL-X -j NFLOG --nflog-group 4777", rules.Log},
		{logs, "iptables-restore v1.8.9 (nf_tables): ; line 2: RULE_APPEND failed (No such file or directory): rule in chain DOCKWALL-X", "-A DOCKWALL-X -j NFLOG --nflog-group 4777", rules.Log},
		{logs, `iptables-nft-restore v1.8.9 (nf_tables): unknown option "--nflog-prefix"; Error occurred at line: 2`, "-A DOCKWALL-X -j NFLOG --nflog-group 4777", rules.Log},
		{logs, "iptables-restore: line 3 failed: No chain/target/match by that name.", "", rules.Log},
		{logs, "line 2: RULE_APPEND failed (No such file or directory): rule in chain DOCKWALL-X", "-A DOCKWALL-X -m set --match-set x src -j DROP", ""},
		{logs, "Another app is currently holding the xtables lock", "", ""},
		{plain, "iptables-restore: line 3 failed: No chain/target/match by that name.", "", ""},
		{logs, "line 3: RULE_APPEND failed (No such file or directory): rule in chain DOCKWALL-X", "-A DOCKWALL-X -j CLASSIFY --set-class 646f:7700", rules.Stamp},
		{stamps, "iptables-restore v1.8.9 (nf_tables): Couldn't load target `CLASSIFY':No such file or directory; Error occurred at line: 2", "-A DOCKWALL-X -j CLASSIFY --set-class 646f:7700", rules.Stamp},
		{stamps, `iptables-nft-restore v1.8.9 (nf_tables): unknown option "--set-class"; Error occurred at line: 2`, "", rules.Stamp},
		{stamps, "iptables-restore: line 3 failed: No chain/target/match by that name.", "", rules.Stamp},
	} {
		err := &StepError{Step: plan.Step{Why: "writing", Action: plan.RestoreTable{Script: plan.Script{Body: tt.stdin}}}, Text: tt.line, Err: errors.New(tt.said)}
		if got, lacks := plan.Lacks(err); got != tt.want || lacks != (tt.want != "") || strings.Contains(err.Error(), "log_denied = false") != (tt.want == rules.Log) {
			t.Errorf("%s: it lacks %q, want %q: %v", tt.said, got, tt.want, err)
		}
	}
}
