package main

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"time"
)

// cut splits "80/tcp".
func cut(port string) (number, protocol string, ok bool) { return strings.Cut(port, "/") }

// write replaces both tables in one transaction.
func write(e *engine) error {
	networks, endpoints, err := e.state(context.Background())
	if err != nil {
		return nil // the engine ends, or an event says that it is asked again
	}
	return load(tables(networks, endpoints))
}

// writeOneByOne is what a start does: empty tables at first, then one network more at a time.
func writeOneByOne(e *engine) error {
	networks, endpoints, err := e.state(context.Background())
	if err != nil {
		return err
	}
	for n := range len(networks) + 1 {
		if err := load(tables(networks[:n], endpoints)); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

func load(script string) error {
	nft := exec.Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader(script)
	if out, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w\n%s\n%s", err, out, script)
	}
	return nil
}

// tables are both families' tables as a script.
func tables(networks []network, endpoints map[string][]endpoint) string {
	var b strings.Builder
	for _, f := range []family{{"ip", false}, {"ip6", true}} {
		fmt.Fprintf(&b, "table %s docker-bridges\ndelete table %[1]s docker-bridges\ntable %[1]s docker-bridges {\n", f.name)
		f.write(&b, networks, endpoints)
		b.WriteString("}\n")
	}
	return b.String()
}

// family is the table of one IP version.
type family struct {
	name string
	v6   bool
}

func (f family) write(b *strings.Builder, networks []network, endpoints map[string][]endpoint) {
	var in, out, nat, raw, post []string
	for _, n := range networks {
		if f.v6 && !n.EnableIPv6 {
			continue
		}
		br := n.bridge()
		in = append(in, fmt.Sprintf("%q : jump filter-forward-in__%s", br, br))
		out = append(out, fmt.Sprintf("%q : jump filter-forward-out__%s", br, br))
		here := f.endpoints(endpoints[n.ID])
		f.chains(b, n, here)
		for _, e := range here {
			if n.mode(f.v6) == "nat" {
				raw = append(raw, fmt.Sprintf("%s daddr %s iifname != %q counter drop comment \"DROP DIRECT ACCESS\"", f.name, e.addr, br))
			}
			for _, p := range e.ports {
				nat = append(nat, f.dnat(n, e, p)...)
			}
		}
		for _, c := range n.IPAM.Config {
			if subnet, err := netip.ParsePrefix(c.Subnet); err == nil && subnet.Addr().Is6() == f.v6 && n.mode(f.v6) == "nat" && !n.Internal {
				post = append(post, fmt.Sprintf("%s saddr %s oifname != %q counter masquerade comment \"MASQUERADE\"", f.name, subnet, br))
			}
		}
	}
	fmt.Fprintf(b, "map filter-forward-in-jumps {\ntype ifname : verdict\n%s}\n", elements(in))
	fmt.Fprintf(b, "map filter-forward-out-jumps {\ntype ifname : verdict\n%s}\n", elements(out))
	chain(b, "filter-FORWARD", "type filter hook forward priority filter; policy accept;", "oifname vmap @filter-forward-in-jumps", "iifname vmap @filter-forward-out-jumps")
	chain(b, "nat-prerouting-and-output", "", nat...)
	chain(b, "nat-PREROUTING", "type nat hook prerouting priority dstnat; policy accept;", "fib daddr type local counter jump nat-prerouting-and-output")
	local := "fib daddr type local counter jump nat-prerouting-and-output"
	if !f.v6 {
		local = "ip daddr != 127.0.0.0/8 " + local
	}
	chain(b, "nat-OUTPUT", "type nat hook output priority -100; policy accept;", local)
	chain(b, "nat-POSTROUTING", "type nat hook postrouting priority srcnat; policy accept;", post...)
	chain(b, "raw-PREROUTING", "type filter hook prerouting priority raw; policy accept;", raw...)
}

// endpoints are those of the family.
func (f family) endpoints(all []endpoint) []endpoint {
	var here []endpoint
	for _, e := range all {
		if e.addr.Is6() == f.v6 {
			here = append(here, e)
		}
	}
	return here
}

// mode is the network's gateway mode in the family.
func (n network) mode(v6 bool) string {
	mode := n.Options["com.docker.network.bridge.gateway_mode_ipv4"]
	if v6 {
		mode = n.Options["com.docker.network.bridge.gateway_mode_ipv6"]
	}
	if mode == "" {
		return "nat"
	}
	return mode
}

// chains writes the two chains of a network: what goes to it and what comes from it.
func (f family) chains(b *strings.Builder, n network, here []endpoint) {
	br := n.bridge()
	in := []string{"ct state established,related counter accept"}
	between := fmt.Sprintf("iifname %q counter accept comment \"ICC\"", br)
	if n.Options["com.docker.network.bridge.enable_icc"] == "false" {
		between = fmt.Sprintf("iifname %q counter drop comment \"ICC\"", br)
	}
	out := []string{"ct state established,related counter accept", "counter accept comment \"OUTGOING\""}
	if n.Internal {
		in = []string{fmt.Sprintf("iifname != %q counter drop comment \"INTERNAL NETWORK INGRESS\"", br), between}
		out = []string{fmt.Sprintf("oifname != %q counter drop comment \"INTERNAL NETWORK EGRESS\"", br)}
	} else {
		in = append(in, between)
		if n.mode(f.v6) == "routed" {
			protocol := "ip protocol icmp"
			if f.v6 {
				protocol = "meta l4proto ipv6-icmp"
			}
			in = append(in, protocol+" counter accept comment \"ICMP\"")
		}
		for _, e := range here {
			for _, p := range e.ports {
				in = append(in, fmt.Sprintf("%s daddr %s %s dport %s counter accept", f.name, e.addr, p.protocol, p.port))
			}
		}
		in = append(in, "counter drop comment \"UNPUBLISHED PORT DROP\"")
	}
	chain(b, "filter-forward-in__"+br, "", in...)
	chain(b, "filter-forward-out__"+br, "", out...)
}

// dnat are the rules of a published port.
func (f family) dnat(n network, e endpoint, p binding) []string {
	if n.mode(f.v6) != "nat" || n.Internal {
		return nil
	}
	match := fmt.Sprintf("iifname != %q", n.bridge())
	to := e.addr.String()
	if f.v6 {
		match += " ip6 saddr != fe80::/10"
		to = "[" + to + "]"
	}
	if !p.at.IsUnspecified() {
		match += fmt.Sprintf(" %s daddr %s", f.name, p.at)
	}
	return []string{fmt.Sprintf("%s %s dport %s counter dnat to %s:%s comment \"DNAT\"", match, p.protocol, p.published, to, p.port)}
}

func elements(es []string) string {
	if len(es) == 0 {
		return ""
	}
	return "elements = { " + strings.Join(es, ", ") + " }\n"
}

func chain(b *strings.Builder, name, head string, rules ...string) {
	fmt.Fprintf(b, "chain %s {\n%s\n", name, head)
	for _, r := range rules {
		fmt.Fprintf(b, "\t%s\n", r)
	}
	b.WriteString("}\n")
}
