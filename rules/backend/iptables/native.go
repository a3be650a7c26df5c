package iptables

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"dockwall/rules/backend"
	"dockwall/rules/plan"
)

// NativeRule is a rule of another program's chain that was read through netlink, because
// iptables' tools do not print a table that holds native rules of nftables.
type NativeRule struct {
	Handle uint64
	// Conditions are the rule's matches and its statements other than the verdict, as
	// nftables names them.
	Conditions []string
	// Comment is that of iptables' extension; empty if none.
	Comment string
	// Target is the chain, or ACCEPT, DROP, LOG and so on; empty if the rule ends nothing.
	Target string
	Goto   bool
}

// nativeMark begins the text of a rule that iptables cannot print.
const nativeMark = "[nft handle "

// Text is the rule as State holds it. A rule that only has a comment and a target looks as
// iptables-save prints it. Of another rule the text says where it goes to and by which
// handle `nft -a list chain` shows it.
func (r NativeRule) Text() string {
	var words []string
	if len(r.Conditions) > 0 {
		words = append(words, fmt.Sprintf(nativeMark+"%d: %s]", r.Handle, strings.Join(r.Conditions, " ")))
	}
	if r.Comment != "" {
		words = append(words, "-m comment --comment", quote(r.Comment))
	}
	switch {
	case r.Target == "":
	case r.Goto:
		words = append(words, "-g", r.Target)
	default:
		words = append(words, "-j", r.Target)
	}
	return strings.Join(words, " ")
}

// OurJump reports whether a rule of another program's chain, as State holds it, leads to
// dockwall's rules.
func OurJump(rule string) bool { return ourJump(rule) }

// Place puts the jumps among the other rules of a chain, each at its place, one after the
// other.
func Place(rest []string, jumps []plan.Jump) []string {
	out := slices.Clone(rest)
	for _, j := range jumps {
		out = slices.Insert(out, min(j.At, len(out)), jumpText(j))
	}
	return out
}

// jumpText is the jump as iptables-save prints it.
func jumpText(j plan.Jump) string { return NativeRule{Comment: j.Comment, Target: j.Target}.Text() }

// native reports whether a chain that the edit changes can be changed through netlink
// only.
func (e *tableEdit) native() bool {
	return slices.ContainsFunc(e.bases, func(b baseEdit) bool { return b.native })
}

// jumpSteps are the steps that put jumps into the native chains: the wanted ones, or to
// undo that the old ones. A jump to dockwall's chains that has conditions, which another
// program wrote, is not put back: netlink's reader knows of its conditions only the names.
func (e *tableEdit) jumpSteps(undo bool) []plan.Step {
	var out []plan.Step
	for _, b := range e.bases {
		if !b.native {
			continue
		}
		places, why := b.goal, "place the jumps"
		if undo {
			places, why = b.old, "put the old jumps back"
		}
		a := plan.SetJumps{Family: int(e.family), Table: e.table, Chain: b.chain}
		if b.plain && !undo {
			a.Jumps = append(a.Jumps, plan.Jump{Target: dockerUser})
		}
		for _, p := range places {
			target, comment := targetOf(p.rule)
			a.Jumps = append(a.Jumps, plan.Jump{At: p.at, Comment: comment, Target: target})
		}
		out = append(out, plan.Step{Action: a, Why: why + " beside native rules (" + e.table + ", IPv" + e.family.String() + ")"})
	}
	return out
}

// nativeSteps are the steps where jumps stand beside native rules. Chains are written
// before jumps lead to them, and deleted after no jump does.
func (e *tableEdit) nativeSteps() []plan.Step {
	write, drop := *e, *e
	write.drop, write.empty, write.dropUser = nil, nil, false
	drop.write, drop.bases, drop.makeUser, drop.markTable, drop.marks, drop.transit = nil, nil, false, false, nil, nil
	var out []plan.Step
	if !write.idle() {
		out = append(out, e.step(write.script(), "write the rules"))
	}
	out = append(out, e.jumpSteps(false)...)
	if !drop.idle() {
		out = append(out, e.step(drop.script(), "delete the old rules"))
	}
	return out
}

// idle reports whether the edit's script would do nothing.
func (e *tableEdit) idle() bool {
	iptables := slices.ContainsFunc(e.bases, func(b baseEdit) bool { return !b.native })
	return len(e.write)+len(e.drop)+len(e.empty)+len(e.marks)+len(e.passing()) == 0 && !iptables && !e.makeUser && !e.markTable && !e.dropUser
}

// Owned reports whether a chain is dockwall's by its name.
func Owned(chain string) bool { return owned(chain) }

// ParseChains reads what `iptables -S CHAIN` prints for chains without a policy.
func ParseChains(text string) (map[string][]string, error) {
	all := map[string][]string{}
	for text != "" {
		end := recordEnd(text)
		rec := text[:end]
		text = strings.TrimPrefix(text[end:], "\n")
		verb, rest, _ := strings.Cut(rec, " ")
		name, rule, _ := strings.Cut(rest, " ")
		_, declared := all[name]
		switch {
		case rec == "" || rec[0] == '#':
		case verb == "-N" && name != "" && rule == "" && !declared:
			all[name] = nil
		case verb == "-A" && declared:
			all[name] = append(all[name], rule)
		default:
			return nil, fmt.Errorf("iptables -S: %q is not understood", rec)
		}
	}
	return all, nil
}

// ParseChainCounters reads what `iptables -v -S CHAIN` prints for dockwall's chains of the
// filter table.
func ParseChainCounters(text string) ([]backend.Counter, error) {
	chains, err := ParseChains(text)
	if err != nil {
		return nil, err
	}
	var all []backend.Counter
	for _, name := range slices.Sorted(maps.Keys(chains)) {
		for _, rule := range chains[name] {
			rule, count := cutCount(rule)
			c, own, err := parseCounter(fmt.Sprintf("[%s] -A %s %s", count, name, rule))
			if err != nil {
				return nil, fmt.Errorf("iptables -S: %q: %w", rule, err)
			}
			if own {
				all = append(all, c)
			}
		}
	}
	return all, nil
}

// cutCount takes the option "-c PACKETS BYTES" out of a printed rule.
func cutCount(rule string) (without, count string) {
	words := slices.Collect(splitWords(rule))
	for i := 0; i+2 < len(words); i++ {
		if words[i] == "-c" && digits(words[i+1]) && digits(words[i+2]) {
			return strings.Join(slices.Delete(slices.Clone(words), i, i+3), " "), words[i+1] + ":" + words[i+2]
		}
	}
	return rule, "0:0"
}

// MarkAbsent marks the base chains that are not among those that the kernel has.
func (t *Table) MarkAbsent(have []string) {
	for i := range t.Chains {
		c := &t.Chains[i]
		c.Absent = slices.Contains(builtins(t.Name), c.Name) && !slices.Contains(have, c.Name)
	}
}

// WithBuiltins returns the table with the chains that iptables' tool makes when a rule is
// put into them: of such a table iptables-save prints all, and netlink those that exist.
func WithBuiltins(t Table) Table {
	var first []Chain
	for _, name := range builtins(t.Name) {
		at := slices.IndexFunc(t.Chains, func(c Chain) bool { return c.Name == name })
		if at < 0 {
			first = append(first, Chain{Name: name, Policy: "ACCEPT", Absent: true})
			continue
		}
		first = append(first, t.Chains[at])
		t.Chains = slices.Delete(slices.Clone(t.Chains), at, at+1)
	}
	t.Chains = append(first, t.Chains...)
	return t
}
