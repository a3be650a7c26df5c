package audit

import (
	"fmt"
	"strings"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

// sharing is a namespace that a container should not share with the host.
type sharing struct {
	id       string
	kind     string // as below /proc/PID/ns
	what     string
	cis      CIS
	severity finding.Severity
	why, fix string
	mode     func(*inventory.Container) string
	field    string
}

func sharings() []sharing {
	return []sharing{
		{"container.host-network", "net", "network", cis("5.10"), finding.High,
			"Its processes use the host's interfaces and loopback, see its packets, and open ports that no published block covers.",
			"Publish ports of a bridge network instead of --network host.", func(c *inventory.Container) string { return c.NetworkMode }, "NetworkMode"},
		{"container.host-pid", "pid", "process", cis("5.16"), finding.High,
			"Its processes see, and as root signal and trace, all processes of the host.", "Start it without --pid host.",
			func(c *inventory.Container) string { return c.PIDMode }, "PidMode"},
		{"container.host-ipc", "ipc", "IPC", cis("5.17"), finding.Medium,
			"Its processes read and write the shared memory of the host's programs.", "Start it without --ipc host.",
			func(c *inventory.Container) string { return c.IPCMode }, "IpcMode"},
		{"container.host-uts", "uts", "UTS", cis("5.21"), finding.Low,
			"Its root can change the name of the host.", "Start it without --uts host.",
			func(c *inventory.Container) string { return c.UTSMode }, "UTSMode"},
		{"container.host-cgroup", "cgroup", "cgroup", CIS{}, finding.Low,
			"It sees the names of all cgroups of the host.", `Start it with --cgroupns private, or set "default-cgroupns-mode": "private".`,
			func(c *inventory.Container) string { return c.CgroupnsMode }, "CgroupnsMode"},
	}
}

func namespaceChecks() []Check {
	var all []Check
	for _, s := range sharings() {
		all = append(all, Check{ID: s.id, Group: Containers, Severity: s.severity, CIS: s.cis,
			Title: "The container has a " + s.what + " namespace of its own", Why: s.why,
			Decides: fmt.Sprintf("/proc/PID/ns/%s compared with that of process 1, and %s, which is followed through container:NAME", s.kind, s.field),
			Fix:     s.fix, container: s.judge})
	}
	return append(all, Check{ID: "container.host-users", Group: Containers, Severity: finding.Medium, CIS: cis("5.31"),
		Title:   "The container is not excepted from user namespaces",
		Why:     "Where the engine maps user 0 of containers to another user, --userns host switches that off for one.",
		Decides: "/proc/PID/uid_map, and UsernsMode, if the engine uses user namespaces", Fix: "Start it without --userns host.", container: hostUsers})
}

func (s sharing) judge(f *facts, c *inventory.Container) verdict {
	mode, by := s.mode(c), ""
	for range 8 { // as deep as chains of containers are in practice
		name, ok := strings.CutPrefix(mode, "container:")
		if !ok {
			break
		}
		other := f.byID[name]
		if other == nil || other.Unread != "" {
			if !c.Running() {
				return unknown("%s is %s, which cannot be read", s.field, mode)
			}
			break
		}
		mode, by = s.mode(other), " by way of container "+other.Name
	}
	if mode == "host" {
		return fail("%s is host%s", s.field, by)
	}
	if c.Written != nil && (unset(mode) || s.kind == "cgroup" && mode == "") {
		return unknown("%s", inventory.HostDecides) // which default there is depends on the version of cgroups
	}
	if !c.Running() {
		return pass("%s is %s", s.field, orDefault(mode))
	}
	switch own, host := c.Process.Namespaces, f.Host.Namespaces; {
	case !own.Read:
		return unknown("%s", own.Why())
	case !host.Read:
		return unknown("the namespaces of process 1: %s", host.Why())
	case own.Value[s.kind] == "" && host.Value[s.kind] == "":
		return absent("the kernel has no such namespaces")
	case own.Value[s.kind] == host.Value[s.kind]:
		return fail("/proc/%d/ns/%s is that of process 1", c.PID, s.kind)
	}
	return pass("/proc/%d/ns/%s is not that of process 1", c.PID, s.kind)
}

func orDefault(mode string) string {
	if mode == "" {
		return "the default"
	}
	return mode
}

func hostUsers(f *facts, c *inventory.Container) verdict {
	if c.Written != nil && c.UsernsMode == "host" {
		return fail("UsernsMode is host")
	}
	if !f.Engine.Read {
		return unknown("%s", f.Engine.Why())
	}
	if userNamespaces(f).state != Pass {
		return absent("the engine does not use user namespaces")
	}
	if c.UsernsMode == "host" {
		return fail("UsernsMode is host")
	}
	if !c.Running() {
		return pass("UsernsMode is %s", orDefault(c.UsernsMode))
	}
	r := c.Process.HostRoot
	if !r.Read {
		return unknown("%s", r.Why())
	}
	return when(r.Value, fmt.Sprintf("/proc/%d/uid_map maps user 0 to user 0 of the host", c.PID), fmt.Sprintf("/proc/%d/uid_map maps user 0 to another user", c.PID))
}
