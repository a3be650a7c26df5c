package reconcile

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
	"dockwall/agent/enforce"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
	"dockwall/rules/policy"
	"dockwall/rules/ruletest"
)

// machine is a pretended host: a file, facts and a kernel, with faults.
type machine struct {
	// log is the loop's; nil if nothing is logged.
	log      hclog.Logger
	mu       sync.Mutex
	kernel   *ruletest.Kernel
	snapshot netinfo.Snapshot
	doc      *config.Document
	diags    config.Diagnostics
	factsErr error
	failRuns int
	runs     int
	observes int
	probe    bool
	looks    bool // a probe counts the members of sets
	bridgeNF error
	// isolated is what bridges are shown for, settled how often that was taken back
	// for others.
	isolated func(string) bool
	settled  int
	cutter   *asked
	cutters  enforce.Cutter
	trial    *Trial
	drift    []plan.ChangeKind
	// meddle is another program, which writes right after a run of ours; forestall
	// writes right before, and so that ours fails.
	meddle, forestall func() error
	// holdRun: a run waits until it is closed.
	holdRun chan struct{}
	// silent: this kernel refuses rules that report packets.
	silent bool
	// broken: it refuses every rule, and what is said of it could be said of these.
	broken bool
	// stampless: this kernel refuses rules that stamp packets.
	stampless bool
	// latch is what the latch was shut for, latched how often; nil if it is open.
	latch    *rules.Latch
	latched  int
	latchErr error
}

// refusal is how a tool refuses rules of a kind.
type refusal struct {
	error
	kind rules.VerdictKind
}

func (r refusal) Lacks() (rules.VerdictKind, bool) { return r.kind, true }

// Shut refuses while the rules that the latch relies on are not there.
func (m *machine) Shut(l rules.Latch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if text := m.kernel.Save(4); !strings.Contains(text, "-j CLASSIFY") {
		return errors.New("the latch would close what is allowed:\n" + text)
	}
	m.latch, m.latched = &l, m.latched+1
	return m.latchErr
}

func (m *machine) Lift() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.latch = nil
	return nil
}

func newMachine() *machine {
	return &machine{kernel: ruletest.NewKernel(iptables.NFT), snapshot: hostWithContainer("172.17.0.2"), doc: document("203.0.113.0/24")}
}

func hostWithContainer(addr string) netinfo.Snapshot {
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

func document(from string) *config.Document {
	sel := &policy.Selector{Name: "web", Names: []string{"web"}}
	d := &config.Document{Policy: policy.Policy{
		DenyWith:   policy.DenyDrop,
		Defaults:   policy.Defaults{Published: policy.Deny, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow},
		Containers: []*policy.Selector{sel},
		Published: []*policy.Published{{Name: "shop", To: []*policy.Selector{sel},
			From: policy.AddressList{Literals: []netip.Prefix{netip.MustParsePrefix(from)}}, Origin: rules.Origin{Subject: rules.Subject{Kind: "published", Name: "shop"}, File: "agent.hcl", Line: 3}}},
	}}
	d.Settings.Firewall.Resync = time.Hour
	return d
}

func (m *machine) locked(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (m *machine) load() (*config.Document, config.Diagnostics) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.doc, m.diags
}

func (m *machine) onTrial() *Trial {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trial
}

func (m *machine) Snapshot() (netinfo.Snapshot, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.snapshot, time.Time{}, m.factsErr
}

func (m *machine) Observe(context.Context, backend.Backend) (backend.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.observes++
	return m.kernel.State()
}

func (m *machine) Run(_ context.Context, p plan.Plan) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs++
	if m.holdRun != nil {
		<-m.holdRun
	}
	if m.failRuns > 0 {
		m.failRuns--
		return errors.New("line 3 failed")
	}
	if m.forestall != nil {
		return m.forestall()
	}
	for _, s := range p.Steps {
		if m.broken {
			for kind, target := range map[rules.VerdictKind]string{rules.Log: "-j NFLOG", rules.Stamp: "-j CLASSIFY"} {
				if strings.Contains(s.Script().Body, target) {
					return refusal{errors.New("No chain/target/match by that name"), kind}
				}
			}
			return errors.New("No chain/target/match by that name")
		}
		if m.silent && strings.Contains(s.Script().Body, "-j NFLOG") {
			return refusal{errors.New("line 3: RULE_APPEND failed"), rules.Log}
		}
		if m.stampless && strings.Contains(s.Script().Body, "-j CLASSIFY") {
			return refusal{errors.New("line 4: RULE_APPEND failed"), rules.Stamp}
		}
	}
	for _, part := range [][]plan.Step{p.Prepare, p.Checks, p.Steps, p.Cleanup} {
		if err := m.kernel.RunAll(part); err != nil {
			return err
		}
	}
	if m.meddle != nil {
		return m.meddle()
	}
	return nil
}

func (m *machine) Probe(_ context.Context, believed backend.State, all bool) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := believed.(iptables.State)
	now, err := m.kernel.State()
	if !all {
		// Only what it was given: how many members each set has.
		for _, set := range s.Sets {
			i := slices.IndexFunc(now.Sets, func(o iptables.SetState) bool { return o.Name == set.Name })
			if m.looks && (i < 0 || len(now.Sets[i].Members) != len(set.Members)) {
				return true, err
			}
		}
		return m.probe, err
	}
	return m.probe || !reflect.DeepEqual(now, s), err
}

// Holds says that only a read can tell.
func (m *machine) Holds(context.Context, backend.State) (bool, error) { return false, nil }

func (m *machine) Choose(context.Context, backend.Wish) (backend.Backend, error) {
	return iptables.New(iptables.Options{Variant: iptables.NFT, Guard: true}), nil
}

func (m *machine) RemoveOther(context.Context, string) error { return nil }

func (m *machine) Show(isolated func(string) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.isolated = isolated
	if isolated == nil {
		return nil
	}
	return m.bridgeNF
}

func (m *machine) Settle() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settled++
	return nil
}

func (m *machine) Passed(p Pass, _ Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drift = append(m.drift, p.Drift...)
}

func (m *machine) saved() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kernel.Save(4) + m.kernel.Save(6)
}

// start runs a loop over the machine until the test ends.
func (m *machine) start(t *testing.T) *Loop {
	o := enforce.Options{Log: hclog.NewNullLogger(), Kernel: m, Prober: m, Chooser: m, Bridges: m, Latch: m}
	if m.cutter != nil {
		o.Cutter = m.cutter
	}
	if m.cutters != nil {
		o.Cutter = m.cutters
	}
	log := o.Log
	if m.log != nil {
		log = m.log
	}
	l := New(Options{Log: log, Load: m.load, Facts: m, Target: enforce.New(o), Observer: m, Path: "agent.hcl", Trial: m.onTrial})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return l
}

// flush empties chains of IPv4's filter table, as another program does.
func (m *machine) flush(t *testing.T, chains ...string) {
	t.Helper()
	m.locked(func() {
		if err := m.emptied(chains...); err != nil {
			t.Fatal(err)
		}
	})
}

// emptied is flush for who holds the lock.
func (m *machine) emptied(chains ...string) error {
	text := "*filter\n"
	for _, c := range chains {
		text += "-F " + c + "\n"
	}
	return m.kernel.Run(plan.Step{Action: plan.RestoreTable{Tool: "iptables-nft", Script: plan.Script{Body: text + "COMMIT\n"}}})
}
