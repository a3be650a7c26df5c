package netinfo

// Translation is a nat rule of another program that changes the destination of
// packets before dockwall's rules see them (DNAT, REDIRECT). Docker's own rules are
// none: they follow from what containers publish.
//
// The first one whose conditions hold is the one that counts. A zero condition holds
// for every packet.
type Translation struct {
	// Rule is the rule as its tool writes it.
	Rule string `json:"rule"`
	V6   bool   `json:"v6,omitempty"`
	// NIC is the interface that the packet comes in by; with a * at its end, every one
	// that begins so.
	NIC    string `json:"nic,omitempty"`
	Source Prefix `json:"source,omitzero"`
	Dest   Prefix `json:"dest,omitzero"`
	// Local: the destination is one of the host's own addresses.
	Local bool     `json:"local,omitempty"`
	Proto Protocol `json:"proto,omitempty"`
	// Lo and Hi are the destination ports.
	Lo uint16 `json:"lo,omitempty"`
	Hi uint16 `json:"hi,omitempty"`
	// To is the new address; invalid: for a Redirect, the address of the interface,
	// otherwise the old one. ToPort is the new port; the old one if 0.
	To       Addr   `json:"to,omitzero"`
	ToPort   uint16 `json:"to_port,omitempty"`
	Redirect bool   `json:"redirect,omitempty"`
	// AfterDocker: Docker's own nat rules see the packet first.
	AfterDocker bool `json:"after_docker,omitempty"`
	// Unclear: the rule has conditions or an effect that are not understood here. It
	// may or may not hold, and may do anything.
	Unclear bool `json:"unclear,omitempty"`
}
