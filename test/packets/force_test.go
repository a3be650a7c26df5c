package packets

import (
	"fmt"
	"regexp"
	"strings"

	"dockwall/agent/kernel"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
)

// enforce makes the host's kernel so, as the agent would: from what is there.
func (w *town) enforce(rs rules.Ruleset, o iptables.Options) error {
	seen, err := w.observe()
	if err != nil {
		return err
	}
	p := iptables.Diff(rs, seen, o)
	for s := range p.Forward() {
		if err := w.step(s); err != nil && !s.MayFail {
			return fmt.Errorf("%w\n%s", err, s)
		}
	}
	// What was tracked under the rules before says nothing about these.
	_, err = w.host.run("", "conntrack", "-F")
	return err
}

func (w *town) step(s plan.Step) error {
	var err error
	switch a := s.Action.(type) {
	case plan.RestoreTable:
		_, err = w.host.run(a.Script.Body, a.Argv()...)
	case plan.RestoreSets:
		_, err = w.host.run(a.Script.Body, a.Argv()...)
	case plan.EditSets:
		_, err = w.host.run(a.Script().Body, a.Argv()...)
	case plan.DeleteTable:
		err = w.host.in(func() error { return kernel.DeleteEmptyTable(a.Family, a.Table) })
	case plan.DeleteChains:
		err = w.host.in(func() error { return kernel.DeleteEmptyChains(a.Family, a.Table, a.Chains) })
	case plan.Settle:
	default:
		err = fmt.Errorf("%T: no such action", a)
	}
	return err
}

var counters = regexp.MustCompile(`\[\d+:\d+\]`)

func (w *town) observe() (iptables.State, error) {
	s := iptables.State{Variant: w.variant}
	for _, f := range []struct {
		tool   string
		tables *[]iptables.Table
	}{{string(w.variant), &s.V4}, {strings.Replace(string(w.variant), "iptables", "ip6tables", 1), &s.V6}} {
		text, err := w.host.run("", f.tool+"-save")
		if err != nil {
			return s, err
		}
		if *f.tables, err = iptables.ParseSave(counters.ReplaceAllString(text, "[0:0]")); err != nil {
			return s, err
		}
	}
	text, err := w.host.run("", "ipset", "save")
	if err != nil {
		return s, err
	}
	s.Sets, err = iptables.ParseSets(text)
	return s, err
}

// rulesNow is what the kernel holds, with its counters, for people.
func (w *town) rulesNow() string {
	var b strings.Builder
	for _, argv := range [][]string{{string(w.variant) + "-save", "-c"},
		{strings.Replace(string(w.variant), "iptables", "ip6tables", 1) + "-save", "-c"}, {"ipset", "save"}} {
		out, err := w.host.run("", argv...)
		fmt.Fprintln(&b, out)
		if err != nil {
			fmt.Fprintln(&b, err)
		}
	}
	return b.String()
}
