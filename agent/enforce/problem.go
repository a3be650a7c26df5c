package enforce

import (
	"errors"
	"fmt"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/finding"
)

// Problem is why a pass failed: the code is that of status' reason.
type Problem struct {
	Code finding.Code
	Err  error
}

func (p *Problem) Error() string { return p.Err.Error() }

// Unwrap returns the error without its code.
func (p *Problem) Unwrap() error { return p.Err }

// ErrNotRead is the error of a pass that failed, and after which the kernel could not be
// read: whether it is as before is not known.
var ErrNotRead = errors.New("what the kernel holds now could not be read")

// CodeOf is the code of a pass's error; empty if there is none.
func CodeOf(err error) finding.Code {
	var p *Problem
	switch {
	case err == nil:
		return ""
	case errors.As(err, &p):
		return p.Code
	}
	return finding.Apply
}

// Problems are the compiler's, and one for each feature that this host lacks and
// that dockwall works without.
func (t *Target) Problems() []finding.Finding {
	problems := slices.Clone(t.compiled.problems)
	if c := t.backend.chosen; c != nil && c.Limits().Native {
		// No chain of Docker's is needed, nor made.
		problems = slices.DeleteFunc(problems, func(f finding.Finding) bool { return f.Code == finding.DockerNFTables })
	}
	if t.backend.inline() && t.firewall.Sets == "auto" {
		problems = append(problems, finding.New(finding.NoIPSet,
			`ipset is not there, so rules name each address: that does the same, but long lists make it slow. Install the package ipset and restart dockwall, or write sets = "inline"`))
	}
	if t.lacks(rules.Log) {
		problems = append(problems, finding.New(finding.NotReported,
			"denied packets are dropped, but not reported, and agentctl denied shows none: load the kernel's module xt_NFLOG and reload dockwall, or write log_denied = false"))
	}
	if t.belief.frames.missing != nil {
		problems = append(problems, NoFrames())
	}
	if f, ok := t.spoofing(); ok {
		problems = append(problems, f)
	}
	if t.belief.latch.why != nil || t.o.Latch != nil && !t.o.Once && t.lacks(rules.Stamp) {
		problems = append(problems, finding.New(finding.NoLatch,
			"if another program flushes every table, published ports are open until the rules are restored. Closing that gap needs Linux 5.12 or later with nf_tables, and the kernel's module xt_CLASSIFY"))
	}
	return append(problems, forwardDrop(t.snapshot.Engine, t.belief.state)...)
}

// forwardDrop finds that Docker has left FORWARD dropping when it went over to nftables,
// where it accepts nothing in that chain any more.
func forwardDrop(e netinfo.Engine, st backend.State) []finding.Finding {
	known, ok := st.(backend.Forwarding)
	if !ok || !e.NFTables() {
		return nil
	}
	var found []finding.Finding
	for _, family := range known.ForwardDrops() {
		tool := map[int]string{4: "iptables", 6: "ip6tables"}[family]
		found = append(found, finding.New(finding.ForwardDrop, fmt.Sprintf(
			"the policy of %s' FORWARD is DROP, and Docker, which uses nftables, accepts nothing there: published ports time out over IPv%d unless a rule of yours accepts the packets. %s -P FORWARD ACCEPT",
			tool, family, tool)))
	}
	return found
}
