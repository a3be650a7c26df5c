package enforce

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/compile"
	"dockwall/rules/finding"
	"dockwall/rules/policy"
)

// TestBelief has a Target pass over a host on which other programs write, tools
// fail and kinds of rules are lacking, and compares what it believes with the kernel.
func TestBelief(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHost()
		m := &model{host: h, target: h.target(), t: t, facts: facts("172.17.0.2")}
		m.Load(rt)
		rt.Repeat(rapid.StateMachineActions(m))
	})
}

// model is the host, and what a correct Target may believe of it.
type model struct {
	*host
	target *Target
	t      *testing.T
	policy policy.Policy
	facts  netinfo.Snapshot
	// disturbed: another program wrote since the kernel was read last.
	disturbed bool
	// pending: policy or facts changed since the last pass.
	pending bool
}

// Load is another document.
func (m *model) Load(t *rapid.T) {
	m.policy = allowing(rapid.SampledFrom([]string{"203.0.113.0/24", "198.51.100.0/24"}).Draw(t, "from"))
	m.policy.LogDenied = rapid.Bool().Draw(t, "log")
	m.target.Load(m.policy, settings)
	m.pending = true
}

// Container is a container with another address.
func (m *model) Container(t *rapid.T) {
	m.facts = facts(rapid.SampledFrom([]string{"172.17.0.2", "172.17.0.3", "172.17.0.4"}).Draw(t, "address"))
	m.pending = true
}

// Flush is another program that empties chains.
func (m *model) Flush(t *rapid.T) {
	table := rapid.SampledFrom([]string{"filter", "security"}).Draw(t, "table")
	// Without rules there may be no such chain yet.
	if m.flush(table, "INPUT", "FORWARD") == nil {
		m.disturbed = true
	}
}

// Module is a module of the kernel that is loaded, or not to be had.
func (m *model) Module(t *rapid.T) {
	m.lacks = rapid.SampledFrom([][]rules.VerdictKind{nil, {rules.Log}, {rules.Stamp}, {rules.Log, rules.Stamp}}).Draw(t, "lacks")
}

// Fault is a tool that fails the next times.
func (m *model) Fault(t *rapid.T) {
	m.failing, m.guessed = rapid.IntRange(0, 3).Draw(t, "times"), rapid.Bool().Draw(t, "guessed")
}

// Meddler is another program that writes after the next run.
func (m *model) Meddler(*rapid.T) {
	m.meddle = func() { m.disturbed = m.flush("filter", "INPUT") == nil }
}

// Latch is a kernel that can, or cannot, shut the latch.
func (m *model) Latch(t *rapid.T) {
	if m.unlatched = nil; rapid.Bool().Draw(t, "broken") {
		m.unlatched = errors.New("operation not supported")
	}
}

// Loosen comes some time after a pass that tightened the latch.
func (m *model) Loosen(*rapid.T) { m.target.Loosen() }

// FactsFail is a source of facts that fails.
func (m *model) FactsFail(*rapid.T) {
	m.target.Failed(&Problem{finding.Facts, errors.New("netlink: no buffer space")})
}

// Pass is a pass.
func (m *model) Pass(t *rapid.T) {
	look := rapid.Bool().Draw(t, "look")
	before, had := m.saved(), m.target.belief.ruleset
	read := look || !m.target.belief.known()
	if read {
		m.disturbed = false
	}
	meddled := m.meddle
	r, err := m.target.Pass(m.t.Context(), m.facts, look)
	switch {
	case err == nil:
		m.pending = false
	case !r.Ran && meddled == nil && m.saved() != before:
		t.Fatalf("a pass that failed changed the kernel: %v", err)
	}
	if err == nil && read && !m.disturbed {
		m.wantPolicy(t)
	}
	if r.Repaired && had == nil {
		t.Fatal("repaired before anything was in force")
	}
}

// wantPolicy compares the kernel with the policy, without what the host may lack.
func (m *model) wantPolicy(t *rapid.T) {
	rs, _ := compile.Compile(m.policy, m.facts)
	if d := m.differences(t, rs.Without(m.target.belief.without...)); d != 0 {
		t.Fatalf("after a pass %d differences are left", d)
	}
}

func (m *model) differences(t *rapid.T, rs rules.Ruleset) int {
	st, err := m.kernel.State()
	if err != nil {
		t.Fatal(err)
	}
	return len(iptables.Diff(rs, st, iptables.Options{Variant: iptables.NFT, Guard: true}).Changes)
}

// Check compares belief and kernel.
func (m *model) Check(t *rapid.T) {
	b := &m.target.belief
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	if !m.lifted {
		t.Fatal("rules without stamps came into force behind a latch that was shut")
	}
	if (m.latch != nil) != (b.latch.shut != nil) {
		t.Fatalf("the latch is %+v, and believed to be %+v", m.latch, b.latch.shut)
	}
	if b.phase == InForce && !m.disturbed && !b.behind {
		if d := m.differences(t, *b.ruleset); d != 0 {
			t.Fatalf("in phase %v there are %d differences", b.phase, d)
		}
	}
	for _, kind := range b.without {
		if !kind.GoesOn() || !slices.Contains([]rules.VerdictKind{rules.Log, rules.Stamp}, kind) {
			t.Fatalf("%q is left out", kind)
		}
	}
}
