package audit

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

func kernelChecks() []Check {
	return []Check{
		{ID: "kernel.reboot-pending", Group: Kernel, Severity: finding.Medium, CIS: cis("1.2.1"),
			Title:   "The newest kernel that is installed is the one that runs",
			Why:     "All containers share the host's kernel. A repaired kernel protects nothing until the host is restarted.",
			Decides: "uname -r, and when the kernels in /lib/modules were installed",
			Fix:     "Restart the host.", host: rebootPending},
		{ID: "kernel.vulnerabilities", Group: Kernel, Severity: finding.Medium, CIS: cis("1.2.1"),
			Title:   "The kernel mitigates the known vulnerabilities of the processor",
			Why:     "A program in a container may read the memory of others on the same processor.",
			Decides: "/sys/devices/system/cpu/vulnerabilities",
			Fix:     "Update kernel and microcode, and take mitigations=off out of the kernel's command line.", host: vulnerabilities},
		{ID: "kernel.lsm", Group: Kernel, Severity: finding.Medium, CIS: cis("5.2", "5.3"),
			Title:   "The kernel confines containers with AppArmor or SELinux",
			Why:     "Without a security module, a process that breaks out of its namespaces is confined by file permissions alone.",
			Decides: "/sys/kernel/security/lsm",
			Fix:     "Boot with AppArmor or SELinux in lsm= of the kernel's command line, and install its profiles.", host: securityModule},
		{ID: "kernel.seccomp", Group: Kernel, Severity: finding.High, CIS: cisMoved("2.17", "2.18"),
			Title:   "The engine filters system calls by default",
			Why:     "Without the default profile each container can make every system call, such as those of unneeded and untested parts of the kernel.",
			Decides: "SecurityOptions of docker info",
			Fix:     "Take seccomp-profile = unconfined out of dockerd's settings; use a kernel with CONFIG_SECCOMP.", host: engineSeccomp},
		{ID: "kernel.user-namespaces", Group: Kernel, Severity: finding.Medium, CIS: cisMoved("2.9", "2.10"),
			Title:   "User 0 of a container is not user 0 of the host",
			Why:     "A process that breaks out of its container as root is root on the host.",
			Decides: "SecurityOptions of docker info: name=userns or name=rootless",
			Fix:     `Set "userns-remap": "default" in daemon.json, or run dockerd rootless. Images and volumes have to be made again.`, host: userNamespaces},
		{ID: "kernel.rootless", Group: Kernel, Severity: finding.Low, CIS: cis("2.1"),
			Title:   "dockerd runs without root's rights",
			Why:     "Who controls dockerd is root on the host.",
			Decides: "SecurityOptions of docker info: name=rootless",
			Fix:     "Where no container needs the host's network or privileged ports, run dockerd rootless.", host: rootless},
		{ID: "kernel.cgroups", Group: Kernel, Severity: finding.Medium,
			Title:   "The kernel can limit memory, processes and processor time of containers",
			Why:     "A limit that the kernel does not support is accepted and has no effect.",
			Decides: "MemoryLimit, PidsLimit and CPUCfsQuota of docker info",
			Fix:     "Boot with the missing controllers (cgroup_enable=memory, systemd.unified_cgroup_hierarchy=1).", host: ofEngine(cgroups)},
		{ID: "kernel.route-localnet", Group: Kernel, Severity: finding.Medium,
			Title:   "Packets from the network cannot reach the loopback addresses of the host",
			Why:     "With route_localnet, neighbours of the interface reach services that listen on 127.0.0.1 only.",
			Decides: "net.ipv4.conf.*.route_localnet",
			Fix:     "sysctl -w net.ipv4.conf.INTERFACE.route_localnet=0. Docker sets it on its bridges if userland-proxy is false.", host: routeLocalnet},
		{ID: "kernel.conntrack", Group: Kernel, Severity: finding.Medium,
			Title:   "The table of tracked connections has room",
			Why:     "When it is full, the kernel drops the packets of new connections of all containers.",
			Decides: "net.netfilter.nf_conntrack_count and nf_conntrack_max",
			Fix:     "Raise net.netfilter.nf_conntrack_max, and find the container that opens so many connections (conntrack -L).", host: conntrack},
	}
}

func rebootPending(f *facts) verdict {
	h := f.Host
	if !h.Kernel.Read {
		return unknown("%s", h.Kernel.Why())
	}
	if !h.Kernels.Read {
		return unknown("%s", h.Kernels.Why())
	}
	running, known := h.Kernels.Value[h.Kernel.Value]
	if !known {
		if len(h.Kernels.Value) == 0 {
			return unknown("/lib/modules has no kernel: it was installed by other means")
		}
		return fail("the kernel %s runs, and is not installed any more; installed are %s", h.Kernel.Value, list(slices.Sorted(maps.Keys(h.Kernels.Value))))
	}
	for _, name := range slices.Sorted(maps.Keys(h.Kernels.Value)) {
		if flavour(name) == flavour(h.Kernel.Value) && h.Kernels.Value[name] > running && newer(name, h.Kernel.Value) {
			return fail("the kernel %s runs, and %s is installed", h.Kernel.Value, name)
		}
	}
	return pass("the kernel %s is the newest that is installed", h.Kernel.Value)
}

// flavour is the end of a kernel's version that is not its number: amd64, generic.
func flavour(version string) string {
	return version[strings.LastIndexByte(version, '-')+1:]
}

// newer compares the numbers in two versions, from the left.
func newer(a, b string) bool {
	numbers := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	}
	x, y := numbers(a), numbers(b)
	for i := range min(len(x), len(y)) {
		n, _ := strconv.Atoi(x[i])
		m, _ := strconv.Atoi(y[i])
		if n != m {
			return n > m
		}
	}
	return len(x) > len(y)
}

func vulnerabilities(f *facts) verdict {
	v := f.Host.Vulnerabilities
	if !v.Read {
		return unknown("%s", v.Why())
	}
	var open []string
	for _, name := range slices.Sorted(maps.Keys(v.Value)) {
		if strings.HasPrefix(v.Value[name], "Vulnerable") {
			open = append(open, name)
		}
	}
	return when(len(open) > 0, "not mitigated: "+list(open), "each is mitigated, or does not affect this processor")
}

func securityModule(f *facts) verdict {
	m := f.Host.LSMs
	if !m.Read {
		return unknown("%s", m.Why())
	}
	for _, name := range []string{"selinux", "apparmor"} {
		if slices.Contains(m.Value, name) {
			return pass("%s is in force", name)
		}
	}
	return fail("/sys/kernel/security/lsm is %s", strings.Join(m.Value, ","))
}

// securityOption is an option of docker info, name=NAME,key=value; ok is false if the
// engine does not list it.
func securityOption(f *facts, name string) (option string, ok bool) {
	for _, o := range f.Engine.Value.SecurityOptions {
		if first, _, _ := strings.Cut(o, ","); first == "name="+name || o == name {
			return o, true
		}
	}
	return "", false
}

func engineSeccomp(f *facts) verdict {
	if !f.Engine.Read {
		return unknown("%s", f.Engine.Why())
	}
	o, ok := securityOption(f, "seccomp")
	switch {
	case !ok:
		return fail("docker info does not list seccomp: this kernel or engine has none")
	case strings.Contains(o, "profile=unconfined"):
		return fail("docker info says %s", o)
	}
	return pass("docker info says %s", o)
}

func userNamespaces(f *facts) verdict {
	if !f.Engine.Read {
		return unknown("%s", f.Engine.Why())
	}
	for _, name := range []string{"userns", "rootless"} {
		if _, ok := securityOption(f, name); ok {
			return pass("docker info says name=%s", name)
		}
	}
	return fail("docker info lists neither name=userns nor name=rootless")
}

func rootless(f *facts) verdict {
	if !f.Engine.Read {
		return unknown("%s", f.Engine.Why())
	}
	_, ok := securityOption(f, "rootless")
	return when(!ok, "docker info does not list name=rootless", "docker info says name=rootless")
}

func cgroups(e inventory.Engine) verdict {
	var missing []string
	for _, l := range []struct {
		name string
		ok   bool
	}{{"MemoryLimit", e.MemoryLimit}, {"PidsLimit", e.PidsLimit}, {"CPUCfsQuota", e.CPUQuota}} {
		if !l.ok {
			missing = append(missing, l.name)
		}
	}
	return when(len(missing) > 0, "docker info says no to "+list(missing), "docker info has all three limits")
}

func routeLocalnet(f *facts) verdict {
	s := f.Host.Sysctls
	if !s.Read {
		return unknown("%s", s.Why())
	}
	var on []string
	for _, name := range slices.Sorted(maps.Keys(s.Value)) {
		if strings.HasSuffix(name, ".route_localnet") && s.Value[name] != "0" && !strings.HasPrefix(name, "net.ipv4.conf.lo.") {
			on = append(on, name)
		}
	}
	return when(len(on) > 0, "switched on: "+list(on), "no interface has it")
}

func conntrack(f *facts) verdict {
	if !f.Host.Sysctls.Read {
		return unknown("%s", f.Host.Sysctls.Why())
	}
	count, most := f.Host.Sysctl("net.netfilter.nf_conntrack_count"), f.Host.Sysctl("net.netfilter.nf_conntrack_max")
	if count == "" || most == "" {
		return absent("the kernel does not track connections")
	}
	n, err1 := strconv.ParseUint(count, 10, 64)
	m, err2 := strconv.ParseUint(most, 10, 64)
	if err1 != nil || err2 != nil {
		return unknown("the kernel says %q of %q", count, most)
	}
	v := "nf_conntrack_count is " + count + " of nf_conntrack_max = " + most
	return when(m > 0 && n*5 > m*4, v+": over 80 %", v)
}
