package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
	"dockwall/rules/published"
)

// places are the interfaces by which all the questions that this way stands
// for come in, or go out.
func (r *Answer) places(by *Way) string {
	var in, out []string
	for _, w := range r.Ways {
		if w.Verdict != by.Verdict || w.Policy != by.Policy {
			continue
		}
		if nic := w.Question.NIC; !slices.Contains(in, nic) {
			in = append(in, nic)
		}
		if nic := w.Question.Out; nic != "" && !slices.Contains(out, nic) {
			out = append(out, nic)
		}
	}
	switch by.class {
	case policy.ClassLocal, policy.ClassUncovered:
		return ""
	case policy.ClassEgress:
		return ", leaving by " + strings.Join(out, " or ") + ","
	case policy.ClassBetween, policy.ClassHost:
		return ""
	}
	return ", coming in by " + strings.Join(in, " or ") + ","
}

// sentence is the answer in words.
func (w *Way) sentence(s netinfo.Snapshot, places string) string {
	may := map[string]string{Allow: "may reach", Deny: "may not reach", Unknown: "may or may not reach"}[w.Verdict]
	return fmt.Sprintf("%s%s %s %s%s.", w.subject(s), places, may, w.object(s), w.reason(s))
}

func (w *Way) subject(s netinfo.Snapshot) string {
	if w.Question.NIC == "lo" {
		return "The host itself"
	}
	return whose(s, w.Question.Source)
}

// whose is an address, with the container's name where it has one.
func whose(s netinfo.Snapshot, a netip.Addr) string {
	if c := policy.Locate(s, a).Container; c != nil {
		return fmt.Sprintf("%s (%s)", c.Name, a)
	}
	return a.String()
}

func (w *Way) object(s netinfo.Snapshot) string {
	q := w.Question
	dialled := Service(q.Dest, q.Port, q.Proto)
	if w.Rule != "" && q.DNAT.IsValid() {
		return fmt.Sprintf("%s %s, where a nat rule sends %s", whose(s, q.DNAT.Addr()), portOf(q.DNAT.Port(), q.Proto), dialled)
	}
	if q.DNAT.IsValid() {
		return fmt.Sprintf("%s %s, published as %s", whose(s, q.DNAT.Addr()), portOf(q.DNAT.Port(), q.Proto), dialled)
	}
	switch at := policy.Locate(s, q.Dest); {
	case at.Container != nil:
		return strings.TrimSpace(fmt.Sprintf("%s %s", whose(s, q.Dest), portOf(q.Port, q.Proto)))
	case at.Kind == policy.OnHost:
		if names := publishers(s, q); len(names) > 0 {
			return fmt.Sprintf("%s, which %s publishes", dialled, strings.Join(names, " or "))
		}
		return dialled + " on the host"
	}
	if c := q.To(s).Behind; c != nil {
		return fmt.Sprintf("%s, which lies behind %s", dialled, c.Name)
	}
	return dialled
}

func portOf(port uint16, proto rules.Protocol) string {
	if port == 0 {
		return "by " + proto.String()
	}
	return fmt.Sprintf("%d/%s", port, proto)
}

// Service is an address and port as explain writes it: 192.0.2.1:53/udp.
func Service(a netip.Addr, port uint16, proto rules.Protocol) string {
	if port == 0 {
		return fmt.Sprintf("%s by %s", a, proto)
	}
	return fmt.Sprintf("%s/%s", netip.AddrPortFrom(a, port), proto)
}

// publishers are the containers that publish what was dialled.
func publishers(s netinfo.Snapshot, q policy.Question) []string {
	var names []string
	for _, c := range published.At(&s, q.Proto, netip.AddrPortFrom(q.Dest, q.Port)).Containers() {
		names = append(names, c.Name)
	}
	return names
}

// reason is why, as a clause; empty where the block's name says it.
func (w *Way) reason(s netinfo.Snapshot) string {
	kind := w.Policy.Kind
	deny := w.Verdict == Deny
	switch {
	case w.Verdict == Unknown:
		return ": " + w.why
	case w.Policy == None():
		return unjudged(w.class)
	case kind == rules.KindBlock:
		return ": " + w.Policy.String() + " stops it before everything else"
	case kind == rules.KindQuarantine:
		return ": " + w.Policy.String() + " cuts the container off, because a check of the audit fails on it (agentctl status says which)"
	case deny && w.class == policy.ClassNoTLS:
		return ": docker_api allows it, but require_tls is set and the port is not proven to ask for a client's certificate" + unprovenBecause(s, w.Question.Port)
	case kind == rules.KindDockerAPI && deny:
		return ": it is a port of the Docker API, or docker_api lists it: it is closed to all whom docker_api does not let in"
	case kind == rules.KindDockerAPI:
		return ": docker_api lets it in"
	case kind == rules.KindSwarm && deny:
		return ": it is for the nodes of the Swarm (2377/tcp, 7946, VXLAN, ESP), and the source is none of swarm's peers"
	case kind == rules.KindSwarm:
		return ": the source is one of swarm's peers"
	case w.Policy == rules.Subject{Kind: rules.KindDefaults, Name: "dns"}:
		return ": it is a name server that Docker gave the container, and dns allows it to ask that"
	case kind == rules.KindOwnPort:
		return ": a container always reaches its own published ports"
	case kind == rules.KindDefaults:
		return fmt.Sprintf(": no %s block allows it, and the default is %s", w.Policy.Name, w.Verdict)
	case kind == rules.KindNetwork:
		return fmt.Sprintf(": no block allows it, and for this network %s says %s", w.Policy, w.Verdict)
	case deny && (kind == rules.KindEgress || kind == rules.KindHost):
		return fmt.Sprintf(": %s names the container, so that it may reach only what such blocks list, and none lists this", w.Policy)
	case !deny:
		return ": " + w.Policy.String() + " allows it"
	}
	return refused(w.Policy)
}

// unprovenBecause is what the probes of a port of Docker's API showed, as a clause.
func unprovenBecause(s netinfo.Snapshot, port uint16) string {
	for _, p := range s.Proofs {
		if p.Port == port && p.State != netinfo.ProofProtected && !p.Addr.IsLoopback() {
			return ": " + p.Reason
		}
	}
	return ": dockerd does not listen there"
}

// refused says what a framing rule is for.
func refused(by rules.Subject) string {
	switch by.Kind {
	case rules.KindDirect:
		return ": a container's own address is closed to containers of other networks; use its published ports"
	case rules.KindHold:
		return ": it is not known yet whose address this is, and a block may turn out to restrict it"
	case rules.KindSpoofed:
		return ": this address belongs to a container or to the host, and cannot be behind that interface, so the packet is refused as forged"
	case rules.KindMartian:
		return ": a loopback address belongs to the host alone"
	}
	return ": " + by.String() + " refuses it"
}

// unjudged says why something is not dockwall's matter.
func unjudged(class policy.Class) string {
	switch class {
	case policy.ClassService:
		return ": it is not a container's port, so dockwall does not judge it; the host's own firewall does"
	case policy.ClassTransit:
		return ": neither end is a container, so dockwall does not judge it"
	case policy.ClassLocal:
		return ": dockwall does not judge what the host itself sends"
	case policy.ClassUncovered:
		return ": traffic of a macvlan or ipvlan network never meets the host's rules, so dockwall does not judge it"
	case policy.ClassHost:
		return ": ICMP between containers and the host is not judged"
	case policy.ClassBetween:
		return ": a container always reaches its own published port"
	}
	return ": dockwall does not judge it"
}

// hints say what else the operator may want to ask.
func (q *inquiry) hints(r *Answer) []string {
	hints := slices.Clone(q.notes)
	if !r.Agreed {
		hints = append(hints, disagreement(r.Ways)...)
	}
	if first := r.Ways[0]; first.class == policy.ClassDirect && q.f.FromContainer == "" {
		hints = append(hints, q.directHints(r, first.Question)...)
	}
	return hints
}

// directHints are about a packet that is routed straight to a container.
func (q *inquiry) directHints(r *Answer, asked policy.Question) (hints []string) {
	at := asked.To(q.s)
	n := q.network(at.Bridge)
	switch {
	case r.Verdict == Deny:
		if h := q.publishedHint(asked); h != "" {
			hints = append(hints, h)
		}
	case !at.Routed && q.s.Engine.DropsRouted(n, asked.Dest.Is6()):
		hints = append(hints, fmt.Sprintf("dockwall lets it pass, but Docker %s drops what is routed straight to containers of %s, unless the network's gateway mode is nat-unprotected "+
			"or dockerd runs with --allow-direct-routing", q.s.Engine.Version, n.Name))
	}
	return hints
}

// network is that of the bridge; zero if none is known.
func (q *inquiry) network(bridge string) netinfo.Network {
	for _, n := range q.s.Networks {
		if n.Bridge != "" && n.Bridge == bridge {
			return n
		}
	}
	return netinfo.Network{}
}

// disagreement says between what the ways disagree.
func disagreement(ways []Way) []string {
	var hints []string
	byNIC, byWay := false, false
	for _, w := range ways[1:] {
		first := ways[0]
		if w.Verdict != first.Verdict {
			byNIC = byNIC || w.Question.NIC != first.Question.NIC || w.Question.Out != first.Question.Out
		}
	}
	for i, w := range ways {
		for _, o := range ways[:i] {
			same := w.Question.NIC == o.Question.NIC && w.Question.Out == o.Question.Out && w.Question.Dest == o.Question.Dest
			byWay = byWay || same && w.Verdict != o.Verdict
		}
	}
	if byNIC {
		hints = append(hints, "it depends on the interface; the stricter verdict is given: say which one with --via")
	}
	if byWay {
		hints = append(hints, "it depends on whether Docker's nat rules or docker-proxy take the connection, and where they lead it; the stricter verdict is given")
	}
	if len(hints) == 0 {
		hints = append(hints, "it depends on the address that is used; the stricter verdict is given")
	}
	return hints
}

// publishedHint names the published way to what was asked for straight.
func (q *inquiry) publishedHint(asked policy.Question) string {
	c := policy.Locate(q.s, asked.Dest).Container
	if c == nil {
		return ""
	}
	for _, p := range c.Ports {
		if p.Proto != asked.Proto || p.ContainerPort != asked.Port || p.HostPort == 0 {
			continue
		}
		bound := published.Bind(&q.s, c, p)
		hosts := []netip.Addr{bound}
		if !bound.IsValid() || bound.IsUnspecified() && bound.Is6() == asked.Source.Is6() {
			hosts = q.hostAddrs(sender{nic: asked.NIC, addr: asked.Source})
		}
		if len(hosts) == 1 && hosts[0].Is6() == asked.Source.Is6() && !hosts[0].IsUnspecified() {
			to := netip.AddrPortFrom(hosts[0], p.HostPort)
			return fmt.Sprintf("%s publishes this port as %s: ask with --to %s", c.Name, to, to)
		}
	}
	return ""
}
