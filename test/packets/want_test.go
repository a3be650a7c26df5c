package packets

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/policy"
	"dockwall/rules/trace"
)

// want is what is to become of an errand.
type want struct {
	answer policy.Answer
	packet trace.Packet
	result trace.Result
	guard  trace.Verdict
	// see is what the client sees.
	see outcome
	// unheard: a refusal may as well not reach the client. The kernel sends the
	// reset of a packet that came by a bridge's port straight out of that port,
	// past nat, and the client does not know the sender.
	unheard bool
}

// expect asks the meaning and the walk. The way that the packet takes is
// known here: it is what the nat rules say.
func expect(p policy.Policy, w *town, m *trace.Machine, e errand) want {
	x := want{answer: policy.Eval(p, w.facts, e.q)}
	way := trace.Packets(w.facts, e.q)[0]
	x.packet, x.result = way.Packet, m.Run(way.Packet, way.Base)
	base := way.Base
	if base == rules.BaseDockerUser {
		base = rules.BaseForward
	}
	x.guard = m.RunGuard(way.Packet, base).Verdict
	switch x.result.Verdict {
	case trace.Pass:
		x.see = e.to
		if way.Base == rules.BaseDockerUser && m.Run(reply(way.Packet), way.Base).Verdict != trace.Pass {
			x.see = silence
		}
	case trace.Reject:
		x.see = refusal
		x.unheard = e.q.DNAT.IsValid() && e.q.Proto == netinfo.TCP && policy.Locate(w.facts, e.q.Source).Kind == policy.OnBridge
	default:
		x.see = silence
	}
	return x
}

// reply is the first answer to what was forwarded. Only a block block, which
// stands before the rule for replies, refuses it: nothing from a blocked
// address, and nothing from a container to one, whichever side began. What the host
// itself answers meets no rule of dockwall's.
func reply(p trace.Packet) trace.Packet {
	p.In, p.Out = p.Out, p.In
	p.Src, p.Dst = p.Dst, p.Src
	p.SrcPort, p.DstPort, p.Syn = p.DstPort, 0, false
	p.Unknown = trace.FieldDstPort | trace.FieldSrcMAC | trace.FieldInPort
	p.Conn.State, p.Conn.Original = rules.StateEstablished, false
	return p
}

// differs says what is wrong, or nothing.
func (x want) differs(got outcome) string {
	passes := x.result.Verdict == trace.Pass
	switch {
	case x.result.Verdict == trace.Undecided:
		return "the walk does not come to an end"
	case passes != x.answer.Allow:
		return fmt.Sprintf("the walk ends with %s, and the policy means %+v", x.result.Verdict, x.answer)
	case passes != (x.guard == trace.Pass):
		return fmt.Sprintf("the walk ends with %s, and in the guard with %s", x.result.Verdict, x.guard)
	case got != x.see && !(x.unheard && got == silence):
		return fmt.Sprintf("the client saw %s, and the walk ends with %s: it should see %s", got, x.result.Verdict, x.see)
	}
	return ""
}

// String is for a failure's report.
func (x want) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "means: %+v\npacket: %+v\n", x.answer, x.packet)
	if err := x.result.WriteText(&b); err != nil {
		return err.Error()
	}
	return b.String()
}

// send makes all the attempts at once.
func send(t *testing.T, errands []errand, wants []want) []outcome {
	t.Helper()
	got, errs := make([]outcome, len(errands)), make([]error, len(errands))
	var running sync.WaitGroup
	for i, e := range errands {
		running.Go(func() { got[i], errs[i] = e.send(wants[i].patience()) })
	}
	running.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("%s: %v", errands[i], err)
		}
	}
	return got
}

func (e errand) send(patience time.Duration) (outcome, error) {
	return e.by.space.dial(e.by.addr, netip.AddrPortFrom(e.q.Dest, e.q.Port), e.q.Proto, patience)
}

// patience: an expected answer may be slow on a busy machine; a client that is not
// must be waited for in vain.
func (x want) patience() time.Duration {
	if x.see == silence || x.unheard {
		return 700 * time.Millisecond
	}
	return 10 * time.Second
}

// census counts verdicts.
type census struct {
	total, passed, inlined, unguarded int
	classes                           map[policy.Class]int
}

func (c *census) count(o iptables.Options, x want) {
	c.total++
	if x.answer.Allow {
		c.passed++
	}
	if o.Inline {
		c.inlined++
	}
	if !o.Guard {
		c.unguarded++
	}
	c.classes[x.answer.Class]++
}

// check fails where too little was asked to mean anything.
func (c *census) check(t *testing.T) {
	t.Helper()
	t.Logf("%d verdicts, %d passed, %d without sets, %d without the guard; judged as: %v", c.total, c.passed, c.inlined, c.unguarded, c.classes)
	if c.total < 250 || c.passed < c.total/10 || c.total-c.passed < c.total/10 || c.inlined == 0 || c.unguarded == 0 {
		t.Error("too little of one kind to mean anything")
	}
	for _, k := range []policy.Class{policy.ClassPublished, policy.ClassDirect, policy.ClassDockerAPI, policy.ClassNoTLS, policy.ClassBetween,
		policy.ClassEgress, policy.ClassHost, policy.ClassService, policy.ClassTransit} {
		if c.classes[k] == 0 {
			t.Errorf("nothing was judged as %q", k)
		}
	}
}
