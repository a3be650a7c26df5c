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
