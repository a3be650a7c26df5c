package enforce

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
	"dockwall/rules/policy"
	"dockwall/rules/ruletest"
)

// host is a pretended host: ruletest's kernel, with faults.
type host struct {
	kernel *ruletest.Kernel
	// lacks are the kinds of rules that the kernel refuses.
	lacks []rules.VerdictKind
	// failing runs fail without doing anything, and if guessed their message could be
	// about rules that stamp or report.
	failing int
	guessed bool
	// meddle is another program, which writes right after the next run.
	meddle func()
	// unlatched is why the latch cannot be shut; latch is what it is shut for.
	unlatched error
	latch     *rules.Latch
	// lifted: the latch was open whenever rules without stamps came into force.
	lifted bool
	// asked are the cutter's orders.
	asked []string
	runs  int
	// isolation is why bridges cannot be shown, noFrames why their table cannot be
	// written.
	isolation, noFrames error
	frames              int
	others              int
}

func newHost() *host { return &host{kernel: ruletest.NewKernel(iptables.NFT), lifted: true} }

// target is a Target of the host.
func (h *host) target(change ...func(*Options)) *Target {
	o := Options{Log: hclog.NewNullLogger(), Kernel: h, Prober: h, Chooser: h, Bridges: h, Frames: framesOf{h}, Latch: h, Cutter: h}
	for _, f := range change {
		f(&o)
	}
	return New(o)
}

// refusal is how a tool refuses rules of a kind.
type refusal struct {
	error
	kind rules.VerdictKind
}

func (r refusal) Lacks() (rules.VerdictKind, bool) { return r.kind, true }

// target is the word by which the rules of a kind are known in a script.
type target struct {
	kind rules.VerdictKind
	word string
}

var targets = []target{{rules.Log, "-j NFLOG"}, {rules.Stamp, "-j CLASSIFY"}}

func (h *host) Observe(context.Context, backend.Backend) (backend.State, error) {
	return h.kernel.State()
}

func (h *host) Run(_ context.Context, p plan.Plan) error {
	h.runs++
	all := slices.Concat(p.Prepare, p.Checks, p.Steps, p.Cleanup)
	if h.failing > 0 {
		h.failing--
		if err := h.refuse(all, targets); err != nil && h.guessed {
			return err
		}
		return errors.New("line 3 failed")
	}
	if err := h.refuse(all, slices.DeleteFunc(slices.Clone(targets), func(t target) bool { return !slices.Contains(h.lacks, t.kind) })); err != nil {
		return err
	}
	if err := h.kernel.RunAll(all); err != nil {
		return err
	}
	if h.latch != nil && !strings.Contains(h.kernel.Save(4), "-j CLASSIFY") && !strings.Contains(h.kernel.Save(6), "-j CLASSIFY") {
		h.lifted = false
	}
	if h.meddle != nil {
		h.meddle()
		h.meddle = nil
	}
	return nil
}

// refuse is the error if the steps write rules of these kinds; nil if they do not.
func (h *host) refuse(steps []plan.Step, kinds []target) error {
	for _, s := range steps {
		for _, t := range kinds {
			if strings.Contains(text(s), t.word) {
				return refusal{errors.New("No chain/target/match by that name"), t.kind}
			}
		}
	}
	return nil
}

// text is the step's script.
func text(s plan.Step) string { return s.Script().Body }

func (h *host) Probe(context.Context, backend.State, bool) (bool, error) { return false, nil }
func (h *host) Holds(context.Context, backend.State) (bool, error)       { return false, nil }

func (h *host) Choose(_ context.Context, w backend.Wish) (backend.Backend, error) {
	return iptables.New(iptables.Options{Variant: iptables.NFT, Inline: w.Sets == "inline", Guard: true}), nil
}

func (h *host) RemoveOther(context.Context, string) error {
	h.others++
	return nil
}

func (h *host) Show(isolated func(string) bool) error {
	if isolated == nil {
		return nil
	}
	return h.isolation
}

func (h *host) Settle() error { return nil }

func (h *host) Shut(l rules.Latch) error {
	if h.latch = nil; h.unlatched == nil {
		h.latch = &l
	}
	return h.unlatched
}

func (h *host) Lift() error {
	h.latch = nil
	return nil
}

func (h *host) Ask(rules.Ruleset, netinfo.Snapshot)      { h.asked = append(h.asked, "cut") }
func (h *host) AskFirst(rules.Ruleset, netinfo.Snapshot) { h.asked = append(h.asked, "first") }

// framesOf is the host's table of the bridges.
type framesOf struct{ *host }

func (f framesOf) Put(rules.Frames, bool) (bool, error) {
	f.frames++
	return false, f.noFrames
}

// flush empties chains of a table of IPv4, as another program does.
func (h *host) flush(table string, chains ...string) error {
	script := "*" + table + "\n"
	for _, c := range chains {
		script += "-F " + c + "\n"
	}
	return h.kernel.Run(plan.Step{Action: plan.RestoreTable{Tool: "iptables-nft", Script: plan.Script{Body: script + "COMMIT\n"}}})
}

// saved is what the kernel holds.
func (h *host) saved() string { return h.kernel.Save(4) + h.kernel.Save(6) + h.kernel.SaveSets() }

// facts are a host with one container of that address.
func facts(addr string) netinfo.Snapshot {
	s := netinfo.Snapshot{
		Engine:   netinfo.Engine{Connected: true, Known: true, Version: "28.5.2"},
		Links:    []netinfo.Link{{Index: 1, Name: "lo"}, {Index: 2, Name: "eth0"}, {Index: 3, Name: "docker0", Kind: "bridge"}},
		Networks: []netinfo.Network{{ID: "n1", Name: "bridge", Driver: "bridge", Bridge: "docker0", Mode4: netinfo.GatewayNAT, Mode6: netinfo.GatewayNAT}},
		Containers: []netinfo.Container{{ID: "c1", Name: "web", State: "running",
			Endpoints: []netinfo.Endpoint{{ID: "e1", NetworkID: "n1", Addrs: []netip.Addr{netip.MustParseAddr(addr)}}},
			Ports:     []netinfo.PublishedPort{{HostPort: 8080, HostPortEnd: 8080, Proto: netinfo.TCP, ContainerPort: 80}}}},
	}
	s.Normalize()
	return s
}

// allowing lets the prefix reach the container, and reports denied packets.
func allowing(from string) policy.Policy {
	sel := &policy.Selector{Name: "web", Names: []string{"web"}}
	return policy.Policy{
		DenyWith: policy.DenyDrop, LogDenied: true,
		Defaults:   policy.Defaults{Published: policy.Deny, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow},
		Containers: []*policy.Selector{sel},
		Published: []*policy.Published{{Name: "shop", To: []*policy.Selector{sel},
			From: policy.AddressList{Literals: []netip.Prefix{netip.MustParsePrefix(from)}}, Origin: rules.Origin{Subject: rules.ParseSubject("published.shop"), File: "agent.hcl", Line: 3}}},
	}
}

var settings = config.FirewallSettings{Sets: "ipset"}

// mustPass passes, and checks what is believed then.
func mustPass(t *testing.T, target *Target, s netinfo.Snapshot, look bool) Result {
	t.Helper()
	r, err := target.Pass(t.Context(), s, look)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.belief.Check(); err != nil {
		t.Fatal(err)
	}
	return r
}
