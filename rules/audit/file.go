package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

// fileRule is what a file's owner and mode should be.
type fileRule struct {
	id, title string
	cis       CIS
	severity  finding.Severity
	// paths are the places where the file is looked for: the first that is there counts.
	paths []string
	// setting is dockerd's setting that names the file; empty if there is none.
	setting string
	// below: each file below the path.
	below bool
	// most are the permission bits that it may have at most.
	most uint32
}

// certsFolder holds the certificates of registries.
const certsFolder = "/etc/docker/certs.d"

func fileRules() []fileRule {
	units := func(name string) []string {
		var paths []string
		for _, dir := range []string{"/etc/systemd/system/", "/run/systemd/system/", "/usr/local/lib/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/"} {
			paths = append(paths, dir+name)
		}
		return paths
	}
	return []fileRule{
		{id: "docker-service", title: "The unit docker.service", cis: cis("3.1", "3.2"), severity: finding.High, paths: units("docker.service"), most: 0o644},
		{id: "docker-socket-unit", title: "The unit docker.socket", cis: cis("3.3", "3.4"), severity: finding.High, paths: units("docker.socket"), most: 0o644},
		{id: "etc-docker", title: "The folder /etc/docker", cis: cis("3.5", "3.6"), severity: finding.High, paths: []string{"/etc/docker"}, most: 0o755},
		{id: "registry-certificates", title: "Each certificate of a registry", cis: cis("3.7", "3.8"), severity: finding.Medium, paths: []string{certsFolder}, below: true, most: 0o444},
		{id: "tls-ca", title: "The CA certificate of the API", cis: cis("3.9", "3.10"), severity: finding.Medium, setting: "tlscacert", most: 0o444},
		{id: "tls-certificate", title: "The server's certificate of the API", cis: cis("3.11", "3.12"), severity: finding.Medium, setting: "tlscert", most: 0o444},
		{id: "tls-key", title: "The server's key of the API", cis: cis("3.13", "3.14"), severity: finding.High, setting: "tlskey", most: 0o400},
		{id: "docker-sock", title: "The socket of the API", cis: cis("3.15", "3.16"), severity: finding.High, paths: []string{"/var/run/docker.sock"}, most: 0o660},
		{id: "daemon-json", title: "The file daemon.json", cis: cis("3.17", "3.18"), severity: finding.High, paths: []string{"/etc/docker/daemon.json"}, most: 0o644},
		{id: "default-docker", title: "The file /etc/default/docker", cis: cis("3.19", "3.20"), severity: finding.High, paths: []string{"/etc/default/docker"}, most: 0o644},
		{id: "sysconfig-docker", title: "The file /etc/sysconfig/docker", cis: cis("3.21", "3.22"), severity: finding.High, paths: []string{"/etc/sysconfig/docker"}, most: 0o644},
		{id: "containerd-sock", title: "The socket of containerd", cis: cis("3.23", "3.24"), severity: finding.High, paths: []string{"/run/containerd/containerd.sock"}, most: 0o660},
		{id: "containerd-config", title: "The file /etc/containerd/config.toml", severity: finding.High, paths: []string{"/etc/containerd/config.toml"}, most: 0o644},
		{id: "dockwall-config", title: "The file /etc/dockwall/agent.hcl", severity: finding.High, paths: []string{"/etc/dockwall/agent.hcl"}, most: 0o644},
	}
}

// Files returns the paths whose owner and mode the audit asks for, of a daemon with
// these settings. Folders are those whose files it asks for.
func Files(d *inventory.Daemon) (files, folders []string) {
	for _, r := range fileRules() {
		switch s, _ := d.Setting(cmpSetting(r.setting)); {
		case r.below:
			folders = append(folders, r.paths...)
		case r.setting != "" && s.Last() != "":
			files = append(files, s.Last())
		}
		if !r.below {
			files = append(files, r.paths...)
		}
	}
	for _, w := range watched() {
		files = append(files, w.paths...)
	}
	slices.Sort(files)
	return slices.Compact(files), folders
}

// cmpSetting is a setting's name, or one that dockerd does not have.
func cmpSetting(name string) string {
	if name == "" {
		return "no-setting"
	}
	return name
}

func fileChecks() []Check {
	var all []Check
	for _, r := range fileRules() {
		all = append(all, Check{ID: "host.file-" + r.id, Group: HostGroup, Severity: r.severity, CIS: r.cis,
			Title:   fmt.Sprintf("%s belongs to root, and its mode is at most %04o", r.title, r.most),
			Why:     "Who can write or replace it decides how Docker runs, and so is root; who can read a key is the server.",
			Decides: "owner and permission bits of the file behind symbolic links, and of each folder above it",
			Fix:     fmt.Sprintf("chown root FILE; chmod %04o FILE; no folder above may be writable by others.", r.most),
			host:    r.judge})
	}
	return all
}

func (r fileRule) judge(f *facts) verdict {
	paths := r.paths
	if r.setting != "" {
		s, reason := f.Daemon.Setting(r.setting)
		switch {
		case reason != "":
			return unknown("%s", reason)
		case !s.Set():
			return absent("dockerd has no setting %s", r.setting)
		}
		paths = []string{s.Last()}
	}
	if r.below {
		return r.judgeBelow(f, paths[0])
	}
	for _, p := range paths {
		k, ok := f.Host.Files[p]
		if !ok || !k.Read {
			return unknown("%s: %s", p, k.Why())
		}
		if !k.Value.Missing {
			return r.judgeFile(p, k.Value)
		}
	}
	return absent("there is no %s", paths[0])
}

func (r fileRule) judgeBelow(f *facts, folder string) verdict {
	var bad []string
	n := 0
	for _, p := range slices.Sorted(maps.Keys(f.Host.Files)) {
		k := f.Host.Files[p]
		switch {
		case !within(p, folder):
		case !k.Read:
			return unknown("%s: %s", p, k.Why())
		case k.Value.Missing || k.Value.Kind != "file":
		default:
			n++
			if v := r.judgeFile(p, k.Value); v.state == Fail {
				bad = append(bad, v.detail)
			}
		}
	}
	switch {
	case len(bad) > 0:
		return fail("%s", list(bad))
	case n > 0:
		return pass("%d files in %s", n, folder)
	}
	if k, ok := f.Host.Files[folder]; !ok || !k.Read {
		return unknown("%s: %s", folder, k.Why())
	}
	return absent("there is no file in %s", folder)
}

// judgeFile compares bits, not numbers: 0577 is less than 0644, and lets others write.
func (r fileRule) judgeFile(path string, k inventory.File) verdict {
	if k.Real != path && k.Real != "" {
		path += " (" + k.Real + ")"
	}
	if extra := k.Mode &^ r.most; extra != 0 {
		return fail("%s has mode %04o; %04o is too much", path, k.Mode, extra)
	}
	if k.Owner != "root" {
		return fail("%s belongs to %s", path, k.Owner)
	}
	for _, p := range k.Parents {
		const others, sticky = 0o002, 0o1000
		switch {
		case p.Owner != "root":
			return fail("%s is below %s, which belongs to %s", path, p.Path, p.Owner)
		case p.Mode&others != 0 && p.Mode&sticky == 0:
			return fail("%s is below %s, which everyone may write (mode %04o)", path, p.Path, p.Mode)
		}
	}
	return pass("%s has mode %04o and belongs to root", path, k.Mode)
}

// watchedFile is a file of which the kernel's audit should report changes.
type watchedFile struct {
	id    string
	cis   CIS
	paths []string
	// program: its starts should be reported as well.
	program bool
}

func watched() []watchedFile {
	bin := func(name string) []string {
		return []string{"/usr/bin/" + name, "/usr/sbin/" + name, "/usr/local/bin/" + name}
	}
	unit := func(name string) []string {
		return []string{"/etc/systemd/system/" + name, "/usr/lib/systemd/system/" + name, "/lib/systemd/system/" + name}
	}
	return []watchedFile{
		{"dockerd", cis("1.1.3"), bin("dockerd"), true},
		{"run-containerd", cis("1.1.4"), []string{"/run/containerd"}, false},
		{"docker-data", cis("1.1.5"), []string{"/var/lib/docker"}, false},
		{"etc-docker", cis("1.1.6"), []string{"/etc/docker"}, false},
		{"docker-service", cis("1.1.7"), unit("docker.service"), false},
		{"containerd-sock", cis("1.1.8"), []string{"/run/containerd/containerd.sock"}, false},
		{"docker-socket-unit", cis("1.1.9"), unit("docker.socket"), false},
		{"default-docker", cis("1.1.10"), []string{"/etc/default/docker"}, false},
		{"daemon-json", cis("1.1.11"), []string{"/etc/docker/daemon.json"}, false},
		{"containerd-config", cis("1.1.12"), []string{"/etc/containerd/config.toml"}, false},
		{"sysconfig-docker", cis("1.1.13"), []string{"/etc/sysconfig/docker"}, false},
		{"containerd", cis("1.1.14"), bin("containerd"), true},
		{"containerd-shim", cis("1.1.15"), bin("containerd-shim"), true},
		{"containerd-shim-runc-v1", cis("1.1.16"), bin("containerd-shim-runc-v1"), true},
		{"containerd-shim-runc-v2", cis("1.1.17"), bin("containerd-shim-runc-v2"), true},
		{"runc", cis("1.1.18"), append(bin("runc"), "/usr/libexec/docker/runc"), true},
	}
}

func ruleChecks() []Check {
	var all []Check
	for _, w := range watched() {
		title := "The kernel's audit reports changes of " + w.paths[0]
		if w.program {
			title = "The kernel's audit reports starts of " + w.paths[0]
		}
		all = append(all, Check{ID: "host.audit-rule-" + w.id, Group: HostGroup, Severity: finding.Low, CIS: w.cis, Title: title,
			Why:     "After an attack, the audit log says who changed or started what.",
			Decides: "the kernel's rules (netlink AUDIT_LIST_RULES): the first that names exactly this path or a folder above it, or the program",
			Fix:     "Add to /etc/audit/rules.d/docker.rules: " + w.line() + "; then augenrules --load.", host: w.judge})
	}
	return all
}

// line is a rule for auditctl.
func (w watchedFile) line() string {
	perms := "wa"
	if w.program {
		perms = "rwxa"
	}
	return fmt.Sprintf("-w %s -p %s -k docker", w.paths[0], perms)
}

func (w watchedFile) judge(f *facts) verdict {
	for _, p := range w.paths {
		k, ok := f.Host.Files[p]
		if !ok || !k.Read {
			return unknown("%s: %s", p, k.Why())
		}
		if !k.Value.Missing {
			return w.judgeRules(f, p, k.Value.Real)
		}
	}
	return absent("there is no %s", w.paths[0])
}

func (w watchedFile) judgeRules(f *facts, path, real string) verdict {
	if !f.Host.AuditRules.Read {
		return unknown("%s", f.Host.AuditRules.Why())
	}
	partly := ""
	for _, r := range f.Host.AuditRules.Value {
		named := r.Path != "" && (r.Path == real || r.Path == path || r.Dir && (within(real, r.Path) || within(path, r.Path))) ||
			w.program && r.Exe != "" && (r.Exe == real || r.Exe == path)
		switch {
		case !named:
		case r.Filtered:
			partly = "a rule names " + path + ", with further conditions"
		case r.Never:
			return fail("a rule keeps accesses to %s from being reported", path)
		case w.enough(r):
			return pass("a rule names %s", path)
		default:
			partly = fmt.Sprintf("a rule names %s, but reports only %s", path, r.Perms)
		}
	}
	if partly != "" {
		return fail("%s", partly)
	}
	return fail("no rule names %s", path)
}

// enough reports whether the rule reports what is asked for.
func (w watchedFile) enough(r inventory.AuditRule) bool {
	if w.program {
		return r.Perms == "" || strings.Contains(r.Perms, "x")
	}
	return r.Perms == "" || strings.Contains(r.Perms, "w") && strings.Contains(r.Perms, "a")
}
