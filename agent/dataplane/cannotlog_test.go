package dataplane

import (
	"errors"
	"strings"
	"testing"

	"dockwall/rules/plan"
)

// What iptables says without the extension, and without the kernel's module.
func TestCannotLog(t *testing.T) {
	const logs, plain = "*filter\n-A DOCKWALL-X -j NFLOG --nflog-group 4777\nCOMMIT\n", "*filter\n-A DOCKWALL-X -j DROP\nCOMMIT\n"
	for _, tt := range []struct {
		stdin, said, line string
		want              bool
	}{
		{logs, "iptables-restore v1.8.9 (nf_tables): Couldn't load target `NFLOG':No such file or directory; Error occurred at line: 2", "-A DOCKWALL-X -j NFLOG --nflog-group 4777", true},
		{logs, "iptables-restore v1.8.9 (nf_tables): ; line 2: RULE_APPEND failed (No such file or directory): rule in chain DOCKWALL-X", "-A DOCKWALL-X -j NFLOG --nflog-group 4777", true},
		{logs, `iptables-nft-restore v1.8.9 (nf_tables): unknown option "--nflog-prefix"; Error occurred at line: 2`, "-A DOCKWALL-X -j NFLOG --nflog-group 4777", true},
		{logs, "iptables-restore: line 3 failed: No chain/target/match by that name.", "", true},
		{logs, "line 2: RULE_APPEND failed (No such file or directory): rule in chain DOCKWALL-X", "-A DOCKWALL-X -m set --match-set x src -j DROP", false},
		{logs, "Another app is currently holding the xtables lock", "", false},
		{plain, "iptables-restore: line 3 failed: No chain/target/match by that name.", "", false},
	} {
		err := &StepError{Step: plan.Step{Why: "writing", Stdin: tt.stdin}, Text: tt.line, Err: errors.New(tt.said)}
		if got := err.CannotLog(); got != tt.want || strings.Contains(err.Error(), "log_denied = false") != tt.want {
			t.Errorf("%s: CannotLog = %v, want %v: %v", tt.said, got, tt.want, err)
		}
	}
}
