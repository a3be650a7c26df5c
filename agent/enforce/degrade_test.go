package enforce

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dockwall/rules"
	"dockwall/rules/finding"
	"dockwall/rules/policy"
)

func codes(fs []finding.Finding) []finding.Code {
	var all []finding.Code
	for _, f := range fs {
		if f.Code != finding.NICMissing {
			all = append(all, f.Code)
		}
	}
	return all
}

// A host that lacks NFLOG or CLASSIFY enforces the rest, names what it lacks, and
// has nothing left to change.
func TestHostThatLacks(t *testing.T) {
	for _, c := range []struct {
		name  string
		lacks []rules.VerdictKind
		codes []finding.Code
	}{
		{"nothing", nil, nil},
		{"NFLOG", []rules.VerdictKind{rules.Log}, []finding.Code{finding.NotReported}},
		{"CLASSIFY", []rules.VerdictKind{rules.Stamp}, []finding.Code{finding.NoLatch}},
		{"both", []rules.VerdictKind{rules.Log, rules.Stamp}, []finding.Code{finding.NotReported, finding.NoLatch}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost()
			h.lacks = c.lacks
			file := filepath.Join(t.TempDir(), "limits.json")
			keep := func(o *Options) { o.Limits = file }
			target := h.target(keep)
			target.Load(allowing("203.0.113.0/24"), settings)
			mustPass(t, target, facts("172.17.0.2"), true)
			if got := codes(target.Problems()); !slices.Equal(got, c.codes) {
				t.Errorf("the problems are %q, want %q", got, c.codes)
			}
			in, ok := target.Enforced()
			if !ok || !sameKinds(in.LeftOut, c.lacks) || !strings.Contains(h.saved(), "-j DROP") {
				t.Errorf("left out is %q, want %q; in force is\n%s", in.LeftOut, c.lacks, h.saved())
			}
			for _, kind := range c.lacks {
				if has(&in.Ruleset, kind) {
					t.Errorf("the ruleset in force has rules of the kind %s", kind)
				}
			}
			if want := !slices.Contains(c.lacks, rules.Stamp); (h.latch != nil) != want || !h.lifted {
				t.Errorf("the latch is %+v; it was lifted in time: %t", h.latch, h.lifted)
			}
			// Another process compares with what this one found out.
			other := h.target(keep)
			other.Load(allowing("203.0.113.0/24"), settings)
			if err := other.Recall(); err != nil {
				t.Fatal(err)
			}
			d, err := other.Compare(t.Context(), facts("172.17.0.2"))
			if err != nil || !d.Plan.Empty() {
				t.Errorf("the difference is %+v, %v", d.Plan.Changes, err)
			}
			// The kernel's modules are loaded; the next document tries them.
			h.lacks = nil
			target.Load(allowing("203.0.113.0/24"), settings)
			mustPass(t, target, facts("172.17.0.2"), true)
			if in, _ := target.Enforced(); len(in.LeftOut) != 0 || !has(&in.Ruleset, rules.Log) || !has(&in.Ruleset, rules.Stamp) || h.latch == nil {
				t.Errorf("left out is %q, the latch %+v", in.LeftOut, h.latch)
			}
			if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the host lacks nothing, and the file says what it lacks: %v", err)
			}
		})
	}
}

func sameKinds(a, b []rules.VerdictKind) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// A kernel without nftables for bridges enforces the rules; the finding says what passes,
// and what to do.
func TestHostWithoutFrames(t *testing.T) {
	h := newHost()
	h.noFrames = fmt.Errorf("%w: operation not supported", rules.ErrNoFrames)
	target := h.target()
	target.Load(allowing("203.0.113.0/24"), settings)
	mustPass(t, target, facts("172.17.0.2"), true)
	all := target.Problems()
	i := slices.IndexFunc(all, func(f finding.Finding) bool { return f.Code == finding.NoFrames })
	if i < 0 {
		t.Fatalf("the problems are %+v", all)
	}
	for _, want := range []string{"CONFIG_NF_TABLES_BRIDGE", "open a connection that egress or between denies", "--cap-drop NET_RAW"} {
		if !strings.Contains(all[i].Message, want) {
			t.Errorf("%q is not in %q", want, all[i].Message)
		}
	}
	h.noFrames = nil
	mustPass(t, target, facts("172.17.0.2"), true)
	if got := codes(target.Problems()); slices.Contains(got, finding.NoFrames) {
		t.Errorf("the table is written, and the problems are %q", got)
	}
}

// Without the table, spoofing = "deny" is not in force, which degrades the state; and
// without agentd it holds for the containers of that moment alone.
func TestSpoofingNotInForce(t *testing.T) {
	for name, tt := range map[string]struct {
		missing, once, denies, want bool
	}{
		"in force": {denies: true}, "no table": {missing: true, denies: true, want: true}, "not wanted": {missing: true, once: true}, "without agentd": {once: true, denies: true, want: true},
	} {
		h := newHost()
		if tt.missing {
			h.noFrames = fmt.Errorf("%w: operation not supported", rules.ErrNoFrames)
		}
		target := h.target()
		target.o.Once = tt.once
		p := allowing("203.0.113.0/24")
		if tt.denies {
			p.Networks = append(p.Networks, policy.Network{Name: "back", Spoofing: policy.Deny})
		}
		target.Load(p, settings)
		mustPass(t, target, facts("172.17.0.2"), true)
		if got := slices.Contains(codes(target.Problems()), finding.Spoofing); got != tt.want {
			t.Errorf("%s: the problem is there: %v, want %v", name, got, tt.want)
		}
		if want := tt.denies && !tt.once; target.Guard().HoldUnknown != want {
			t.Errorf("%s: unknown ports are held: %v, want %v", name, !want, want)
		}
	}
	if k := finding.KindOf(finding.Spoofing); !k.Degrades() {
		t.Error("the state is enforcing without it")
	}
}

// Containers that change on a host without NFLOG leave no rules to repair.
func TestFollowedWithoutNFLOGIsNotRepaired(t *testing.T) {
	for _, load := range []bool{false, true} {
		h := newHost()
		h.lacks = []rules.VerdictKind{rules.Log}
		target := h.target()
		target.Load(allowing("203.0.113.0/24"), settings)
		mustPass(t, target, facts("172.17.0.2"), true)
		if r := mustPass(t, target, facts("172.17.0.9"), false); !r.Changed || !target.belief.behind {
			t.Fatalf("the container was not followed: %+v", r)
		}
		if load {
			target.Load(allowing("203.0.113.0/24"), settings)
		}
		if r := mustPass(t, target, facts("172.17.0.9"), true); r.Repaired || r.Repairs != 0 || r.Changed {
			t.Errorf("with another document %t: repaired %t (%d), changed %t", load, r.Repaired, r.Repairs, r.Changed)
		}
	}
}

// A failure whose message could mean that NFLOG is lacking is no lack.
func TestGuessIsForgotten(t *testing.T) {
	h := newHost()
	target := h.target()
	target.Load(allowing("203.0.113.0/24"), settings)
	mustPass(t, target, facts("172.17.0.2"), true)
	before := h.saved()
	h.failing, h.guessed = 9, true
	target.Load(allowing("198.51.100.0/24"), settings)
	if _, err := target.Pass(t.Context(), facts("172.17.0.2"), false); CodeOf(err) != finding.Apply {
		t.Errorf("the error is %v", err)
	}
	if err := target.belief.Check(); err != nil || len(target.belief.without) != 0 || h.latch == nil || h.saved() != before {
		t.Errorf("%v; left out is %q, the latch %+v", err, target.belief.without, h.latch)
	}
}

// A file of limits that is not one, or that names kinds which must never be left
// out, is no way to switch denials off.
func TestLimitsLeaveOutNoDenial(t *testing.T) {
	file := filepath.Join(t.TempDir(), "limits.json")
	for text, good := range map[string]bool{`{"without":["drop","log","reject"]}`: true, `{`: false, ``: false} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Limits(file)
		if (err == nil) != good || good && !slices.Equal(got, []rules.VerdictKind{rules.Log}) {
			t.Errorf("%q leaves out %q, %v", text, got, err)
		}
	}
}
