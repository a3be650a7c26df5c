package trace

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/rules"
)

// parse reads chains written as "A: jump B, drop" with rules that always hit;
// "-" before a verdict makes its rule miss, "?" makes it unknown.
func parse(text string) rules.Ruleset {
	rs := rules.Ruleset{Hooks: []rules.Hook{{Base: rules.BaseDockerUser, Chain: "A"}, {Guard: true, Base: rules.BaseForward, Chain: "A"}}}
	for line := range strings.SplitSeq(text, ";") {
		name, body, _ := strings.Cut(strings.TrimSpace(line), ":")
		c := rules.Chain{Name: name}
		for word := range strings.SplitSeq(body, ",") {
			f := strings.Fields(word)
			if len(f) == 0 {
				continue
			}
			var r rules.Rule
			if rest, ok := strings.CutPrefix(f[0], "-"); ok {
				f[0], r.Match = rest, []rules.Match{rules.InInterface{Name: "none"}}
			}
			if rest, ok := strings.CutPrefix(f[0], "?"); ok {
				f[0], r.Match = rest, []rules.Match{rules.Limit{Rate: 1}}
			}
			r.Verdict.Kind = rules.VerdictKind(f[0])
			if len(f) > 1 {
				r.Verdict.Chain = f[1]
			}
			c.Rules = append(c.Rules, r)
		}
		rs.Chains = append(rs.Chains, c)
	}
	return rs
}

func TestVerdicts(t *testing.T) {
	for _, tc := range []struct{ name, chains, want, by string }{
		{"the end is pass", "A:", "pass", ""},
		{"drop", "A: drop", "drop", "A0"},
		{"reject", "A: reject, drop", "reject", "A0"},
		{"return leaves the hooked chain", "A: return, drop", "pass", "A0"},
		{"a miss goes on", "A: -return, drop", "drop", "A1"},
		{"log goes on", "A: log, drop", "drop", "A1"},
		{"limited log goes on", "A: ?log, drop", "drop", "A1"},
		{"jump comes back at the end", "A: jump B, drop; B: -drop", "drop", "A1"},
		{"jump comes back by return", "A: jump B, drop; B: return, reject", "drop", "A1"},
		{"goto does not come back at the end", "A: goto B, drop; B:", "pass", ""},
		{"goto does not come back by return", "A: goto B, drop; B: return", "pass", "B0"},
		{"return after goto goes back to the last jump", "A: jump B, drop; B: goto C, reject; C: return", "drop", "A1"},
		{"the end after goto goes back to the last jump", "A: jump B, drop; B: goto C, reject; C: -drop", "drop", "A1"},
		{"two gotos, one jump", "A: jump B, -drop; B: goto C; C: goto D, drop; D: return", "pass", ""},
		{"jump inside a goto", "A: goto B, drop; B: jump C, reject; C: return", "reject", "B1"},
		{"an unknown drop decides nothing", "A: ?drop, reject", "unknown", ""},
		{"an unknown jump decides nothing", "A: ?jump B, reject; B:", "unknown", ""},
	} {
		got := Run(parse(tc.chains), dialled(), rules.BaseDockerUser)
		by := ""
		if got.Decided != nil {
			by = got.Decided.Chain + string(rune('0'+got.Decided.Index))
		}
		if string(got.Verdict) != tc.want || by != tc.by {
			t.Errorf("%s: %s: verdict %s by %q, want %s by %q", tc.name, tc.chains, got.Verdict, by, tc.want, tc.by)
		}
	}
}

func TestEveryVerdictIsHandled(t *testing.T) {
	for _, k := range rules.VerdictKinds() {
		m := New(parse("A: " + string(k) + " B; B:"))
		m.Run(dialled(), rules.BaseDockerUser) // panics where it is not
	}
}

func TestGuardCannotAnswer(t *testing.T) {
	m := New(parse("A: reject"))
	if got := m.Run(dialled(), rules.BaseForward).Verdict; got != Drop {
		t.Errorf("FORWARD, which only the guard hooks: %s, want drop", got)
	}
	if got := m.RunGuard(dialled(), rules.BaseDockerUser).Verdict; got != Pass {
		t.Errorf("DOCKER-USER is not the guard's: %s, want pass", got)
	}
	if got := m.Run(dialled(), rules.BaseInput); got.Verdict != Pass || len(got.Steps) != 0 {
		t.Errorf("INPUT, which nothing hooks: %s after %d steps, want pass after none", got.Verdict, len(got.Steps))
	}
}

func TestEveryHookOfABaseIsWalked(t *testing.T) {
	rs := parse("A: return; B: drop")
	rs.Hooks = append(rs.Hooks, rules.Hook{Base: rules.BaseDockerUser, Chain: "B"})
	if got := Run(rs, dialled(), rules.BaseDockerUser).Verdict; got != Drop {
		t.Errorf("verdict = %s, want drop by the second hook's chain", got)
	}
	rs.Chains[1].Rules = nil
	if got := Run(rs, dialled(), rules.BaseDockerUser); got.Verdict != Pass || got.Decided != nil {
		t.Errorf("%s by %+v, want pass by the end of the second hook's chain", got.Verdict, got.Decided)
	}
}

func TestUndecidedSaysWhy(t *testing.T) {
	for _, tc := range []struct {
		chains string
		edit   func(*Packet)
		want   string
	}{
		{"A: ?drop", func(*Packet) {}, "rule 0 of A depends on limit, which is not known"},
		{"A: jump B", func(*Packet) {}, "rule 0 of A goes to B, which is not there"},
		{"A: jump B; B: goto C; C: jump A", func(*Packet) {}, "the chain A reaches itself"},
		{"A:", func(p *Packet) { p.Src = ip("::1") }, "the packet's addresses are of two families: ::1, 172.17.0.2"},
		{"A:", func(p *Packet) { *p = Packet{} }, "the packet has no addresses"},
	} {
		p := dialled()
		tc.edit(&p)
		got := Run(parse(tc.chains), p, rules.BaseDockerUser)
		if got.Verdict != Undecided || got.Reason != tc.want || got.Decided != nil {
			t.Errorf("%s: %s, %q, want unknown, %q", tc.chains, got.Verdict, got.Reason, tc.want)
		}
	}
}

func TestSetReferences(t *testing.T) {
	rs := parse("A: drop")
	rs.Sets = testSets()
	for _, tc := range []struct {
		in   rules.InSet
		want string
	}{
		{rules.InSet{Set: "none"}, "rule 0 of A looks into the set none, which is not there"},
		{rules.InSet{Set: "nets", Dims: []rules.Dim{rules.Src, rules.Dst}}, "rule 0 of A looks into the set nets with 2 dimensions"},
	} {
		rs.Chains[0].Rules[0].Match = []rules.Match{tc.in}
		if got := Run(rs, dialled(), rules.BaseDockerUser); got.Reason != tc.want {
			t.Errorf("reason %q, want %q", got.Reason, tc.want)
		}
	}
}

// A miss settles a rule whatever is unknown beside it, in either order.
func TestMissBeatsUnknown(t *testing.T) {
	p := dialled()
	p.Unknown = FieldIn
	in, miss := rules.InInterface{Name: "eth0"}, rules.DestPort{Lo: 1, Hi: 2}
	for _, ms := range [][]rules.Match{{in, miss}, {miss, in}} {
		rs := parse("A: drop")
		rs.Chains[0].Rules[0].Match = ms
		if got := Run(rs, p, rules.BaseDockerUser); got.Verdict != Pass {
			t.Errorf("%v: %s, want pass", ms, got.Verdict)
		}
	}
}

func TestVerdictIsRunWithoutSteps(t *testing.T) {
	m := New(parse("A: -drop, jump B, reject; B: goto C; C: return"))
	want := m.Run(dialled(), rules.BaseDockerUser)
	got := m.Verdict(dialled(), rules.BaseDockerUser)
	if len(got.Steps) != 0 || got.Verdict != want.Verdict || got.Decided.Chain != want.Decided.Chain {
		t.Errorf("Verdict = %+v, want %+v without steps", got, want)
	}
}

const wantWalk = `A 0: miss: in none -> drop (block.abusers, agent.hcl:7) [miss: in none]
A 1: unknown: at most 1/s after 0 -> log [unknown: at most 1/s after 0]
A 2: hit: jump B
B 0: hit: drop
verdict: drop by rule 0 of B
`

func walked() Result {
	rs := parse("A: -drop, ?log, jump B; B: drop")
	rs.Chains[0].Rules[0].Origin = rules.Origin{Subject: rules.Subject{Kind: "block", Name: "abusers"}, File: "agent.hcl", Line: 7}
	return Run(rs, dialled(), rules.BaseDockerUser)
}

func TestWriteText(t *testing.T) {
	var b strings.Builder
	if err := walked().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(wantWalk, b.String()); d != "" {
		t.Errorf("text (-want +got):\n%s", d)
	}
}

func TestJSON(t *testing.T) {
	b, err := json.Marshal(walked().Steps[0])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"chain":"A","index":0,"verdict":{"kind":"drop"},"origin":{"policy":"block.abusers","file":"agent.hcl","line":7},` +
		`"outcome":"miss","missed":"in none"}`
	if d := cmp.Diff(want, string(b)); d != "" {
		t.Errorf("JSON (-want +got):\n%s", d)
	}
	p := dialled()
	p.Unknown = FieldIn | FieldOrigDstPort
	if b, err = json.Marshal(p); err != nil {
		t.Fatal(err)
	}
	var back Packet
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if back != p {
		t.Errorf("packet came back as %+v, want %+v", back, p)
	}
	if err := json.Unmarshal([]byte(`{"unknown":"inn"}`), &back); err == nil {
		t.Error("a field that there is not was read")
	}
}
