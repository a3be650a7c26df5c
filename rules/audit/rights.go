package audit

import (
	"fmt"
	"strings"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

func rightsChecks() []Check {
	return []Check{
		{ID: "container.privileged", Group: Containers, Severity: finding.High, CIS: cis("5.5"),
			Title:   "The container is not privileged",
			Why:     "A privileged container has every capability and device, and no filter: its root can take over the host.",
			Decides: "HostConfig.Privileged", Fix: "Start it without --privileged; give it the one capability or device that it needs.", container: privileged},
		{ID: "container.exec-privileged", Group: Containers, Severity: finding.High, CIS: cis("5.23"),
			Title:   "No process in the container has more rights than its first one",
			Why:     "docker exec --privileged gives a process every capability, in a container that was started without.",
			Decides: "CapBnd of each process of the container's cgroup; agentd: the engine's word on each docker exec as well", Fix: "End the process; use docker exec without --privileged.", container: execPrivileged},
		{ID: "container.capabilities", Group: Containers, Severity: finding.High, CIS: cis("5.4"),
			Title:   "The container has no capability beyond Docker's default",
			Why:     "Capabilities such as SYS_ADMIN, SYS_PTRACE or NET_ADMIN are ways out of the container.",
			Decides: "CapBnd of /proc/PID/status; of one that does not run, CapAdd and CapDrop", Fix: "Start it with --cap-drop ALL and --cap-add of what it needs.", container: capabilities},
		{ID: "container.net-raw", Group: Containers, Severity: finding.Low, CIS: cis("5.4"),
			Title:   "The container cannot write raw packets",
			Why:     "With NET_RAW, which Docker gives by default, a process forges ARP and packets of its neighbours.",
			Decides: "CapBnd of /proc/PID/status; of one that does not run, CapAdd and CapDrop", Fix: "Start it with --cap-drop NET_RAW.", container: netRaw},
		{ID: "container.seccomp", Group: Containers, Severity: finding.High, CIS: cis("5.22"),
			Title:   "System calls of the container are filtered",
			Why:     "Without the filter each system call of the kernel can be attacked.",
			Decides: "Seccomp of /proc/PID/status, and SecurityOpt", Fix: "Start it without --security-opt seccomp=unconfined.", container: seccomp},
		{ID: "container.apparmor", Group: Containers, Severity: finding.Medium, CIS: cis("5.2"),
			Title:   "An AppArmor profile is enforced on the container",
			Why:     "The profile keeps root of the container from writing to /proc and /sys, and from mounting.",
			Decides: "/proc/PID/attr/current; of one that does not run, AppArmorProfile and SecurityOpt", Fix: "Start it without --security-opt apparmor=unconfined; load the profile.", container: appArmor},
		{ID: "container.selinux", Group: Containers, Severity: finding.Medium, CIS: cis("5.3"),
			Title:   "SELinux confines the container",
			Why:     "The label keeps the container's processes from files of the host and of other containers.",
			Decides: "/proc/PID/attr/current; of one that does not run, ProcessLabel and SecurityOpt", Fix: "Start it without --security-opt label=disable, and dockerd with --selinux-enabled.", container: seLinux},
		{ID: "container.no-new-privileges", Group: Containers, Severity: finding.Medium, CIS: cis("5.26"),
			Title:   "Processes of the container cannot gain rights",
			Why:     "Without it, a setuid program in the image makes any user of the container root.",
			Decides: "NoNewPrivs of /proc/PID/status; of one that does not run, SecurityOpt and dockerd's default", Fix: "Start it with --security-opt no-new-privileges.", container: noNewPrivileges},
		{ID: "container.root", Group: Containers, Severity: finding.Medium, CIS: cis("4.1"),
			Title:   "The container does not run as root of the host",
			Why:     "A process that breaks out as root is root on the host.",
			Decides: "Uid of /proc/PID/status, as the host counts; of one that does not run, Config.User", Fix: "Start it with --user, or use user namespaces.", container: containerRoot},
	}
}

func privileged(_ *facts, c *inventory.Container) verdict {
	return when(c.Privileged, "HostConfig.Privileged is true", "HostConfig.Privileged is false")
}

func execPrivileged(_ *facts, c *inventory.Container) verdict {
	switch {
	case !c.Running():
		return absent("the container does not run")
	case len(c.PrivilegedExecs) > 0:
		return fail("docker exec --privileged started process %s", list(c.PrivilegedExecs))
	case !c.Process.Status.Read:
		return unknown("%s", c.Process.Status.Why())
	case !c.Process.Members.Read:
		return unknown("%s", c.Process.Members.Why())
	}
	for _, m := range c.Process.Members.Value {
		if more := m.CapBnd &^ c.Process.Status.Value.CapBnd; more != 0 {
			return fail("/proc/%d/status: CapBnd has %s, which the first process has not", m.PID, list(capNames(more)))
		}
	}
	return pass("none of its %d processes has", len(c.Process.Members.Value))
}

// capNamesAll are the names of capabilities by their number.
func capNamesAll() []string {
	return strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
		NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE
		SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
		BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)
}

// defaultCaps are the capabilities that Docker gives to a container.
const defaultCaps = 0xa80425fb

const netRawCap = 1 << 13

func capNames(set uint64) []string {
	var names []string
	for i, n := range capNamesAll() {
		if set&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	if rest := set >> len(capNamesAll()); rest != 0 {
		names = append(names, fmt.Sprintf("%d unknown ones", popCount(rest)))
	}
	return names
}

func popCount(n uint64) int { return strings.Count(fmt.Sprintf("%b", n), "1") }

// capsOf are the capabilities of a container: those that the kernel says, or those that
// the engine will give it. where says which of the two.
func capsOf(c *inventory.Container) (set uint64, where string, v *verdict) {
	if c.Running() {
		if !c.Process.Status.Read {
			u := unknown("%s", c.Process.Status.Why())
			return 0, "", &u
		}
		return c.Process.Status.Value.CapBnd, fmt.Sprintf("CapBnd of /proc/%d/status", c.PID), nil
	}
	if c.Privileged {
		return 1<<len(capNamesAll()) - 1, "HostConfig.Privileged", nil
	}
	set = defaultCaps
	change := func(names []string, f func(bits uint64)) {
		for _, n := range names {
			n = strings.TrimPrefix(strings.ToUpper(n), "CAP_")
			for i, known := range capNamesAll() {
				if n == known || n == "ALL" {
					f(1 << i)
				}
			}
		}
	}
	all := func(names []string) bool {
		for _, n := range names {
			if strings.EqualFold(n, "ALL") {
				return true
			}
		}
		return false
	}
	// As in the engine, one that is named beats ALL on the other side.
	switch {
	case all(c.CapAdd):
		change(c.CapAdd, func(b uint64) { set |= b })
		change(c.CapDrop, func(b uint64) { set &^= b })
	default:
		change(c.CapDrop, func(b uint64) { set &^= b })
		change(c.CapAdd, func(b uint64) { set |= b })
	}
	return set, "CapAdd and CapDrop", nil
}

func capabilities(_ *facts, c *inventory.Container) verdict {
	set, where, v := capsOf(c)
	if v != nil {
		return *v
	}
	more := set &^ uint64(defaultCaps)
	if more == 0 {
		return pass("%s has no more than the default", where)
	}
	return fail("%s: %s", where, list(capNames(more)))
}

func netRaw(_ *facts, c *inventory.Container) verdict {
	set, where, v := capsOf(c)
	if v != nil {
		return *v
	}
	return when(set&netRawCap != 0, where+" has NET_RAW", where+" lacks NET_RAW")
}

// option is the value of a security option, of name=value, name:value and name alone;
// false if it is not there. The last one counts, as in the engine.
func option(c *inventory.Container, name string) (value string, ok bool) {
	for _, o := range c.SecurityOpt {
		key, v, _ := strings.Cut(o, "=")
		if !strings.Contains(o, "=") {
			key, v, _ = strings.Cut(o, ":")
		}
		if strings.TrimSpace(key) == name {
			value, ok = strings.TrimSpace(v), true
		}
	}
	return value, ok
}

func seccomp(f *facts, c *inventory.Container) verdict {
	if v, _ := option(c, "seccomp"); v == "unconfined" {
		return fail("SecurityOpt has seccomp=unconfined")
	}
	if c.Privileged {
		return fail("it is privileged, which switches the filter off")
	}
	if !c.Running() {
		v := engineSeccomp(f)
		if o, ok := option(c, "seccomp"); ok && v.state != Unknown {
			return pass("SecurityOpt has a profile of its own (%d characters)", len(o))
		}
		return v
	}
	s := c.Process.Status
	if !s.Read {
		return unknown("%s", s.Why())
	}
	return when(s.Value.Seccomp != 2, fmt.Sprintf("/proc/%d/status: Seccomp is %d, though SecurityOpt does not say so", c.PID, s.Value.Seccomp),
		fmt.Sprintf("/proc/%d/status: Seccomp is 2", c.PID))
}

// moduleInForce reports whether the security module is in force on the host; v is set
// if that is not known.
func moduleInForce(f *facts, name string) (bool, *verdict) {
	if f.Host.LSMs.Read {
		for _, m := range f.Host.LSMs.Value {
			if m == name {
				return true, nil
			}
		}
		return false, nil
	}
	if !f.Engine.Read {
		u := unknown("%s", f.Host.LSMs.Why())
		return false, &u
	}
	_, ok := securityOption(f, name)
	return ok, nil
}

func appArmor(f *facts, c *inventory.Container) verdict {
	profile, _ := option(c, "apparmor")
	switch on, v := moduleInForce(f, "apparmor"); {
	case c.Written != nil && profile == "unconfined":
		return fail("SecurityOpt has apparmor=unconfined")
	case v != nil:
		return *v
	case !on:
		return absent("AppArmor is not in force on this host")
	}
	if c.Running() {
		l := c.Process.Label
		if !l.Read {
			return unknown("%s", l.Why())
		}
		said := fmt.Sprintf("/proc/%d/attr/current is %s", c.PID, l.Value)
		return when(!strings.HasSuffix(l.Value, "(enforce)"), said, said)
	}
	switch {
	case profile == "unconfined":
		return fail("SecurityOpt has apparmor=unconfined")
	case profile == "" && c.Privileged:
		return fail("it is privileged, which switches the profile off")
	case c.AppArmorProfile == "unconfined":
		return fail("AppArmorProfile is unconfined")
	}
	return pass("the engine will set a profile")
}

func seLinux(f *facts, c *inventory.Container) verdict {
	label, _ := option(c, "label")
	switch on, v := moduleInForce(f, "selinux"); {
	case c.Written != nil && label == "disable":
		return fail("SecurityOpt has label=disable")
	case v != nil:
		return *v
	case !on:
		return absent("SELinux is not in force on this host")
	}
	if c.Running() {
		l := c.Process.Label
		if !l.Read {
			return unknown("%s", l.Why())
		}
		said := fmt.Sprintf("/proc/%d/attr/current is %s", c.PID, l.Value)
		fields := strings.Split(l.Value, ":")
		// spc_t is the type of a container that is not confined.
		bad := len(fields) < 3 || fields[2] == "spc_t" || strings.HasPrefix(fields[2], "unconfined") || fields[2] == "container_runtime_t" || fields[2] == "docker_t"
		return when(bad, said, said)
	}
	switch {
	case label == "disable":
		return fail("SecurityOpt has label=disable")
	case c.Privileged:
		return fail("it is privileged, which switches the label off")
	case c.ProcessLabel == "":
		return fail("ProcessLabel is empty")
	}
	return pass("ProcessLabel is %s", c.ProcessLabel)
}

func noNewPrivileges(f *facts, c *inventory.Container) verdict {
	if c.Running() {
		s := c.Process.Status
		if !s.Read {
			return unknown("%s", s.Why())
		}
		return when(!s.Value.NoNewPrivs, fmt.Sprintf("/proc/%d/status: NoNewPrivs is 0", c.PID), fmt.Sprintf("/proc/%d/status: NoNewPrivs is 1", c.PID))
	}
	if v, ok := option(c, "no-new-privileges"); ok {
		on := v == "" || v == "true" || v == "1"
		return when(!on, "SecurityOpt has no-new-privileges="+v, "SecurityOpt has no-new-privileges")
	}
	if c.Written != nil { // a file that relies on a setting of one host is not safe on another
		return fail("SecurityOpt lacks no-new-privileges")
	}
	s, reason := f.Daemon.Setting("no-new-privileges")
	if reason != "" {
		return unknown("%s", reason)
	}
	return when(!s.Bool(false), "SecurityOpt lacks no-new-privileges", "dockerd's default is no-new-privileges")
}

func containerRoot(_ *facts, c *inventory.Container) verdict {
	switch {
	case c.Written != nil && (c.User == "" || unset(c.User)):
		return byImage(c.User)
	case !c.Running():
		return when(isRoot(c.User), fmt.Sprintf("Config.User is %q", c.User), "Config.User is "+c.User)
	}
	s := c.Process.Status
	if !s.Read {
		return unknown("%s", s.Why())
	}
	said := fmt.Sprintf("/proc/%d/status: Uid is %d", c.PID, s.Value.UID)
	return when(s.Value.UID == 0, said, said)
}
