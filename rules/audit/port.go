package audit

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

func portChecks() []Check {
	return []Check{
		{ID: "container.privileged-port", Group: Containers, Severity: finding.Low, CIS: cis("5.8"),
			Title:   "The container takes no privileged port of the host",
			Why:     "Ports below 1024 are those of the host's own services, which clients trust.",
			Decides: "HostConfig.PortBindings, and net.ipv4.ip_unprivileged_port_start", Fix: "Publish a higher port; for a web server, write a skip block with the reason.", container: privilegedPort},
		{ID: "container.published-everywhere", Group: Containers, Severity: finding.Low, CIS: cis("5.14"),
			Title:   "Published ports are bound to one address of the host",
			Why:     "A port on every address is offered to all networks of the host; only the firewall decides who reaches it.",
			Decides: "HostIp in HostConfig.PortBindings: empty, 0.0.0.0, :: or [::]", Fix: "Publish it as -p 10.0.0.5:8080:80.", container: publishedEverywhere},
		{ID: "container.publish-all", Group: Containers, Severity: finding.Low, CIS: cis("5.9"),
			Title:   "Only the ports that were chosen are published",
			Why:     "-P publishes each port that the image exposes, also those of a later version.",
			Decides: "HostConfig.PublishAllPorts", Fix: "Publish the ports that are needed with -p.", container: publishAll},
		{ID: "container.published-unlisted", Group: Containers, Severity: finding.Low, CIS: cis("5.9"),
			Title:   "A published block of agent.hcl is about each published port",
			Why:     "A port that no block names serves no client, if the default denies; if it allows, the port is open to all of them without anyone having decided so.",
			Decides: "HostConfig.PortBindings and PublishAllPorts, and the published blocks of agent.hcl", Fix: "Write a published block that says who may reach it, or start the container without the port.", container: publishedUnlisted},
		{ID: "container.published-idle", Group: Containers, Severity: finding.Low, CIS: cis("5.9"),
			Title:   "A process listens on each published port",
			Why:     "A port without a service is open for the next program that takes it.",
			Decides: "HostConfig.PortBindings, and the TCP sockets that listen in the container's network namespace (/proc/PID/net/tcp). Whether a service is only about to start, a person has to decide", Fix: "Start the container without the port, if nothing is to listen there.", container: publishedIdle},
		{ID: "container.default-bridge", Group: Containers, Severity: finding.Low, CIS: cis("5.30"),
			Title:   "The container is not on Docker's default network",
			Why:     "All containers that name no network meet there, and reach each other.",
			Decides: "HostConfig.NetworkMode, and the container's networks", Fix: "Make a network for the containers that belong together: docker network create.", container: defaultBridge},
	}
}

// unprivilegedStart is the first port that a program without rights may take.
const unprivilegedStart = 1024

func privilegedPort(f *facts, c *inventory.Container) verdict {
	start := uint64(unprivilegedStart)
	// A container needs no rights where the host asks for none; the default stands in
	// for a host that cannot be asked.
	if n, err := strconv.ParseUint(f.Host.Sysctl("net.ipv4.ip_unprivileged_port_start"), 10, 16); err == nil {
		start = n
	}
	var found []string
	for _, p := range c.Ports {
		low, _, _ := strings.Cut(p.HostPort, "-")
		n, err := strconv.ParseUint(low, 10, 16)
		if err == nil && n > 0 && n < start && !slices.Contains(found, p.HostPort) {
			found = append(found, p.HostPort)
		}
	}
	return when(len(found) > 0, "it takes "+list(found), "it takes none")
}

func publishedEverywhere(_ *facts, c *inventory.Container) verdict {
	var found []string
	for _, p := range c.Ports {
		ip := strings.Trim(p.HostIP, "[]")
		a, err := netip.ParseAddr(ip)
		if ip != "" && (err != nil || !a.Unmap().IsUnspecified()) {
			continue
		}
		if n := p.HostPort + " for " + p.Container; !slices.Contains(found, n) {
			found = append(found, strings.TrimSpace(n))
		}
	}
	return when(len(found) > 0, "on every address: "+list(found), "no port is on every address")
}

func publishAll(_ *facts, c *inventory.Container) verdict {
	return when(c.PublishAll, "HostConfig.PublishAllPorts is true", "HostConfig.PublishAllPorts is false")
}

func defaultBridge(_ *facts, c *inventory.Container) verdict {
	mode := c.NetworkMode
	bad := mode == "bridge" || mode == "default" || slices.Contains(c.Networks, "bridge")
	return when(bad, "it is on the network bridge", "it is on another network, or none")
}

// published are the ports that the container publishes, with -P those of the image too.
func published(c *inventory.Container) []inventory.PortBinding {
	if c.NetworkMode == "host" || c.NetworkMode == "none" || strings.HasPrefix(c.NetworkMode, "container:") {
		return nil
	}
	all := slices.Clone(c.Ports)
	if c.PublishAll {
		for _, e := range c.Exposed {
			if !slices.ContainsFunc(c.Ports, func(p inventory.PortBinding) bool { return p.Container == e }) {
				all = append(all, inventory.PortBinding{Container: e})
			}
		}
	}
	return all
}

// portName is a published port for a person.
func portName(p inventory.PortBinding) string {
	if p.HostPort == "" || p.HostPort == "0" {
		return "a port that the engine picks for " + p.Container
	}
	return p.HostPort + " for " + p.Container
}

func publishedUnlisted(f *facts, c *inventory.Container) verdict {
	ports := published(c)
	switch {
	case f.Published == nil:
		return absent("there is no agent.hcl without errors")
	case len(ports) == 0:
		return absent("it publishes no port")
	}
	ports = slices.DeleteFunc(ports, func(p inventory.PortBinding) bool {
		a, err := netip.ParseAddr(strings.Trim(p.HostIP, "[]"))
		return err == nil && a.Unmap().IsLoopback()
	})
	if len(ports) == 0 {
		return pass("only this host reaches its ports")
	}
	var found []string
	for _, p := range ports {
		if n := portName(p); !f.Published.Listed(c, p, f.routed(c)) && !slices.Contains(found, n) {
			found = append(found, n)
		}
	}
	means := "it is closed to other hosts"
	if slices.ContainsFunc(c.Networks, f.Published.Allowed) || len(c.Networks) == 0 && f.Published.Allowed("") {
		means = "the default opens it to every client"
	}
	return when(len(found) > 0, "in no published block: "+list(found)+"; "+means, "a published block is about each of its ports")
}

// routed reports whether a network of the container is in routed mode, in which policies
// name the container's own ports.
func (f *facts) routed(c *inventory.Container) bool {
	return slices.ContainsFunc(f.Networks.Value, func(n inventory.Network) bool {
		o := n.Options
		return slices.Contains(c.Networks, n.Name) &&
			(o["com.docker.network.bridge.gateway_mode_ipv4"] == "routed" || o["com.docker.network.bridge.gateway_mode_ipv6"] == "routed")
	})
}

func publishedIdle(_ *facts, c *inventory.Container) verdict {
	ports := published(c)
	switch {
	case len(ports) == 0:
		return absent("it publishes no port")
	case !c.Running():
		return absent("the container does not run")
	case !c.Process.Listening.Read:
		return unknown("%s", c.Process.Listening.Why())
	}
	var idle []string
	for _, p := range ports {
		port, proto, _ := strings.Cut(p.Container, "/")
		n, err := strconv.ParseUint(port, 10, 16)
		// A UDP socket that answers cannot be told from one that asks.
		tcp := proto == "tcp" || proto == ""
		if err == nil && tcp && !slices.Contains(c.Process.Listening.Value, uint16(n)) && !slices.Contains(idle, p.Container) {
			idle = append(idle, p.Container)
		}
	}
	if len(idle) > 0 {
		return noted("no process listens on %s", list(idle))
	}
	return pass("a process listens on each of its TCP ports")
}
