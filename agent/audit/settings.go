package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dockwall/agent/config"
	"dockwall/netinfo"
	"dockwall/netinfo/inventory"
	netrules "dockwall/rules"
	rules "dockwall/rules/audit"
	"dockwall/rules/policy"
)

// Settings are what the operator's file says to the audit on the day, 2026-11-30. The
// file may be nil, if there is none without errors. Enforced is why it is not known that
// the file is in force; empty if it is.
func Settings(doc *config.Document, today, enforced string) rules.Settings {
	s := rules.Settings{Today: today}
	if doc == nil {
		return s
	}
	s.Isolated, s.Enforced, s.Registries = isolation(doc.Policy), enforced, doc.Audit.Registries
	s.Published, s.API = publishedPolicy(doc.Policy), apiPolicy(doc.Policy)
	for _, k := range doc.Audit.Skips {
		skip := rules.Skip{ID: k.ID, Reason: k.Reason, Until: k.Until, Position: fmt.Sprintf("%s:%d", k.Origin.File, k.Origin.Line)}
		if len(k.Of) > 0 {
			skip.Of = func(c *inventory.Container) bool { return selected(k.Of, c) }
		}
		s.Skips = append(s.Skips, skip)
	}
	return s
}

// selected reports whether a containers block selects the container. One that names
// networks selects those on one of them.
func selected(selectors []*policy.Selector, c *inventory.Container) bool {
	return slices.ContainsFunc(selectors, func(s *policy.Selector) bool {
		return s.Match(netinfo.Container{ID: c.ID, Name: c.Name, Image: c.Image, Labels: c.Labels}) &&
			(len(s.Networks) == 0 || slices.ContainsFunc(c.Networks, s.OnNetwork))
	})
}

// publishedPolicy is what the policy says of published ports.
func publishedPolicy(p policy.Policy) *rules.Published {
	return &rules.Published{
		Listed: func(c *inventory.Container, b inventory.PortBinding, routed bool) bool {
			return listed(p, c, b, routed)
		},
		Allowed: func(network string) bool { return p.On(network, netrules.KindPublished) == policy.Allow },
	}
}

// listed reports whether published blocks are about the port, whichever of the ports in
// its range the engine picks.
func listed(p policy.Policy, c *inventory.Container, b inventory.PortBinding, routed bool) bool {
	var blocks []*policy.Published
	for _, k := range p.Published {
		if !k.From.Empty() && (len(k.To) == 0 || selected(k.To, c)) {
			if len(k.Ports) == 0 {
				return true
			}
			blocks = append(blocks, k)
		}
	}
	inner, name, _ := strings.Cut(b.Container, "/")
	proto, err := netinfo.ParseProtocol(cmp.Or(name, "tcp"))
	if err != nil {
		return false
	}
	covered := func(port uint64) bool {
		return slices.ContainsFunc(blocks, func(k *policy.Published) bool {
			return slices.ContainsFunc(k.Ports, func(r policy.Ports) bool { return r.Contains(proto, uint16(port)) })
		})
	}
	lo, hi, ok := portRange(b.HostPort)
	if own, _, valid := portRange(inner); routed && valid && covered(own) {
		return true
	}
	for port := lo; ok && port <= hi; port++ {
		ok = covered(port)
	}
	return ok
}

// portRange reads 8080 or 8080-8090.
func portRange(s string) (lo, hi uint64, ok bool) {
	first, last, ranged := strings.Cut(s, "-")
	if !ranged {
		last = first
	}
	lo, err1 := strconv.ParseUint(first, 10, 16)
	hi, err2 := strconv.ParseUint(last, 10, 16)
	return lo, hi, err1 == nil && err2 == nil && 0 < lo && lo <= hi
}

// apiPolicy is what the policy says of Docker's API.
func apiPolicy(p policy.Policy) *rules.API {
	a := p.DockerAPI
	if a == nil {
		return &rules.API{Opens: func(uint16) bool { return false }}
	}
	return &rules.API{RequireTLS: a.RequireTLS, Opens: func(port uint16) bool {
		return !a.From.Empty() && (len(a.Ports) == 0 || slices.ContainsFunc(a.Ports, func(r policy.Ports) bool { return r.Contains(netinfo.TCP, port) }))
	}}
}

// isolation reports whether the policy denies connections between containers of a
// network.
func isolation(p policy.Policy) func(network string) bool {
	return func(network string) bool { return p.On(network, netrules.KindBetween) == policy.Deny }
}
