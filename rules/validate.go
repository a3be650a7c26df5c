package rules

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
)

// What the kernel and its tools can hold.
const (
	// MaxDepth is how many chains of ours one packet may be in, one called by
	// the other, Goto included: nftables allows 16 with the base chain and
	// DOCKER-USER.
	MaxDepth = 14
	// MaxRate is the finest rate that the limit match knows, a second.
	MaxRate = 10000
	// MaxLogPrefix is NFLOG's, in bytes.
	MaxLogPrefix = 63
)

// Validate returns an error that joins everything that the kernel would refuse or
// misread, whatever the backend. What one backend cannot write, its Check finds.
func (rs *Ruleset) Validate() error {
	v := newValidator(rs)
	v.chains()
	v.hooks()
	v.sets()
	v.graph()
	return errors.Join(v.errs...)
}

type validator struct {
	rs     *Ruleset
	chain  map[string]*Chain
	set    map[string]*Set
	errs   []error
	placed map[string]bool // reached from any hook
	// from are the chains that are reached from INPUT, OUTPUT and PREROUTING.
	from map[Base]map[string]bool
	// policy are the chains that are reached from a hook other than the latch's.
	policy map[string]bool
}

func newValidator(rs *Ruleset) *validator {
	return &validator{rs: rs, chain: map[string]*Chain{}, set: map[string]*Set{},
		placed: map[string]bool{}, policy: map[string]bool{}, from: map[Base]map[string]bool{BaseInput: {}, BaseOutput: {}, BasePrerouting: {}}}
}

func (v *validator) errorf(format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf(format, args...))
}

// plainName is a name that no tool reads as anything else.
var plainName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

func (v *validator) chains() {
	for i := range v.rs.Sets {
		v.set[v.rs.Sets[i].Name] = &v.rs.Sets[i]
	}
	for i := range v.rs.Chains {
		c := &v.rs.Chains[i]
		switch {
		case v.chain[c.Name] != nil:
			v.errorf("chain %q: there are two of this name", c.Name)
		case !plainName.MatchString(c.Name):
			v.errorf("chain %q: not a name for a chain", c.Name)
		}
		v.chain[c.Name] = c
	}
	for i := range v.rs.Chains {
		for j, r := range v.rs.Chains[i].Rules {
			if err := v.rule(r); err != nil {
				v.errorf("chain %s, rule %d (%s): %w", v.rs.Chains[i].Name, j+1, r.Origin.Subject, err)
			}
		}
	}
}

func (v *validator) hooks() {
	type place struct {
		guard, latch bool
		base         Base
	}
	seen := map[place]bool{}
	for _, h := range v.rs.Hooks {
		p := place{h.Guard, h.Latch, h.Base}
		switch {
		case seen[p]:
			v.errorf("hook %s: there are two", h.Base)
		case h.Latch && (h.Guard || h.Base == BaseDockerUser || h.Base == BasePrerouting):
			v.errorf("hook %s: the latch has none there", h.Base)
		case !h.Latch && h.Base != BaseInput && h.Guard != (h.Base == BaseForward):
			v.errorf("hook %s: not in this table", h.Base)
		case !slices.Contains([]Base{BaseInput, BaseForward, BaseDockerUser, BaseOutput, BasePrerouting}, h.Base):
			v.errorf("hook %q: not a base chain", h.Base)
		case v.chain[h.Chain] == nil:
			v.errorf("hook %s: no chain %q", h.Base, h.Chain)
		}
		seen[p] = true
	}
}

// graph walks every path from the hooks: references, cycles, depth, what is
// not reached, and interfaces where there are none.
func (v *validator) graph() {
	for _, h := range v.rs.Hooks {
		v.reach(h.Chain, v.placed)
		if !h.Latch {
			v.reach(h.Chain, v.policy)
		}
		if from := v.from[h.Base]; from != nil {
			v.reach(h.Chain, from)
		}
	}
	depth := map[string]int{}
	for _, c := range v.rs.Chains {
		if !v.placed[c.Name] {
			v.errorf("chain %s: no hook reaches it", c.Name)
		}
		if d := v.depth(c.Name, depth); d > MaxDepth {
			v.errorf("chain %s: %d chains deep, %d are possible", c.Name, d, MaxDepth)
		}
		for i, r := range c.Rules {
			if v.policy[c.Name] && onlyLatch(r) {
				v.errorf("chain %s, rule %d: only the latch has such a rule", c.Name, i+1)
			}
			if v.from[BaseInput][c.Name] && (hasMatch[OutInterface](r) || hasMatch[OutBridge](r)) {
				v.errorf("chain %s, rule %d: an outgoing interface, but INPUT reaches the chain", c.Name, i+1)
			}
			if v.from[BaseInput][c.Name] && r.Verdict.Kind == Stamp {
				v.errorf("chain %s, rule %d: a stamp, which the kernel does not take where INPUT reaches", c.Name, i+1)
			}
			if v.from[BaseOutput][c.Name] && (hasMatch[InInterface](r) || hasMatch[InBridgePort](r)) {
				v.errorf("chain %s, rule %d: an incoming interface, but OUTPUT reaches the chain", c.Name, i+1)
			}
			if v.from[BasePrerouting][c.Name] {
				if err := early(r); err != nil {
					v.errorf("chain %s, rule %d: %w, but PREROUTING reaches the chain", c.Name, i+1, err)
				}
			}
		}
	}
}

// onlyLatch reports whether a match or the verdict is one of the latch's.
func onlyLatch(r Rule) bool {
	return hasMatch[Confirmed](r) || hasMatch[Stamped](r) || hasMatch[OutBridge](r) || r.Verdict.Kind == Unstamp
}

// early is an error where the rule asks for what does not exist yet when a packet
// has just come in: where it will leave, and what connection tracking knows of it.
// Nothing can answer there either, and the kernel takes no stamp.
func early(r Rule) error {
	switch {
	case hasMatch[OutInterface](r):
		return errors.New("an outgoing interface")
	case hasMatch[Conn](r):
		return errors.New("a state of connection tracking")
	case r.Verdict.Kind == Reject, r.Verdict.Kind == Stamp:
		return fmt.Errorf("a %s", r.Verdict.Kind)
	}
	return nil
}

func (v *validator) reach(name string, seen map[string]bool) {
	c := v.chain[name]
	if c == nil || seen[name] {
		return
	}
	seen[name] = true
	for _, r := range c.Rules {
		if r.Verdict.Kind == Jump || r.Verdict.Kind == Goto {
			v.reach(r.Verdict.Chain, seen)
		}
	}
}

const inProgress = -1

// depth is the number of chains on the longest path from this one, itself
// included. A cycle is reported once, where it closes.
func (v *validator) depth(name string, known map[string]int) int {
	if d := known[name]; d != 0 {
		if d == inProgress {
			v.errorf("chain %s: it reaches itself", name)
			return 0
		}
		return d
	}
	c := v.chain[name]
	if c == nil {
		return 0
	}
	known[name] = inProgress
	deepest := 0
	for _, r := range c.Rules {
		if r.Verdict.Kind == Jump || r.Verdict.Kind == Goto {
			deepest = max(deepest, v.depth(r.Verdict.Chain, known))
		}
	}
	known[name] = deepest + 1
	return deepest + 1
}

func (v *validator) sets() {
	for i := range v.rs.Sets {
		s := &v.rs.Sets[i]
		if v.set[s.Name] != s && len(v.rs.Sets) != len(v.set) {
			v.errorf("set %q: there are two of this name", s.Name)
		}
		if !plainName.MatchString(s.Name) {
			v.errorf("set %q: not a name for a set", s.Name)
		}
		if s.After != "" && (v.set[s.After] == nil || !s.InPlace) {
			v.errorf("set %s: it comes after %q, which is no set, or is never edited itself", s.Name, s.After)
		}
		if s.Gate && (s.After != "" || !s.InPlace) {
			v.errorf("set %s: a gate is edited in place, and closes", s.Name)
		}
		if s.Type != HashNet && s.Type != HashNetPort {
			v.errorf("set %s: unknown type %q", s.Name, s.Type)
		}
		if err := s.validateMembers(); err != nil {
			v.errorf("set %s: %w", s.Name, err)
		}
	}
}

func (s *Set) validateMembers() error {
	for i, m := range s.Members {
		if i > 0 && s.Members[i-1].Compare(m) >= 0 {
			return fmt.Errorf("members %d and %d are out of order", i, i+1)
		}
		if err := validPrefix(m.Prefix); err != nil {
			return fmt.Errorf("member %d: %w", i+1, err)
		}
		if s.Type == HashNetPort && !hasPorts(m.Proto) {
			return fmt.Errorf("member %d: a %s has no ports", i+1, m.Proto)
		}
		if s.Type == HashNet && (m.Proto != 0 || m.Port != 0) {
			return fmt.Errorf("member %d: a port in a %s", i+1, s.Type)
		}
	}
	return nil
}

func validPrefix(p netip.Prefix) error {
	switch {
	case !p.IsValid():
		return errors.New("invalid prefix")
	case p != p.Masked():
		return fmt.Errorf("%s has host bits", p)
	case p.Addr().Is4In6() || p.Addr().Zone() != "":
		return fmt.Errorf("%s is no plain address", p)
	}
	return nil
}

func (v *validator) rule(r Rule) error {
	return cmp.Or(v.verdict(r), once(r), v.families(r), v.matches(r))
}

func (v *validator) verdict(r Rule) error {
	k := r.Verdict
	switch {
	case !slices.Contains(VerdictKinds(), k.Kind):
		return fmt.Errorf("unknown verdict %q", k.Kind)
	case (k.Kind == Jump || k.Kind == Goto) && v.chain[k.Chain] == nil:
		return fmt.Errorf("no chain %q", k.Chain)
	case len(k.Prefix) > MaxLogPrefix:
		return fmt.Errorf("log prefix longer than %d bytes", MaxLogPrefix)
	case k.Kind == Reject && hasMatch[Limit](r) && !hasMatch[Proto](r):
		return errors.New("a limited reject needs a protocol: it is two rules, and they would count apart")
	}
	return nil
}
