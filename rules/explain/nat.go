package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules/policy"
	"dockwall/rules/published"
)

// translated is a question as another program's nat rule leaves it.
type translated struct {
	policy.Question
	// rule is the rule; empty if none changes the packet.
	rule string
	// received: the rule sends it to the host itself, where Docker's nat rules do not
	// see it any more.
	received bool
	// unclear is why the packet's destination is not known; empty if it is.
	unclear string
}

// translate finds the nat rule of another program that changes the packet's
// destination before dockwall sees it. There are several answers if the new
// destination is outside and several interfaces may lead there.
func (q *inquiry) translate(question policy.Question) []translated {
	out := translated{Question: question}
	if question.NIC == "" || question.NIC == "lo" {
		return []translated{out}
	}
	for _, t := range q.s.Translations {
		switch {
		case !q.holds(t, question):
			continue
		case t.AfterDocker && q.dockerTakes(question):
			return []translated{out}
		case t.Unclear:
			out.unclear = fmt.Sprintf("the nat rule %q of another program may send the packet elsewhere", t.Rule)
			return []translated{out}
		}
		out.rule = t.Rule
		q.send(&out, t)
		return q.outward(out)
	}
	return []translated{out}
}

// outward is the question once for each interface by which the packet may leave.
func (q *inquiry) outward(t translated) []translated {
	if !t.DNAT.IsValid() || policy.Locate(q.s, t.DNAT.Addr()).Kind != policy.Elsewhere {
		return []translated{t}
	}
	var all []translated
	for _, t.Out = range q.towards(t.DNAT.Addr(), "") {
		all = append(all, t)
	}
	return all
}

// holds reports whether the rule's conditions hold for the packet.
func (q *inquiry) holds(t netinfo.Translation, question policy.Question) bool {
	nic := t.NIC == "" || t.NIC == question.NIC
	if base, wild := strings.CutSuffix(t.NIC, "*"); wild {
		nic = strings.HasPrefix(question.NIC, base)
	}
	return nic && t.V6 == question.Dest.Is6() &&
		(!t.Source.IsValid() || t.Source.Contains(question.Source)) &&
		(!t.Dest.IsValid() || t.Dest.Contains(question.Dest)) &&
		(!t.Local || policy.Locate(q.s, question.Dest).Kind == policy.OnHost) &&
		(t.Proto == 0 || t.Proto == question.Proto) &&
		(t.Hi == 0 || t.Lo <= question.Port && question.Port <= t.Hi)
}

// dockerTakes reports whether Docker's own nat rules send the packet to a container.
func (q *inquiry) dockerTakes(question policy.Question) bool {
	return len(published.At(&q.s, question.Proto, netip.AddrPortFrom(question.Dest, question.Port)).Now) > 0
}

// send changes the packet's destination as the rule does.
func (q *inquiry) send(out *translated, t netinfo.Translation) {
	to, port := t.To, t.ToPort
	if port == 0 {
		port = out.Port
	}
	switch {
	case t.Redirect:
		to = q.addressOf(out.NIC, out.Dest)
	case !to.IsValid():
		to = out.Dest
	}
	if policy.Locate(q.s, to).Kind == policy.OnHost {
		out.Dest, out.Port, out.received = to, port, true
		return
	}
	out.DNAT = netip.AddrPortFrom(to, port)
}

// addressOf is the address to which REDIRECT sends what comes in by the interface:
// its first one.
func (q *inquiry) addressOf(nic string, dialled netip.Addr) netip.Addr {
	i := slices.IndexFunc(q.s.Links, func(l netinfo.Link) bool { return l.Name == nic })
	if i < 0 {
		return dialled
	}
	for _, p := range q.s.Links[i].Addrs {
		if p.Addr().Is6() == dialled.Is6() && !p.Addr().IsLinkLocalUnicast() {
			return p.Addr()
		}
	}
	return dialled
}
