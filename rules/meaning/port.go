package meaning

import (
	"fmt"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
)

// port is one that stands for a run of ports which no rule tells apart.
type port struct {
	proto  rules.Protocol
	number uint16
	// last ends the run.
	last uint16
	// asked: some rule names the run.
	asked bool
	// only: there is no other run of the protocol.
	only bool
}

// label is the run in words, as a container's or the host's.
func (p port) label() string {
	switch {
	case p.only:
		return "every " + p.proto.String() + " port"
	case !p.asked:
		return "any other " + p.proto.String() + " port"
	case p.number == p.last:
		return fmt.Sprintf("%d/%s", p.number, p.proto)
	}
	return fmt.Sprintf("%d-%d/%s", p.number, p.last, p.proto)
}

// maxPorts bounds the runs looked at.
const maxPorts = 48

// ports cuts all the ports into runs at the bounds that rules name; those of
// the Docker API where they are wanted, for no container is asked for them.
func ports(api bool, rss ...rules.Ruleset) (out []port, more bool) {
	protos := []rules.Protocol{netinfo.TCP, netinfo.UDP}
	named := make([][]rules.DestPort, len(protos))
	only := true
	for i, proto := range protos {
		named[i] = namedPorts(proto, api, rss)
		only = only && len(named[i]) == 0
	}
	for i, proto := range protos {
		for _, p := range runs(named[i]) {
			p.proto, p.only = proto, only
			out = append(out, p)
		}
	}
	if len(out) > maxPorts {
		return out[:maxPorts], true
	}
	return out, false
}

// runs cuts the ports of one protocol.
func runs(named []rules.DestPort) []port {
	starts := []int{1}
	for _, d := range named {
		starts = append(starts, int(d.Lo), int(d.Hi)+1)
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	var out []port
	for i, start := range starts {
		end := 65535
		if i+1 < len(starts) {
			end = starts[i+1] - 1
		}
		if start < 1 || start > 65535 {
			continue
		}
		p := port{number: uint16(start), last: uint16(end)}
		p.asked = slices.ContainsFunc(named, func(d rules.DestPort) bool { return d.Lo <= p.number && p.number <= d.Hi })
		out = append(out, p)
	}
	return out
}

func namedPorts(proto rules.Protocol, api bool, rss []rules.Ruleset) []rules.DestPort {
	var all []rules.DestPort
	for i := range rss {
		for _, c := range rss[i].Chains {
			for _, r := range c.Rules {
				if api || r.Origin.Subject.Kind != rules.KindDockerAPI {
					all = append(all, portsOf(r, proto)...)
				}
			}
		}
	}
	return all
}

func portsOf(r rules.Rule, proto rules.Protocol) []rules.DestPort {
	var ds []rules.DestPort
	of := false
	for _, m := range r.Match {
		switch m := m.(type) {
		case rules.Proto:
			of = m.Proto == proto
		case rules.DestPort:
			ds = append(ds, m)
		}
	}
	if !of {
		return nil
	}
	return ds
}

// joinRuns says "every port of web" where each run of them is there.
func joinRuns(words []string, of []port) []string {
	both := map[rules.Protocol][]string{}
	for _, p := range of {
		if !slices.Contains(both[p.proto], p.label()) {
			both[p.proto] = append(both[p.proto], p.label())
		}
	}
	tcp, udp := both[netinfo.TCP], both[netinfo.UDP]
	words = joinEvery(words, slices.Concat(tcp, udp), "every port")
	if len(tcp) > 1 {
		words = joinEvery(words, tcp, "every tcp port")
	}
	if len(udp) > 1 {
		words = joinEvery(words, udp, "every udp port")
	}
	return joinAllBut(words, of)
}

// maxLacking is how many runs of ports are named that are not there.
const maxLacking = 2

// joinAllBut says "every port but 443/tcp of web" where most runs of them are there,
// some of which a rule names.
func joinAllBut(words []string, of []port) []string {
	var all []string
	asked := map[string]bool{}
	for _, p := range of {
		if l := p.label(); !slices.Contains(all, l) {
			all = append(all, l)
			asked[l] = p.asked
		}
	}
	there := map[string]map[string]bool{}
	for _, w := range words {
		if label, whose, ok := cutLabel(w); ok && slices.Contains(all, label) {
			if there[whose] == nil {
				there[whose] = map[string]bool{}
			}
			there[whose][label] = true
		}
	}
	but := map[string]string{}
	for whose, has := range there {
		var lacking []string
		named := false
		for _, l := range all {
			if !has[l] {
				lacking = append(lacking, l)
			}
			named = named || has[l] && asked[l]
		}
		if named && len(has) > 2 && len(lacking) > 0 && len(lacking) <= maxLacking && !slices.ContainsFunc(lacking, func(l string) bool { return !asked[l] }) {
			but[whose] = "every port but " + strings.Join(lacking, " and ") + whose
		}
	}
	var out []string
	for _, w := range words {
		_, whose, _ := cutLabel(w)
		if b := but[whose]; b == "" {
			out = append(out, w)
		} else if !slices.Contains(out, b) {
			out = append(out, b)
		}
	}
	return out
}

func joinEvery(words, all []string, every string) []string {
	seen := map[string]int{}
	var order []string
	for _, w := range words {
		if label, whose, ok := cutLabel(w); ok && slices.Contains(all, label) {
			if seen[whose]++; seen[whose] == len(all) {
				order = append(order, whose)
			}
		}
	}
	for _, whose := range order {
		words = slices.DeleteFunc(words, func(w string) bool {
			label, of, ok := cutLabel(w)
			return ok && of == whose && slices.Contains(all, label)
		})
		words = append(words, every+whose)
	}
	return words
}

// cutLabel parts "443/tcp of web" into the run and whose it is.
func cutLabel(w string) (label, whose string, ok bool) {
	for _, word := range []string{" of ", " at "} {
		if i := strings.Index(w, word); i >= 0 {
			return w[:i], w[i:], true
		}
	}
	return "", "", false
}
