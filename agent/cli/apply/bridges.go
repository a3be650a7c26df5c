package apply

import (
	"fmt"

	"dockwall/agent/cli/view"
	"dockwall/agent/enforce"
)

// bridgeSwitch is a bridge whose traffic between its ports the kernel is to show to the
// rules, or not to show any more.
type bridgeSwitch struct {
	Bridge string `json:"bridge"`
	// Shown: nf_call_iptables and nf_call_ip6tables of the bridge become 1.
	Shown bool `json:"shown"`
}

// bridgeSwitches are those that apply would make on this host.
func bridgeSwitches(t *enforce.Target) ([]bridgeSwitch, error) {
	on, off, err := t.BridgeSwitches()
	if err != nil {
		return nil, fmt.Errorf("finding out which bridges would be switched: %w", err)
	}
	all := []bridgeSwitch{}
	for _, name := range on {
		all = append(all, bridgeSwitch{name, true})
	}
	for _, name := range off {
		all = append(all, bridgeSwitch{name, false})
	}
	return all, nil
}

// showBridges prints them.
func showBridges(p *view.Printer, all []bridgeSwitch) {
	for _, s := range all {
		if s.Shown {
			p.Printf("bridge %s: nf_call_iptables and nf_call_ip6tables would be switched on, so that its containers can be kept apart. Other bridges stay as they are.\n", view.Printable(s.Bridge))
		} else {
			p.Printf("bridge %s: nf_call_iptables and nf_call_ip6tables would be switched back.\n", view.Printable(s.Bridge))
		}
	}
}
