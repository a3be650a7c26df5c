package explain

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/view"
	"dockwall/rules/explain"
)

// explainFlags are what explain was asked, as it was typed.
type explainFlags struct {
	explain.Query
	expect, snapshot string
}

// Explain is the verb explain.
func Explain(of *ask.App) *cobra.Command {
	a := &app{of}
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Say whether a source may reach a target, and which block decides",
		Long: `explain follows the first packet of a connection through the rules that the
file comes to, and says what becomes of it: the verdict, the block that decides
and where it stands, and the rules that the packet meets on the way.

  agentctl explain --from 203.0.113.7 --to 192.0.2.1:8080
  agentctl explain --from 2001:db8::7 --via eth1 --to [2001:db8:1::1]:53 --proto udp
  agentctl explain --from-container web --to db:5432
  agentctl explain --from-container web --to 198.51.100.7:443 --expect allow

--to takes an address, a container's name (its own address and port), or :PORT
for every address of the host on which the port is published. The answer is about
the file, not about what the kernel holds now. Only nat rules of other programs
(DNAT, REDIRECT) are read from the kernel, and followed; the answer is unknown if
one cannot be followed.

Exit code: 0 answered and as expected, 1 not as expected, 2 trouble.`,
		Args: cobra.NoArgs,
		RunE: a.Run(func(ctx context.Context) (view.Result, error) { return a.explain(ctx, f) }),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.From, "from", "", "the address that asks")
	fs.StringVar(&f.FromContainer, "from-container", "", "the container that asks")
	fs.StringVar(&f.Via, "via", "", "the interface that it comes in by; from a container, the one that it leaves by")
	fs.StringVar(&f.To, "to", "", "what is asked for: IP:PORT, [IPv6]:PORT, CONTAINER:PORT or :PORT")
	fs.StringVar(&f.Proto, "proto", "tcp", "tcp, udp, sctp or icmp")
	fs.StringVar(&f.expect, "expect", "", "allow or deny: exit code 1 where it is not so")
	fs.BoolVar(&f.Walk, "walk", false, "show every rule that the packet is held against, not only those that it meets")
	ask.SnapshotFlag(cmd, &f.snapshot)
	return cmd
}

func (f explainFlags) check() error {
	if f.expect != "" && f.expect != explain.Allow && f.expect != explain.Deny {
		return fmt.Errorf("--expect is allow or deny, not %q", f.expect)
	}
	return nil
}

// explainResult is the answer.
type explainResult struct {
	view.Header
	*explain.Answer
	// Expected and AsExpected are there if --expect is given; every way has to have
	// the expected verdict.
	Expected   string `json:"expected,omitempty"`
	AsExpected *bool  `json:"as_expected,omitempty"`
}

func (a *app) explain(ctx context.Context, f explainFlags) (view.Result, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	w, err := a.Wanted(ctx, f.snapshot)
	if err != nil {
		return nil, err
	}
	if f.snapshot == "" {
		a.AddTranslations(ctx, &w.Snapshot)
	}
	answer, err := explain.Ask(f.Query, w.Doc.Policy, w.Snapshot, w.Rules)
	if err != nil {
		return nil, err
	}
	r := &explainResult{Answer: answer, Expected: f.expect}
	if f.expect != "" {
		ok := r.Agreed && r.Verdict == f.expect
		r.AsExpected = &ok
	}
	return r, nil
}

func (r *explainResult) Code() int {
	if r.AsExpected != nil && !*r.AsExpected {
		return view.Differs
	}
	return view.Same
}
