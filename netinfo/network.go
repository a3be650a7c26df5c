package netinfo

import (
	"slices"
)

// GatewayMode is a bridge network's gateway mode for one family, as in
// com.docker.network.bridge.gateway_mode_ipv4 (engine 27.0 and later).
type GatewayMode string

// The gateway modes. Before engine 27, and where the option is not set, a
// network is in NAT mode.
const (
	GatewayNAT            GatewayMode = "nat"
	GatewayNATUnprotected GatewayMode = "nat-unprotected"
	GatewayRouted         GatewayMode = "routed"
	GatewayIsolated       GatewayMode = "isolated"
)

// Network is a Docker network.
type Network struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Driver string `json:"driver"`
	Scope  string `json:"scope,omitempty"`
	// Bridge is the name of the host's bridge; empty where the driver has none
	// (macvlan, ipvlan, host, none, overlay).
	Bridge string `json:"bridge,omitempty"`
	// Missing reports whether the engine lists the network, but this host has had no
	// interface of the bridge's name for some time.
	Missing  bool     `json:"missing,omitempty"`
	Internal bool     `json:"internal,omitempty"`
	Subnets  []Prefix `json:"subnets,omitempty"`
	Gateways []Addr   `json:"gateways,omitempty"`
	// Mode4 and Mode6 are the gateway modes; never empty for a bridge network.
	Mode4 GatewayMode `json:"mode4,omitempty"`
	Mode6 GatewayMode `json:"mode6,omitempty"`
	// BindAddr is the address that a port published without one is bound to
	// (com.docker.network.bridge.host_binding_ipv4); invalid: every address.
	BindAddr Addr `json:"bind_addr,omitzero"`
	// Ingress is where swarm's ingress network has its own place here, which is
	// no container's (docker_gwbridge's gateway_ingress-sbox); invalid: nowhere.
	Ingress Addr `json:"ingress,omitzero"`
}

// Mode returns the gateway mode of the family.
func (n Network) Mode(v6 bool) GatewayMode {
	if v6 {
		return n.Mode6
	}
	return n.Mode4
}

// firstRaw is the first major version of the engine that drops, in the raw table,
// packets that are routed straight to a container's address.
const firstRaw = 28

// DropsRouted reports whether the engine by itself drops packets of the family that
// are routed from outside straight to a container's address on the network. Its option
// --allow-direct-routing (28.2 and later) would open all networks; it is not among the
// facts.
func (e Engine) DropsRouted(n Network, v6 bool) bool {
	return e.major() >= firstRaw && n.Bridge != "" && n.Mode(v6) != GatewayRouted && n.Mode(v6) != GatewayNATUnprotected
}

func (n *Network) normalize() {
	slices.SortFunc(n.Subnets, func(a, b Prefix) int { return a.Addr().Compare(b.Addr()) })
	slices.SortFunc(n.Gateways, Addr.Compare)
}
