package picture

import (
	"cmp"
	"fmt"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules/meaning"
	"dockwall/rules/policy"
	"dockwall/rules/published"
)

// Container is a container and what it publishes.
type Container struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Image string `json:"image,omitempty"`
	State string `json:"state"`
	// HostNetwork and SharesWith (a name) are whose network it uses, if not
	// one of its own.
	HostNetwork bool   `json:"host_network,omitempty"`
	SharesWith  string `json:"shares_with,omitempty"`
	Ports       []Port `json:"ports"`
}

// Port is a published port, or one of the host's own that a policy names.
type Port struct {
	// Host is what is dialled: "80/tcp", "127.0.0.1:80/tcp", "8000-8100/tcp";
	// in routed mode the container's port.
	Host string `json:"host"`
	// Own is the container's port.
	Own string `json:"container"`
	// Routed: it is dialled at the container's own address.
	Routed bool `json:"routed,omitempty"`
	// Straight: a direct block names it. It is dialled at the container's own address,
	// or at one behind the container, past the published ports.
	Straight bool  `json:"straight,omitempty"`
	State    State `json:"state"`
	// Access is the sources that may reach it, by which NICs and which policy.
	Access []Access `json:"access"`
	// ClosedBy are the blocks and defaults that refuse others.
	ClosedBy []string `json:"closed_by"`
}

// Access is one source's at one gate by one policy.
type Access struct {
	// Gate and Source are places in the picture's lists.
	Gate   int `json:"-"`
	Source int `json:"-"`
	// Via are the gate's NICs, From is the source's name.
	Via      []string `json:"via"`
	From     string   `json:"from"`
	Policy   string   `json:"policy"`
	Position string   `json:"position,omitempty"`
	// But are addresses of the source that may not, and by what.
	But []string `json:"but"`
}

func (x *prober) container(c *netinfo.Container) Container {
	out := Container{ID: c.ID, Name: c.Name, Image: c.Image, State: c.State, HostNetwork: c.HostNetwork, Ports: []Port{}}
	if c.SharesWith != "" {
		out.SharesWith = x.nameOf(c.SharesWith)
		return out
	}
	if c.HostNetwork {
		out.Ports = append(out.Ports, x.hostNetworkPorts(c)...)
		return out
	}
	var all []probed
	for _, p := range c.Ports {
		host, straight := x.onHost(c, p), x.routed(c, p)
		if len(straight) > 0 {
			own := netinfo.PublishedPort{Proto: p.Proto, ContainerPort: p.ContainerPort}
			port := x.published(c, own, straight)
			port.Routed = true
			all = append(all, newProbed(own, port))
		}
		if len(straight) == 0 || !x.onlyRouted(c) {
			p.HostAddr = published.Bind(&x.s, c, p)
			all = append(all, newProbed(p, x.published(c, p, host)))
		}
	}
	out.Ports = append(merged(all), x.straightPorts(c)...)
	return out
}

func (x *catalog) nameOf(id string) string {
	for _, c := range x.s.Containers {
		if c.ID == id {
			return c.Name
		}
	}
	return id
}

// onlyRouted reports whether Docker maps no port of the host to the container.
func (x *catalog) onlyRouted(c *netinfo.Container) bool {
	return !slices.ContainsFunc(c.Endpoints, func(e netinfo.Endpoint) bool {
		n := x.networks[e.NetworkID]
		return n.Bridge != "" && (n.Mode4 != netinfo.GatewayRouted || n.Mode6 != netinfo.GatewayRouted)
	})
}

func (x *prober) published(c *netinfo.Container, p netinfo.PublishedPort, ts []target) Port {
	out := Port{Access: []Access{}, ClosedBy: []string{}}
	switch {
	case len(c.Endpoints) == 0 || !c.Running():
		out.State = Stopped
	case !slices.ContainsFunc(c.Endpoints, func(e netinfo.Endpoint) bool { return x.networks[e.NetworkID].Bridge != "" }):
		out.State = NotCovered
	case len(ts) == 0:
		out.State = Unassigned
	default:
		x.reach(&out, ts)
	}
	return out
}

// reach fills in the sources that reach the port.
func (x *prober) reach(out *Port, ts []target) {
	vs := make([]verdicts, len(ts))
	for i, t := range ts {
		vs[i] = x.judge(t)
	}
	out.State = Closed
	for g := range x.gates {
		for s := range x.sources {
			out.Access = append(out.Access, x.accessOf(out, g, s, vs)...)
		}
	}
	if len(out.Access) > 0 {
		out.State = Open
	}
	slices.Sort(out.ClosedBy)
}

// accessOf is what the source may at the gate, one for each policy.
func (x *prober) accessOf(out *Port, g, s int, vs []verdicts) []Access {
	var by, but []string
	for i := range x.atoms {
		a := &x.atoms[i]
		if !slices.Contains(a.sources, s) {
			continue
		}
		ans := fold(vs, g, i)
		decider := ans.by.String()
		switch {
		case !ans.seen:
		case ans.pass && !slices.Contains(by, decider):
			by = append(by, decider)
		case !ans.pass:
			but = append(but, a.but(decider)...)
			if !slices.Contains(out.ClosedBy, decider) {
				out.ClosedBy = append(out.ClosedBy, decider)
			}
		}
	}
	slices.Sort(by)
	var all []Access
	for _, p := range by {
		all = append(all, Access{Gate: g, Source: s, Via: x.gates[g].shown(), From: x.sources[s].name, Policy: p,
			Position: x.position(p), But: append([]string{}, but...)})
	}
	return all
}

// shown are the gate's NICs as people know them.
func (g *gate) shown() []string {
	names := slices.Clone(g.names)
	if i := slices.Index(names, meaning.OtherNIC); i >= 0 {
		names[i] = "other interfaces"
	}
	return names
}

// but says of each prefix what refuses it.
func (a *atom) but(by string) []string {
	var out []string
	for _, l := range a.labels {
		out = append(out, l+" ("+by+")")
	}
	if a.more > 0 {
		out = append(out, fmt.Sprintf("%d more (%s)", a.more, by))
	}
	return out
}

// fold is one atom's answer over all the targets that it can dial.
func fold(vs []verdicts, gate, atom int) answer {
	var out answer
	for _, v := range vs {
		a := v[gate][atom]
		if a.seen && (!out.seen || out.pass && !a.pass) {
			out = a
		}
	}
	return out
}

func union[T cmp.Ordered](a, b []T) []T {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// hostNetworkPorts are the ports on which a container on the host's own network
// listens, or, if it does not listen yet, those that a policy names of it.
func (x *prober) hostNetworkPorts(c *netinfo.Container) []Port {
	var out []probed
	for _, p := range c.Ports {
		port := Port{Access: []Access{}, ClosedBy: []string{}}
		x.reach(&port, x.onHost(c, p))
		own := newProbed(p, port)
		own.ownHi = p.HostPort
		out = append(out, own)
	}
	if len(out) > 0 {
		return merged(out)
	}
	for _, b := range x.p.Published {
		if !namesHostNetwork(b, c) {
			continue
		}
		for _, r := range b.Ports {
			p := netinfo.PublishedPort{HostPort: r.Lo, HostPortEnd: r.Hi, Proto: r.Proto, ContainerPort: r.Lo}
			port := Port{Access: []Access{}, ClosedBy: []string{}}
			if !c.Running() {
				port.State = Stopped
			} else {
				x.reach(&port, x.ownTargets(p))
			}
			own := newProbed(p, port)
			own.ownHi = r.Hi
			out = append(out, own)
		}
	}
	return merged(out)
}

func namesHostNetwork(b *policy.Published, c *netinfo.Container) bool {
	return slices.ContainsFunc(b.To, func(sel *policy.Selector) bool {
		return sel.Match(*c) && (len(sel.Networks) == 0 || sel.OnNetwork("host"))
	})
}

// ownTargets dial a port of the host's own.
func (x *catalog) ownTargets(p netinfo.PublishedPort) []target {
	var ts []target
	for _, n := range x.numbers(p) {
		for _, a := range x.hostAddrs(hostPort{p.Proto, n}) {
			ts = append(ts, target{a, n, p.Proto})
		}
	}
	return ts
}
