package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
	"dockwall/rules/trace"
)

// The verdicts of explain: what an operator asks for, not how it is refused.
const (
	verdictAllow = "allow"
	verdictDeny  = "deny"
)

// explainFlags are what explain was asked, as it was typed.
type explainFlags struct {
	from, container, via, to, proto, expect, snapshot string
	walk                                              bool
}

func (a *app) explainCommand() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Say whether somebody may reach something, and which block decides",
		Long: `explain follows the first packet of a connection through the rules that the
file comes to, and says what becomes of it: the verdict, the block that decides
and where it stands, and the rules that the packet meets on the way.

  agentctl explain --from 203.0.113.7 --to 192.0.2.1:8080
  agentctl explain --from 2001:db8::7 --via eth1 --to [2001:db8:1::1]:53 --proto udp
  agentctl explain --from-container web --to db:5432
  agentctl explain --from-container web --to 198.51.100.7:443 --expect allow

--to takes an address, a container's name (its own address and port), or :PORT
for the host. It asks what the file says, not what the kernel holds now.

Exit code: 0 answered and as expected, 1 not as expected, 2 trouble.`,
		Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context) (result, error) { return a.explain(ctx, f) }),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.from, "from", "", "the address that asks")
	fs.StringVar(&f.container, "from-container", "", "the container that asks")
	fs.StringVar(&f.via, "via", "", "the interface that it comes in by; from a container, the one that it leaves by")
	fs.StringVar(&f.to, "to", "", "what is asked for: IP:PORT, [IPv6]:PORT, CONTAINER:PORT or :PORT")
	fs.StringVar(&f.proto, "proto", "tcp", "tcp, udp, sctp or icmp")
	fs.StringVar(&f.expect, "expect", "", "allow or deny: exit code 1 where it is not so")
	fs.BoolVar(&f.walk, "walk", false, "show every rule that the packet is held against, not only those that it meets")
	snapshotFlag(cmd, &f.snapshot)
	return cmd
}

func (f explainFlags) check() error {
	switch {
	case f.from == "" && f.container == "":
		return errors.New("who asks? Say --from ADDRESS or --from-container NAME")
	case f.from != "" && f.container != "":
		return errors.New("--from and --from-container cannot go together")
	case f.to == "":
		return errors.New("what is asked for? Say --to ADDRESS:PORT or --to CONTAINER:PORT")
	case f.expect != "" && f.expect != verdictAllow && f.expect != verdictDeny:
		return fmt.Errorf("--expect is allow or deny, not %q", f.expect)
	}
	return nil
}

// explainResult is the answer.
type explainResult struct {
	header
	Verdict string `json:"verdict"`
	// Policy is the block or default that decided, a framing rule's word for
	// what they refuse (direct, hold, spoofed, loopback.martian), or "none": dockwall
	// does not judge it.
	Policy   string `json:"policy"`
	Position string `json:"position"`
	// Meaning is the answer in a sentence.
	Meaning string `json:"meaning"`
	// Agreed tells that every way comes to the verdict; where they do not, the
	// verdict is the stricter one.
	Agreed bool `json:"agreed"`
	// Expected and AsExpected are there where --expect is; what is expected has
	// to hold on every way.
	Expected   string   `json:"expected,omitempty"`
	AsExpected *bool    `json:"as_expected,omitempty"`
	Hints      []string `json:"hints"`
	// Bugs say where the rules do not do what the policy means.
	Bugs []string       `json:"bugs,omitempty"`
	Ways []explainedWay `json:"ways"`
	walk bool
}

func (a *app) explain(ctx context.Context, f explainFlags) (result, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	w, err := a.wanted(ctx, f.snapshot)
	if err != nil {
		return nil, err
	}
	return explain(f, w.doc.Policy, w.snapshot, w.rules)
}

// explain is the pure part: the answer is one of the policy, the facts and the
// ruleset that they come to.
func explain(f explainFlags, p policy.Policy, s netinfo.Snapshot, rs rules.Ruleset) (*explainResult, error) {
	asked, err := newInquiry(f, s)
	if err != nil {
		return nil, err
	}
	qs, err := asked.questions()
	if err != nil {
		return nil, err
	}
	r := &explainResult{Hints: []string{}, Expected: f.expect, walk: f.walk}
	t := tracer{p: p, s: s, m: trace.New(rs), all: f.walk}
	for _, q := range qs {
		ways, err := t.ask(q)
		if err != nil {
			return nil, err
		}
		r.Ways = append(r.Ways, ways...)
	}
	r.conclude(s)
	r.Hints = append(r.Hints, asked.hints(r)...)
	return r, nil
}

// conclude sums the ways up.
func (r *explainResult) conclude(s netinfo.Snapshot) {
	by := &r.Ways[0]
	r.Agreed = true
	for i := range r.Ways {
		w := &r.Ways[i]
		if w.Verdict != r.Ways[0].Verdict {
			r.Agreed = false
		}
		if w.Verdict == verdictDeny && by.Verdict == verdictAllow || w.Verdict == by.Verdict && by.Policy == policyNone && w.Policy != policyNone {
			by = w
		}
		if w.bug != "" {
			r.Bugs = append(r.Bugs, w.bug)
		}
	}
	r.Verdict, r.Policy, r.Position = by.Verdict, by.Policy, by.Position
	r.Meaning = by.sentence(s, r.places(by))
	if r.Expected != "" {
		ok := r.Agreed && r.Verdict == r.Expected
		r.AsExpected = &ok
	}
}

func (r *explainResult) code() int {
	if r.AsExpected != nil && !*r.AsExpected {
		return exitDiffers
	}
	return exitSame
}
