package starter

import (
	"regexp"
	"slices"

	"dockwall/netinfo"
)

// The labels that Docker Compose sets.
const (
	labelProject = "com.docker.compose.project"
	labelService = "com.docker.compose.service"
)

// unit is what one containers block selects: a compose service, or a
// container by its name.
type unit struct {
	// name is the blocks' name.
	name string
	// compose is "project/service"; container is the name of a container that
	// belongs to none.
	compose, container string
	members            []netinfo.Container
	// live are the ports that are reachable now; idle those that would be if
	// everything ran, and that live does not hold.
	live, idle []entry
}

// exactly matches what both the language and the glob take as it is.
var exactly = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)

// unitsOf sorts the containers that publish ports of their own into units, by
// name, and returns those that no selector can name.
func unitsOf(s *netinfo.Snapshot) (units []*unit, unnamed []netinfo.Container) {
	by := map[[2]string]*unit{}
	mixed := mixedServices(s)
	for _, c := range s.Containers {
		compose, container := selectorOf(c, mixed)
		switch {
		case c.SharesWith != "":
			continue
		case compose == "" && container == "":
			if len(c.Ports) > 0 {
				unnamed = append(unnamed, c)
			}
			continue
		}
		key := [2]string{compose, container}
		if by[key] == nil {
			by[key] = &unit{compose: compose, container: container}
			units = append(units, by[key])
		}
		by[key].members = append(by[key].members, c)
	}
	for _, u := range units {
		u.collect(s)
	}
	units = slices.DeleteFunc(units, func(u *unit) bool { return len(u.live)+len(u.idle) == 0 })
	taken := names{}
	for _, u := range units {
		u.name = taken.take(identifier(u.compose + u.container))
	}
	return units, unnamed
}

// selectorOf is what selects the container, and nothing except those of its
// service; both empty where nothing can. The containers of
// a mixed service are named one by one.
func selectorOf(c netinfo.Container, mixed map[[2]string]bool) (compose, container string) {
	project, service := c.Labels[labelProject], c.Labels[labelService]
	switch {
	case exactly.MatchString(project) && exactly.MatchString(service) && !mixed[[2]string{project, service}]:
		return project + "/" + service, ""
	case exactly.MatchString(c.Name):
		return "", c.Name
	}
	return "", ""
}

// mixedServices are the compose services whose name would say too much: one of
// their containers is in the host's own network, where the ports of the block
// would be judged, too, or publishes ports that lead nowhere today.
func mixedServices(s *netinfo.Snapshot) map[[2]string]bool {
	mixed := map[[2]string]bool{}
	for _, c := range s.Containers {
		project, ok := c.Labels[labelProject]
		if ok && (c.HostNetwork || shut(s, c) && len(c.Ports) > 0) {
			mixed[[2]string{project, c.Labels[labelService]}] = true
		}
	}
	return mixed
}

func (u *unit) collect(s *netinfo.Snapshot) {
	var live, idle []entry
	for _, c := range u.members {
		switch es := entriesOf(s, c); {
		case shut(s, c):
		case isLive(c):
			live = append(live, es...)
		default:
			idle = append(idle, es...)
		}
	}
	u.live = merge(live)
	u.idle = merge(slices.DeleteFunc(idle, func(e entry) bool { return holds(u.live, e.ports) }))
}

// isLive reports whether the container can be reached: it has an address, is between
// two starts, or listens on the host's network.
func isLive(c netinfo.Container) bool {
	return len(c.Endpoints) > 0 || c.State == "restarting" || c.HostNetwork && c.Running()
}

// shut reports whether the container runs where no published port leads to: on
// internal or isolated networks, macvlan or ipvlan only, or on none.
func shut(s *netinfo.Snapshot, c netinfo.Container) bool {
	if c.HostNetwork {
		return false
	}
	if len(c.Endpoints) == 0 {
		return c.Running() && c.State != "restarting"
	}
	return !slices.ContainsFunc(c.Endpoints, func(e netinfo.Endpoint) bool {
		n, ok := s.Network(e.NetworkID)
		isolated := n.Mode4 == netinfo.GatewayIsolated && n.Mode6 == netinfo.GatewayIsolated
		return !ok || !n.Internal && !isolated && !uncovered(n)
	})
}

// uncovered reports whether the network's traffic never meets the host's rules.
func uncovered(n netinfo.Network) bool { return n.Driver == "macvlan" || n.Driver == "ipvlan" }
