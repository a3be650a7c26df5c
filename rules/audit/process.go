package audit

import (
	"fmt"
	"slices"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

func processChecks() []Check {
	return []Check{
		{ID: "container.sshd", Group: Containers, Severity: finding.Medium, CIS: cis("5.7"),
			Title:   "No SSH server runs in the container",
			Why:     "It is a further way in, with keys and passwords of its own that are rarely renewed.",
			Decides: "the programs of its processes (/proc/PID/exe), and a socket that listens on port 22 in its network namespace", Fix: "Take it out of the image; use docker exec.", container: sshd},
		{ID: "container.packet-socket", Group: Containers, Severity: finding.Medium,
			Title:   "No process in the container reads or writes whole frames",
			Why:     "A packet socket is how a sniffer sees, and how forged ARP is sent.",
			Decides: "/proc/PID/net/packet, and the open files of the container's processes (/proc/PID/fd)", Fix: "Find the program (ss -0p in its network namespace); start the container with --cap-drop NET_RAW.", container: packetSocket},
		{ID: "container.promiscuous", Group: Containers, Severity: finding.Medium,
			Title:   "No interface of the container takes frames that are for others",
			Why:     "A sniffer switches that on to read its neighbours' frames.",
			Decides: "IFLA_PROMISCUITY of the interfaces in its network namespace, as the kernel tells it by netlink; ports of bridges inside it are left out", Fix: "Find the program (ss -0p in its network namespace); start the container with --cap-drop NET_RAW and without NET_ADMIN.", container: promiscuous},
		{ID: "container.one-service", Group: Containers, Severity: finding.Low,
			Title:   "The container runs one service",
			Why:     "Several services in one container are neither limited nor updated by themselves.",
			Decides: "how many processes lead a session; whether they are one service, a person has to decide", Fix: "Make a container of each service.", container: oneService},
	}
}

func sshServers() []string {
	return []string{"sshd", "dropbear", "sshd-session", "in.telnetd", "telnetd"}
}

func sshd(_ *facts, c *inventory.Container) verdict {
	if !c.Running() {
		return absent("the container does not run")
	}
	if !c.Process.Members.Read {
		return unknown("%s", c.Process.Members.Why())
	}
	unseen := 0
	for _, m := range c.Process.Members.Value {
		if m.Exe == "" {
			unseen++
		}
		if slices.Contains(sshServers(), base(m.Exe)) {
			return fail("/proc/%d/exe is %s", m.PID, m.Exe)
		}
	}
	if c.NetworkMode != "host" {
		if !c.Process.Listening.Read {
			return unknown("%s", c.Process.Listening.Why())
		}
		if slices.Contains(c.Process.Listening.Value, 22) {
			return fail("a process listens on port 22")
		}
	}
	if unseen > 0 {
		return unknown("the program of %d of its processes cannot be read", unseen)
	}
	return pass("none of its %d processes is one", len(c.Process.Members.Value))
}

func packetSocket(_ *facts, c *inventory.Container) verdict {
	switch {
	case !c.Running():
		return absent("the container does not run")
	case c.NetworkMode == "host":
		return absent("it uses the host's network, where the host's own programs have such sockets")
	case !c.Process.PacketSockets.Read:
		return unknown("%s", c.Process.PacketSockets.Why())
	}
	n := c.Process.PacketSockets.Value
	return when(n > 0, fmt.Sprintf("/proc/%d/net/packet lists %d", c.PID, n), fmt.Sprintf("/proc/%d/net/packet lists none", c.PID))
}

func promiscuous(_ *facts, c *inventory.Container) verdict {
	switch {
	case !c.Running():
		return absent("the container does not run")
	case c.NetworkMode == "host":
		return absent("it uses the host's network, whose interfaces are the host's")
	case c.NetworkMode == "none":
		return absent("it has no network")
	case !c.Process.Promiscuous.Read:
		return unknown("%s", c.Process.Promiscuous.Why())
	}
	found := c.Process.Promiscuous.Value
	return when(len(found) > 0, "IFLA_PROMISCUITY is set on "+list(found), "IFLA_PROMISCUITY is set on none")
}

func oneService(_ *facts, c *inventory.Container) verdict {
	switch {
	case !c.Running():
		return absent("the container does not run")
	case !c.Process.Members.Read:
		return unknown("%s", c.Process.Members.Why())
	}
	var leaders []string
	for _, m := range c.Process.Members.Value {
		if name := base(m.Exe); m.Leader && !slices.Contains(leaders, name) {
			leaders = append(leaders, name)
		}
	}
	if len(leaders) > 1 {
		return noted("processes that lead a session: %s", list(leaders))
	}
	return pass("one program leads a session")
}
