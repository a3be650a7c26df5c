package overview

import (
	"fmt"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules/published"
)

// Container is one of the host's, running or not.
type Container struct {
	Name  string `json:"name"`
	State string `json:"state"`
	// Networks are the names of those that it is on now; "host" is the host's.
	Networks []string `json:"networks"`
	// Published are its ports on the host, each once and neighbours as a range:
	// 192.0.2.1:8000-8100/tcp, 53/udp.
	Published []string `json:"published"`
	// Covered: the rules reach all of its traffic. Why says what they do not
	// reach, or in whose place it is judged.
	Covered bool   `json:"covered"`
	Why     string `json:"why,omitempty"`
	// Refused is how many of the refused packets that were reported last have
	// to do with it.
	Refused int `json:"refused"`
}

func containers(s netinfo.Snapshot, refused map[string]int) []Container {
	names, networks := map[string]string{}, map[string]netinfo.Network{}
	for _, c := range s.Containers {
		names[c.ID] = c.Name
	}
	for _, n := range s.Networks {
		networks[n.ID] = n
	}
	all := []Container{}
	for _, c := range s.Containers {
		k := Container{Name: c.Name, State: c.State, Networks: []string{}, Published: []string{}, Covered: true, Refused: refused[c.Name]}
		for _, e := range c.Endpoints {
			n := networks[e.NetworkID]
			k.Networks = append(k.Networks, n.Name)
			if n.Driver == "macvlan" || n.Driver == "ipvlan" {
				k.Covered = false
				k.Why = fmt.Sprintf("its traffic on network %s (%s) never meets the host's rules", n.Name, n.Driver)
			}
		}
		if len(c.ByHand) > 0 {
			k.Covered = false
			k.Why = fmt.Sprintf("its traffic by an interface that Docker did not make (%s) does not meet the host's rules as its own", strings.Join(c.ByHand, ", "))
		}
		switch {
		case c.HostNetwork:
			k.Networks = append(k.Networks, "host")
		case c.SharesWith != "":
			k.Why = fmt.Sprintf("it uses the network of %s, and is judged as that one", names[c.SharesWith])
		}
		for _, sp := range published.Spans(&s, &c) {
			k.Published = append(k.Published, sp.String())
		}
		all = append(all, k)
	}
	return all
}
