package explain

import (
	"errors"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
	"dockwall/rules/trace"
)

// Query is a question as the operator puts it. Its fields are the flags of agentctl
// explain, and errors name them so.
type Query struct {
	// From is the client's address; FromContainer the container that asks. One of
	// them is given.
	From, FromContainer string
	// Via is the interface that the packet comes in by; for a container, the one that
	// it leaves by. Empty: every interface that it may be.
	Via string
	// To is IP:PORT, [IPv6]:PORT, CONTAINER:PORT or :PORT.
	To string
	// Proto is tcp, udp, sctp or icmp.
	Proto string
	// Walk keeps the rules that the packet did not match.
	Walk bool
}

func (q Query) check() error {
	switch {
	case q.From == "" && q.FromContainer == "":
		return errors.New("who asks? Say --from ADDRESS or --from-container NAME")
	case q.From != "" && q.FromContainer != "":
		return errors.New("--from and --from-container cannot go together")
	case q.To == "":
		return errors.New("what is asked for? Say --to ADDRESS:PORT or --to CONTAINER:PORT")
	}
	return nil
}

// Ask answers the query for a policy on a host, and the ruleset that they come to.
func Ask(query Query, p policy.Policy, s netinfo.Snapshot, rs rules.Ruleset) (*Answer, error) {
	if err := query.check(); err != nil {
		return nil, err
	}
	asked, err := newInquiry(query, s)
	if err != nil {
		return nil, err
	}
	qs, err := asked.questions()
	if err != nil {
		return nil, err
	}
	r := &Answer{Hints: []string{}}
	t := tracer{p: p, s: s, m: trace.New(rs), all: query.Walk}
	for _, q := range qs {
		for _, after := range asked.translate(q) {
			r.Ways = append(r.Ways, t.ask(after, q)...)
		}
	}
	r.conclude(s)
	r.Hints = append(r.Hints, asked.hints(r)...)
	return r, nil
}
