package netinfo

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
)

// Equal reports whether the facts are the same.
func (s *Snapshot) Equal(o *Snapshot) bool {
	return s.Engine == o.Engine && equal(s.Links, o.Links, Link.Equal) && equal(s.Networks, o.Networks, Network.Equal) &&
		equal(s.Containers, o.Containers, func(a, b Container) bool { return a.Equal(&b) }) &&
		slices.Equal(s.Listeners, o.Listeners) && slices.Equal(s.Proxies, o.Proxies) &&
		slices.Equal(s.Strangers, o.Strangers) && slices.Equal(s.Dialled, o.Dialled) && slices.Equal(s.NameServers, o.NameServers) && slices.Equal(s.Sightings, o.Sightings) &&
		slices.Equal(s.Routes, o.Routes) && slices.Equal(s.OtherRoutes, o.OtherRoutes) &&
		slices.Equal(s.Translations, o.Translations) && slices.EqualFunc(s.Proofs, o.Proofs, Proof.Equal)
}

// Compare orders containers as a snapshot does: by name, then ID.
func (c *Container) Compare(o *Container) int {
	return cmp.Or(cmp.Compare(c.Name, o.Name), cmp.Compare(c.ID, o.ID))
}

// Equal reports whether the facts are the same. Facts that share what they are made
// of, as most of two consecutive snapshots do, are compared in no time.
func (c *Container) Equal(o *Container) bool {
	return c.ID == o.ID && c.Name == o.Name && c.Image == o.Image && c.State == o.State && c.Unread == o.Unread &&
		c.HostNetwork == o.HostNetwork && c.SharesWith == o.SharesWith &&
		c.Judged == o.Judged && c.Released == o.Released && equal(c.Findings, o.Findings, func(a, b string) bool { return a == b }) &&
		equal(c.Endpoints, o.Endpoints, Endpoint.Equal) && slices.Equal(c.NameServers, o.NameServers) &&
		equal(c.Ports, o.Ports, func(a, b PublishedPort) bool { return a == b }) && slices.Equal(c.ByHand, o.ByHand) && equalLabels(c.Labels, o.Labels)
}

// Equal reports whether the facts are the same.
func (e Endpoint) Equal(o Endpoint) bool {
	return e.ID == o.ID && e.NetworkID == o.NetworkID && e.MAC == o.MAC && slices.Equal(e.Addrs, o.Addrs) &&
		slices.Equal(e.Seen, o.Seen) && slices.Equal(e.Disputed, o.Disputed)
}

// Equal reports whether the facts are the same.
func (n Network) Equal(o Network) bool {
	return equal(n.Subnets, o.Subnets, func(a, b Prefix) bool { return a == b }) && equal(n.Gateways, o.Gateways, func(a, b Addr) bool { return a == b }) &&
		n.ID == o.ID && n.Name == o.Name && n.Driver == o.Driver && n.Scope == o.Scope && n.Bridge == o.Bridge && n.Missing == o.Missing &&
		n.Internal == o.Internal && n.Mode4 == o.Mode4 && n.Mode6 == o.Mode6 && n.BindAddr == o.BindAddr && n.Ingress == o.Ingress
}

// Equal reports whether the facts are the same.
func (l Link) Equal(o Link) bool {
	addrs, others := l.Addrs, o.Addrs
	l.Addrs, o.Addrs = nil, nil
	return equal(addrs, others, func(a, b Prefix) bool { return a == b }) && reflect.DeepEqual(l, o)
}

// equal compares two lists, which may be one and the same.
func equal[T any](a, b []T, same func(T, T) bool) bool {
	if len(a) != len(b) {
		return false
	}
	return len(a) == 0 || &a[0] == &b[0] || slices.EqualFunc(a, b, same)
}

// equalLabels asks first whether the two are one map: that touches neither, and of
// thousands of containers nearly all are in no processor's cache.
func equalLabels(a, b map[string]string) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() || maps.Equal(a, b)
}
