package kernel

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
	"dockwall/test/nstest"

	"golang.org/x/sys/unix"
)

// fataler is a testing.TB or a rapid.T.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// inNamespace moves the test into a network namespace of its own. The thread
// is never given back, so the namespace ends with the test.
func inNamespace(t *testing.T) {
	t.Helper()
	nstest.NeedRoot(t)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("making a network namespace: %v", err)
	}
}

// variants are the commands that the backend calls.
func variants() []iptables.Variant { return []iptables.Variant{iptables.NFT, iptables.Legacy} }

func families() []iptables.Family { return []iptables.Family{iptables.V4, iptables.V6} }

// command runs a tool of the host in the thread's namespace.
func command(stdin string, argv ...string) (string, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, errs.String())
	}
	return out.String(), nil
}

// run does a plan's step on the real kernel.
func run(s plan.Step) error {
	var err error
	switch a := s.Action.(type) {
	case plan.RestoreTable:
		_, err = command(a.Script.Body, a.Argv()...)
	case plan.RestoreSets:
		_, err = command(a.Script.Body, a.Argv()...)
	case plan.EditSets:
		_, err = command(a.Script().Body, a.Argv()...)
	case plan.DeleteTable:
		family := map[int]string{4: "ip", 6: "ip6"}[a.Family]
		_, err = command("", "nft", "delete", "table", family, a.Table)
	case plan.DeleteChains:
		family := map[int]string{4: "ip", 6: "ip6"}[a.Family]
		for _, chain := range a.Chains {
			_, err = command("", "nft", "delete", "chain", family, a.Table, chain)
		}
	case plan.Settle:
	default:
		err = fmt.Errorf("%T: no such action", a)
	}
	return err
}

func runAll(steps []plan.Step) error {
	for _, s := range steps {
		if err := run(s); err != nil && !s.MayFail {
			return fmt.Errorf("%w\n%s", err, s)
		}
	}
	return nil
}

func all(p plan.Plan) []plan.Step { return slices.Collect(p.Forward()) }

var (
	stamps   = regexp.MustCompile(`(?m)^# .*\n`)
	counters = regexp.MustCompile(`\[\d+:\d+\]`)
)

// save is iptables-save's text, timestamps and counters aside.
func save(t fataler, v iptables.Variant, f iptables.Family) string {
	t.Helper()
	tool := string(v)
	if f == iptables.V6 {
		tool = strings.Replace(tool, "ip", "ip6", 1)
	}
	out, err := command("", tool+"-save")
	if err != nil {
		t.Fatalf("%v", err)
	}
	return counters.ReplaceAllString(stamps.ReplaceAllString(out, ""), "[0:0]")
}

func everything(t fataler, v iptables.Variant) string {
	t.Helper()
	sets, err := command("", "ipset", "save")
	if err != nil {
		t.Fatalf("%v", err)
	}
	return save(t, v, iptables.V4) + save(t, v, iptables.V6) + sets
}

// observe reads the state as agent/kernel does.
func observe(t fataler, v iptables.Variant) iptables.State {
	t.Helper()
	s := iptables.State{Variant: v}
	var err error
	parse := func(f iptables.Family) []iptables.Table {
		tables, err := iptables.ParseSave(save(t, v, f))
		if err != nil {
			t.Fatalf("%v\n%s", err, save(t, v, f))
		}
		return tables
	}
	s.V4, s.V6 = parse(iptables.V4), parse(iptables.V6)
	sets, err := command("", "ipset", "save")
	if err != nil {
		t.Fatalf("%v", err)
	}
	if s.Sets, err = iptables.ParseSets(sets); err != nil {
		t.Fatalf("%v", err)
	}
	return s
}
