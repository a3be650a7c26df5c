package audit

import (
	"fmt"
	"slices"
	"strings"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

func mountChecks() []Check {
	return []Check{
		{ID: "container.docker-socket", Group: Containers, Severity: finding.High, CIS: cis("5.32"),
			Title:   "The container cannot reach the socket of Docker or another engine",
			Why:     "Who reaches the socket starts a privileged container, and is root on the host. A read-only mount changes nothing.",
			Decides: "the sources of its mounts behind symbolic links: the socket itself, or a folder that holds it",
			Fix:     "Take the mount away. If the container needs a part of the API, put a proxy that filters requests in between.", container: dockerSocket},
		{ID: "container.sensitive-mount", Group: Containers, Severity: finding.High, CIS: cis("5.6"),
			Title:   "The container cannot write to folders of the host's system",
			Why:     "Who writes to /etc, /usr, /boot or /root of the host takes it over.",
			Decides: "the sources of its writable mounts behind symbolic links: below such a folder, or above it",
			Fix:     "Use a volume; mount the one file that is needed, read-only.", container: func(_ *facts, c *inventory.Container) verdict { return sensitive(c, true) }},
		{ID: "container.sensitive-mount-read-only", Group: Containers, Severity: finding.Medium, CIS: cis("5.6"),
			Title:   "The container does not see folders of the host's system",
			Why:     "A program that reads /etc/shadow, SSH keys or /proc of the host learns how to take it over.",
			Decides: "the sources of its read-only mounts behind symbolic links: below such a folder, or above it",
			Fix:     "Mount the one file that is needed.", container: func(_ *facts, c *inventory.Container) verdict { return sensitive(c, false) }},
		{ID: "container.mount-propagation", Group: Containers, Severity: finding.Medium, CIS: cis("5.20"),
			Title:   "Mounts made in the container do not appear on the host",
			Why:     "With shared propagation, a process of the container lays file systems over folders of the host.",
			Decides: "the peer groups of /proc/PID/mountinfo and of process 1; of one that does not run, Propagation of its mounts",
			Fix:     "Mount it without :shared and :rshared.", container: propagation},
		{ID: "container.devices", Group: Containers, Severity: finding.Medium, CIS: cis("5.18"),
			Title:   "The container has no devices of the host",
			Why:     "A disk, /dev/mem or /dev/kmsg lets it read or change the host directly.",
			Decides: "Devices, DeviceRequests (--gpus) and DeviceCgroupRules of HostConfig", Fix: "Start it without --device; for those that it needs, write a skip block with the reason.", container: devices},
		{ID: "container.read-only", Group: Containers, Severity: finding.Low, CIS: cis("5.13"),
			Title:   "The root file system of the container is read-only",
			Why:     "Otherwise an attacker adds programs and changes those that are there.",
			Decides: "/proc/PID/mountinfo; of one that does not run, HostConfig.ReadonlyRootfs", Fix: "Start it with --read-only, and --tmpfs for what it has to write.", container: readOnly},
	}
}

// engineSockets are the sockets of engines.
func engineSockets() []string {
	return []string{"/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/crio/crio.sock", "/run/cri-dockerd.sock", "/run/docker/containerd/containerd.sock"}
}

// path is a mount's source behind symbolic links. /var/run is /run on every system
// with systemd, even if the link could not be read.
func path(m inventory.Mount) string {
	p := m.Real
	if p == "" {
		p = m.Source
	}
	if rest, ok := strings.CutPrefix(p, "/var/run"); ok && (rest == "" || rest[0] == '/') {
		p = "/run" + rest
	}
	return p
}

func dockerSocket(_ *facts, c *inventory.Container) verdict {
	for _, m := range c.Mounts {
		p := path(m)
		if p == "" {
			continue
		}
		for _, s := range engineSockets() {
			if within(s, p) {
				return fail("%s is mounted at %s, and holds %s", m.Source, m.Destination, base(s))
			}
		}
		if m.Socket && slices.ContainsFunc(engineSockets(), func(s string) bool { return base(s) == base(p) }) {
			return fail("%s is mounted at %s", m.Source, m.Destination)
		}
	}
	if v := unreadVolume(c); v != nil {
		return *v
	}
	return pass("none of its %d mounts holds one", len(c.Mounts))
}

// unreadVolume is the verdict where it is not known which folder a volume stands for;
// nil if it is known of all.
func unreadVolume(c *inventory.Container) *verdict {
	for _, m := range c.Mounts {
		if m.Unread != "" {
			v := unknown("whether the volume at %s stands for a folder of the host cannot be read: %s", m.Destination, m.Unread)
			return &v
		}
	}
	return nil
}

// sensitiveFolders are those of the host's system. Volumes are in /var/lib/docker, but
// are no bind mounts.
func sensitiveFolders() []string {
	return []string{"/boot", "/dev", "/etc", "/lib", "/lib64", "/bin", "/sbin", "/proc", "/sys", "/usr", "/root", "/home", "/run", "/var/lib/docker", "/var/lib/containerd"}
}

// harmless are files that tell nothing, and are often mounted read-only.
func harmless() []string {
	return []string{"/etc/localtime", "/etc/timezone", "/etc/hosts", "/etc/resolv.conf", "/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/ca-certificates",
		"/usr/share/zoneinfo", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"}
}

func sensitive(c *inventory.Container, writable bool) verdict {
	var found []string
	for _, m := range c.Mounts {
		p := path(m)
		if m.Type != "bind" || p == "" || m.Writable != writable || isEngineSocket(p) {
			continue
		}
		if !writable && slices.ContainsFunc(harmless(), func(h string) bool { return within(p, h) || within(m.Source, h) }) {
			continue
		}
		if slices.ContainsFunc(sensitiveFolders(), func(s string) bool { return within(p, s) || within(s, p) }) {
			where := m.Source
			if p != m.Source {
				where += " (" + p + ")"
			}
			found = append(found, where+" at "+m.Destination)
		}
	}
	mode := "read-only"
	if writable {
		mode = "writable"
	}
	if v := unreadVolume(c); v != nil && len(found) == 0 {
		return *v
	}
	return when(len(found) > 0, mode+": "+list(found), fmt.Sprintf("none of its %d mounts is, and %s", len(c.Mounts), mode))
}

// isEngineSocket reports whether the path is a socket that container.docker-socket
// names already.
func isEngineSocket(p string) bool { return slices.Contains(engineSockets(), p) }

func propagation(_ *facts, c *inventory.Container) verdict {
	var found []string
	for _, m := range c.Mounts {
		if m.Propagation == "shared" || m.Propagation == "rshared" {
			found = append(found, m.Destination+" is "+m.Propagation)
		}
	}
	if len(found) > 0 {
		return fail("%s", list(found))
	}
	if !c.Running() {
		return pass("none of its %d mounts is shared", len(c.Mounts))
	}
	s := c.Process.SharedMounts
	if !s.Read {
		return unknown("%s", s.Why())
	}
	return when(len(s.Value) > 0, fmt.Sprintf("/proc/%d/mountinfo: shared with the host: %s", c.PID, list(s.Value)), fmt.Sprintf("/proc/%d/mountinfo: nothing is shared with the host", c.PID))
}

func devices(_ *facts, c *inventory.Container) verdict {
	var found []string
	found = append(found, c.Devices...)
	for _, r := range c.DeviceRequests {
		found = append(found, "request of "+r)
	}
	for _, r := range c.DeviceCgroupRules {
		found = append(found, "rule "+r)
	}
	if c.Privileged {
		found = append(found, "all, because it is privileged")
	}
	return when(len(found) > 0, list(found), "it has none")
}

func readOnly(_ *facts, c *inventory.Container) verdict {
	if !c.Running() {
		said := fmt.Sprintf("HostConfig.ReadonlyRootfs is %t", c.ReadonlyRootfs)
		return when(!c.ReadonlyRootfs, said, said)
	}
	r := c.Process.ReadonlyRoot
	if !r.Read {
		return unknown("%s", r.Why())
	}
	return when(!r.Value, fmt.Sprintf("/proc/%d/mountinfo: / is writable", c.PID), fmt.Sprintf("/proc/%d/mountinfo: / is read-only", c.PID))
}
