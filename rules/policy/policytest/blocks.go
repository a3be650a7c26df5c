package policytest

import (
	"fmt"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules/policy"
)

func (d *document) policies() {
	all := append(hostPorts(), containerPorts()...)
	for i := range d.count() {
		n := fmt.Sprint("p", i)
		d.p.Published = append(d.p.Published, &policy.Published{Name: n, To: d.maybeSelectors(), Ports: d.ports(all),
			From: d.addresses(), Except: d.except(), Via: d.via(), Origin: d.origin("published", n)})
	}
	d.direct()
	for i := range d.count() {
		n := fmt.Sprint("b", i)
		d.p.Between = append(d.p.Between, &policy.Between{Name: n, From: d.selectors(), To: d.selectors(),
			Ports: d.ownPorts(containerPorts()), Origin: d.origin("between", n)})
	}
	for i := range d.count() {
		n := fmt.Sprint("e", i)
		d.p.Egress = append(d.p.Egress, &policy.Egress{Name: n, From: d.maybeSelectors(), To: d.addresses(), Except: d.except(),
			Ports: d.ownPorts(containerPorts()), Via: d.via(), Origin: d.origin("egress", n)})
		if seldom(d.t, "nowhere") {
			d.p.Egress[i].To = policy.AddressList{}
		}
	}
	for i := range d.count() {
		n := fmt.Sprint("h", i)
		d.p.Host = append(d.p.Host, &policy.Host{Name: n, From: d.maybeSelectors(), Ports: d.ownPorts(hostPorts()), Origin: d.origin("host", n)})
		if seldom(d.t, "no ports") {
			d.p.Host[i].Ports, d.p.Host[i].NoPorts = nil, true
		}
	}
	if rapid.Bool().Draw(d.t, "docker_api") {
		ports := slices.DeleteFunc(d.ports([]uint16{2375, 4243, 8080}), func(p policy.Ports) bool { return p.Proto != netinfo.TCP })
		api := &policy.DockerAPI{Ports: ports, From: d.addresses(), Except: d.except(), Via: d.via(), Origin: d.origin("docker_api", "")}
		api.RequireTLS = rapid.Bool().Draw(d.t, "require_tls")
		d.p.DockerAPI = api
	}
	if seldom(d.t, "swarm") {
		d.p.Swarm = &policy.Swarm{Peers: d.addresses(), Origin: d.origin("swarm", "")}
	}
	d.blocks()
	d.quarantines()
}

// Checks are the checks of the audit that quarantine blocks name.
func Checks() []string {
	return []string{"container.docker-socket", "container.exec-privileged", "container.privileged"}
}

// quarantines are seldom drawn: they close much.
func (d *document) quarantines() {
	for i := range pick(d.t, "quarantines", []int{0, 0, 0, 1, 2}) {
		n := fmt.Sprint("q", i)
		q := &policy.Quarantine{Name: n, On: some(d.t, "on", Checks()), Origin: d.origin("quarantine", n)}
		if rapid.Bool().Draw(d.t, "spares") {
			q.Except = d.selectors()
		}
		d.p.Quarantines = append(d.p.Quarantines, q)
	}
}

func (d *document) direct() {
	for i := range d.count() {
		n := fmt.Sprint("d", i)
		b := &policy.Direct{Name: n, Ports: d.ownPorts(containerPorts()), From: d.addresses(), Except: d.except(), Via: d.via(), Origin: d.origin("direct", n)}
		if often(d.t, "to containers") {
			b.To = d.selectors()
		}
		if seldom(d.t, "to addresses") {
			b.Behind.Literals = masked(some(d.t, "behind", prefixes("10.8.0.0/24", "10.8.0.7/32", "fd08::/64", "172.18.0.0/16", "fd18::2/128")))
		}
		d.p.Direct = append(d.p.Direct, b)
	}
}

// blocks seldom block everybody: nothing else would be seen then.
func (d *document) blocks() {
	for i := range pick(d.t, "blocks", []int{0, 0, 0, 1, 2}) {
		n := fmt.Sprint("x", i)
		b := &policy.Block{Name: n, Origin: d.origin("block", n)}
		if rapid.Bool().Draw(d.t, "blocks from") {
			b.From = d.narrow()
		}
		if b.From.Empty() || rapid.Bool().Draw(d.t, "blocks to") {
			b.To = d.narrow()
		}
		d.p.Blocks = append(d.p.Blocks, b)
	}
}

func (d *document) narrow() policy.AddressList {
	if seldom(d.t, "blocks many") && seldom(d.t, "really") {
		return d.addresses()
	}
	hosts := slices.DeleteFunc(pool(), func(p netip.Prefix) bool { return p.Bits() < p.Addr().BitLen()-8 })
	return policy.AddressList{Literals: masked(some(d.t, "blocked", hosts))}
}
