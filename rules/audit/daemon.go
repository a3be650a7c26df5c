package audit

import (
	"strings"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

func daemonChecks() []Check {
	return []Check{
		{ID: "daemon.live-restore", Group: Others, Severity: finding.Low, CIS: cisMoved("2.15", "2.16"),
			Title:   "Containers go on while dockerd is restarted",
			Why:     "Otherwise each update of Docker stops all containers, so that updates are put off.",
			Decides: "LiveRestoreEnabled of docker info; Swarm does not allow it", Fix: `Set "live-restore": true in daemon.json.`, host: liveRestore},
		{ID: "daemon.no-new-privileges", Group: Others, Severity: finding.Medium, CIS: cisMoved("2.14", "2.15"),
			Title:   "Containers cannot gain rights, unless one is allowed to",
			Why:     "What each docker run has to think of is forgotten.",
			Decides: "no-new-privileges in daemon.json and dockerd's arguments", Fix: `Set "no-new-privileges": true in daemon.json.`,
			host: func(f *facts) verdict { return settingOn(f, "no-new-privileges", false) }},
		{ID: "daemon.authorization", Group: Others, Severity: finding.Low, CIS: cisMoved("2.12", "2.13"),
			Title:   "A plugin decides who may do what with the API",
			Why:     "Without one, each client of the API may do everything.",
			Decides: "Plugins.Authorization of docker info", Fix: "Where several people use the API, set authorization-plugins.", host: ofEngine(authorization)},
		{ID: "daemon.log-driver", Group: Others, Severity: finding.Low, CIS: cisMoved("2.13", "2.14"),
			Title:   "Logs of containers are limited or sent elsewhere by default",
			Why:     "json-file without max-size fills the disk.",
			Decides: "LoggingDriver of docker info, and log-opts in daemon.json and dockerd's arguments", Fix: `Set "log-driver": "local" in daemon.json, or "log-opts": {"max-size": "10m"}.`, host: logDriver},
		{ID: "daemon.log-level", Group: Others, Severity: finding.Low, CIS: cis("2.3"),
			Title:   "dockerd logs at the level info",
			Why:     "Debugging output holds more than a log should; warnings alone do not say what was done.",
			Decides: "Debug of docker info, and log-level in daemon.json and dockerd's arguments", Fix: `Set "log-level": "info" in daemon.json.`, host: logLevel},
		{ID: "daemon.default-ulimits", Group: Others, Severity: finding.Low, CIS: cisMoved("2.8", "2.9"),
			Title:   "Containers have limits of open files and processes by default",
			Why:     "Without them, containers get those of dockerd, which are high.",
			Decides: "default-ulimits in daemon.json and dockerd's arguments", Fix: `Set "default-ulimits" in daemon.json.`, host: defaultUlimits},
		{ID: "daemon.cgroup-parent", Group: Others, Severity: finding.Low, CIS: cisMoved("2.10", "2.11"),
			Title:   "Containers run below the engine's own cgroup by default",
			Why:     "Elsewhere, other limits hold than the administrator expects.",
			Decides: "cgroup-parent in daemon.json and dockerd's arguments", Fix: "Take cgroup-parent out of dockerd's settings.", host: daemonCgroupParent},
		{ID: "daemon.storage-driver", Group: Others, Severity: finding.Medium, CIS: CIS{V16: []string{"2.6", "2.11"}, V18: []string{"2.6", "2.7", "2.12"}},
			Title:   "The storage driver is one that is maintained",
			Why:     "aufs and devicemapper get no repairs; engines of today no longer have them.",
			Decides: "Driver of docker info", Fix: "Use overlay2, or containerd's image store.", host: ofEngine(storageDriver)},
		{ID: "daemon.experimental", Group: Others, Severity: finding.Low, CIS: cisMoved("2.18", ""),
			Title:   "Experimental features are off",
			Why:     "They are neither stable nor tested as the rest.",
			Decides: "ExperimentalBuild of docker info", Fix: "Take experimental out of dockerd's settings.", host: ofEngine(experimental)},
		{ID: "daemon.warnings", Group: Others, Severity: finding.Low,
			Title:   "The engine warns of nothing",
			Why:     "docker info says what the kernel lacks, and which settings are dangerous.",
			Decides: "Warnings of docker info", Fix: "Do what the warning says.", host: ofEngine(engineWarnings)},
	}
}

func liveRestore(f *facts) verdict {
	switch {
	case !f.Engine.Read:
		return unknown("%s", f.Engine.Why())
	case f.Engine.Value.Swarm.Active:
		return absent("the engine is part of a Swarm")
	}
	return when(!f.Engine.Value.LiveRestore, "LiveRestoreEnabled is false", "LiveRestoreEnabled is true")
}

func authorization(e inventory.Engine) verdict {
	p := e.AuthPlugins
	return when(len(p) == 0, "docker info lists no plugin", "plugins: "+list(p))
}

func logDriver(f *facts) verdict {
	if !f.Engine.Read {
		return unknown("%s", f.Engine.Why())
	}
	d := f.Engine.Value.LoggingDriver
	switch d {
	case "none":
		return fail("the default is none: nothing is kept")
	case "json-file":
		s, reason := f.Daemon.Setting("log-opt", "log-opts")
		if reason != "" {
			return unknown("%s", reason)
		}
		for _, v := range s.Values {
			if size, ok := strings.CutPrefix(v, "max-size="); ok && size != "-1" {
				return pass("the default is json-file, max-size is %s", size)
			}
		}
		return fail("the default is json-file without max-size")
	case "":
		return unknown("docker info names no log driver")
	}
	return pass("the default is %s", d)
}

func logLevel(f *facts) verdict {
	if f.Engine.Read && f.Engine.Value.Debug {
		return fail("docker info says Debug")
	}
	s, reason := f.Daemon.Setting("log-level")
	switch {
	case !f.Engine.Read:
		return unknown("%s", f.Engine.Why())
	case reason != "":
		return unknown("%s", reason)
	case !s.Set():
		return pass("log-level is not set, and info by default")
	}
	return when(s.Last() != "info", "log-level is "+s.Last()+" in "+s.Where, "log-level is info")
}

func defaultUlimits(f *facts) verdict {
	s, reason := f.Daemon.Setting("default-ulimit", "default-ulimits")
	if reason != "" {
		return unknown("%s", reason)
	}
	return when(!s.Set(), "default-ulimits is not set", "default-ulimits is set in "+s.Where)
}

func daemonCgroupParent(f *facts) verdict {
	s, reason := f.Daemon.Setting("cgroup-parent")
	if reason != "" {
		return unknown("%s", reason)
	}
	return when(s.Set() && s.Last() != "", "cgroup-parent is "+s.Last()+" in "+s.Where, "cgroup-parent is not set")
}

func storageDriver(e inventory.Engine) verdict {
	d := e.StorageDriver
	switch d {
	case "":
		return unknown("docker info names no driver")
	case "aufs", "devicemapper", "overlay":
		return fail("Driver is %s", d)
	}
	return pass("Driver is %s", d)
}

func experimental(e inventory.Engine) verdict {
	return when(e.Experimental, "ExperimentalBuild is true", "ExperimentalBuild is false")
}

func engineWarnings(e inventory.Engine) verdict {
	w := e.Warnings
	return when(len(w) > 0, list(w), "docker info has no warning")
}
