package audit

import (
	"fmt"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

// maxFiles is how many open files are more than a program needs; engines before 29
// under systemd allow a thousand million.
const maxFiles = 1 << 20

func limitChecks() []Check {
	return []Check{
		{ID: "container.memory", Group: Containers, Severity: finding.Medium, CIS: cis("5.11"),
			Title:   "The memory of the container is limited",
			Why:     "A leak in one container makes the kernel end processes of others, and of the host.",
			Decides: "the memory limit of its cgroup; of one that does not run, HostConfig.Memory", Fix: "Start it with --memory.", container: memory},
		{ID: "container.cpu", Group: Containers, Severity: finding.Low, CIS: cis("5.12"),
			Title:   "The processor time of the container is limited",
			Why:     "One container that computes slows all others down.",
			Decides: "NanoCpus, CpuQuota, CpusetCpus and CpuShares of HostConfig", Fix: "Start it with --cpus.", container: cpu},
		{ID: "container.pids", Group: Containers, Severity: finding.Medium, CIS: cis("5.29"),
			Title:   "The number of processes in the container is limited",
			Why:     "A fork bomb in one container leaves no process for the host.",
			Decides: "pids.max of its cgroup, whatever program set it; of one that does not run, HostConfig.PidsLimit", Fix: "Start it with --pids-limit 512.", container: pids},
		{ID: "container.ulimits", Group: Containers, Severity: finding.Low, CIS: cis("5.19"),
			Title:   fmt.Sprintf("The container may open at most %d files", maxFiles),
			Why:     "One container can use up the files that the kernel can open, and some programs grow slow, because they close all numbers.",
			Decides: "Max open files of /proc/PID/limits; of one that does not run, HostConfig.Ulimits and dockerd's default-ulimits",
			Fix:     `Set "default-ulimits" in daemon.json, or start it with --ulimit nofile=65536.`, container: ulimits},
		{ID: "container.cgroup-parent", Group: Containers, Severity: finding.Low, CIS: cis("5.25"),
			Title:   "The container runs below the engine's cgroup",
			Why:     "Elsewhere, other limits hold than the administrator expects.",
			Decides: "HostConfig.CgroupParent", Fix: "Start it without --cgroup-parent; for a slice that is meant, write a skip block with the reason.", container: cgroupParent},
		{ID: "container.restart", Group: Containers, Severity: finding.Low, CIS: cis("5.15"),
			Title:   "The container is restarted a few times, and only when it fails",
			Why:     "always and unless-stopped restart a program that fails over and over, which hides the failure and uses the processor.",
			Decides: "HostConfig.RestartPolicy", Fix: "Start it with --restart on-failure:5.", container: restart},
		{ID: "container.log", Group: Containers, Severity: finding.Medium, CIS: cisMoved("2.13", "2.14"),
			Title:   "The log of the container is kept, and its size is limited",
			Why:     "json-file without max-size grows until the disk is full; none leaves no trace.",
			Decides: "HostConfig.LogConfig", Fix: `Use the log driver local or journald, or --log-opt max-size=10m.`, container: logSize},
		{ID: "container.healthcheck", Group: Containers, Severity: finding.Low, CIS: cis("5.27"),
			Title:   "The container has a health check",
			Why:     "A program that hangs is not noticed.",
			Decides: "Config.Healthcheck, of the container or its image", Fix: "Start it with --health-cmd, or add HEALTHCHECK to the Dockerfile.", container: healthcheck},
	}
}

func memory(_ *facts, c *inventory.Container) verdict {
	if !c.Running() {
		return when(c.Memory <= 0, "HostConfig.Memory is 0", fmt.Sprintf("HostConfig.Memory is %d", c.Memory))
	}
	m := c.Process.MemoryMax
	if !m.Read {
		return unknown("%s", m.Why())
	}
	return when(m.Value < 0, "its cgroup has no limit of memory", fmt.Sprintf("its cgroup is limited to %d bytes", m.Value))
}

func cpu(_ *facts, c *inventory.Container) verdict {
	const defaultShares = 1024
	switch {
	case c.NanoCPUs > 0:
		return pass("HostConfig.NanoCpus is %d", c.NanoCPUs)
	case c.CPUQuota > 0:
		return pass("HostConfig.CpuQuota is %d", c.CPUQuota)
	case c.Cpuset != "":
		return pass("HostConfig.CpusetCpus is %s", c.Cpuset)
	case c.CPUShares > 0 && c.CPUShares != defaultShares:
		return pass("HostConfig.CpuShares is %d", c.CPUShares)
	}
	return fail("none of NanoCpus, CpuQuota, CpusetCpus and CpuShares is set")
}

func pids(_ *facts, c *inventory.Container) verdict {
	if !c.Running() {
		return when(c.PidsLimit <= 0, fmt.Sprintf("HostConfig.PidsLimit is %d", c.PidsLimit), fmt.Sprintf("HostConfig.PidsLimit is %d", c.PidsLimit))
	}
	p := c.Process.PidsMax
	if !p.Read {
		return unknown("%s", p.Why())
	}
	return when(p.Value < 0, "pids.max of its cgroup is max", fmt.Sprintf("pids.max of its cgroup is %d", p.Value))
}

func ulimits(f *facts, c *inventory.Container) verdict {
	if c.Running() {
		l := c.Process.Limits
		if !l.Read {
			return unknown("%s", l.Why())
		}
		n, ok := l.Value["Max open files"]
		if !ok {
			return unknown("/proc/%d/limits does not name open files", c.PID)
		}
		return tooMany(n, fmt.Sprintf("/proc/%d/limits", c.PID))
	}
	for _, u := range c.Ulimits {
		if u.Name == "nofile" {
			return tooMany(u.Hard, "HostConfig.Ulimits")
		}
	}
	s, reason := f.Daemon.Setting("default-ulimit", "default-ulimits")
	if reason != "" {
		return unknown("%s", reason)
	}
	if s.Set() {
		return pass("default-ulimits is set in %s", s.Where)
	}
	return unknown("the container has no limit of its own, and which one dockerd hands on shows only when it runs")
}

// tooMany judges a limit of open files; -1 is none.
func tooMany(n int64, where string) verdict {
	if n < 0 {
		return fail("%s: open files are not limited", where)
	}
	said := fmt.Sprintf("%s: at most %d open files", where, n)
	return when(n > maxFiles, said, said)
}

func cgroupParent(_ *facts, c *inventory.Container) verdict {
	switch c.CgroupParent {
	case "", "/docker", "docker", "system.slice":
		return pass("HostConfig.CgroupParent is the default")
	}
	return fail("HostConfig.CgroupParent is %s", c.CgroupParent)
}

func restart(_ *facts, c *inventory.Container) verdict {
	const most = 5
	switch c.Restart {
	case "", "no":
		return pass("it is not restarted")
	case "on-failure":
		if c.RestartMax == 0 {
			return fail("RestartPolicy is on-failure without a maximum")
		}
		said := fmt.Sprintf("RestartPolicy is on-failure:%d", c.RestartMax)
		return when(c.RestartMax > most, said, said)
	}
	return fail("RestartPolicy is %s", c.Restart)
}

func logSize(_ *facts, c *inventory.Container) verdict {
	switch c.Log.Driver {
	case "":
		if c.Written != nil {
			return unknown("%s", inventory.HostDecides)
		}
		return unknown("the engine does not say which log driver it uses")
	case "none":
		return fail("LogConfig.Type is none: nothing is kept")
	case "json-file":
		if c.Log.Options["max-size"] == "" || c.Log.Options["max-size"] == "-1" {
			return fail("LogConfig.Type is json-file without max-size")
		}
		return pass("LogConfig.Type is json-file, max-size is %s", c.Log.Options["max-size"])
	}
	return pass("LogConfig.Type is %s", c.Log.Driver)
}

func healthcheck(_ *facts, c *inventory.Container) verdict {
	if c.Written != nil && c.Healthcheck == inventory.HealthAbsent {
		return byImage("")
	}
	return when(c.Healthcheck != inventory.HealthSet, "Config.Healthcheck is "+healthWord(c.Healthcheck), "Config.Healthcheck is set")
}
