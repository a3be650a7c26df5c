package inventory

// Host is what files and the kernel say of the host.
type Host struct {
	// Kernel is the kernel that runs (uname -r), Kernels those that are installed
	// (/lib/modules), each with the time at which it was installed.
	Kernel  Fact[string]           `json:"kernel"`
	Kernels Fact[map[string]int64] `json:"kernels"`
	// Vulnerabilities are those that the kernel knows of the processor.
	Vulnerabilities Fact[map[string]string] `json:"vulnerabilities"`
	// LSMs are the security modules in force.
	LSMs Fact[[]string] `json:"lsms"`
	// Sysctls are kernel settings by their name with dots. One that the kernel does not
	// have has no entry.
	Sysctls Fact[map[string]string] `json:"sysctls"`
	// MountPoints are the host's mount points.
	MountPoints Fact[[]string] `json:"mount_points"`
	// DockerGroup are the users other than root that are in the group of Docker's
	// socket, sorted.
	DockerGroup Fact[[]string] `json:"docker_group"`
	// Namespaces are those of process 1.
	Namespaces Fact[map[string]string] `json:"namespaces"`
	// Files are the files that were looked at, by their path.
	Files map[string]Fact[File] `json:"files"`
	// AuditRules are the kernel's.
	AuditRules Fact[[]AuditRule] `json:"audit_rules"`
	// Services are the sockets of the host that are listened on by programs other than
	// Docker's and the containers'.
	Services Fact[[]Socket] `json:"services"`
}

// Sysctl is a kernel setting; empty if the kernel does not have it.
func (h *Host) Sysctl(name string) string { return h.Sysctls.Value[name] }

// File is a file's, folder's or socket's owner and mode.
type File struct {
	// Missing: there is none; all else is empty.
	Missing bool `json:"missing,omitempty"`
	// Real is its path behind symbolic links.
	Real string `json:"real,omitempty"`
	Kind string `json:"kind,omitempty"` // file, dir, socket, other
	// Mode are the permission bits with setuid, setgid and sticky, as chmod takes them.
	Mode  uint32 `json:"mode"`
	Owner string `json:"owner,omitempty"` // the user's name, or its number
	Group string `json:"group,omitempty"`
	// Parents are the folders above Real, the root first.
	Parents []Parent `json:"parents,omitempty"`
}

// Parent is a folder above a file.
type Parent struct {
	Path  string `json:"path"`
	Mode  uint32 `json:"mode"`
	Owner string `json:"owner"`
}

// AuditRule is a rule of the kernel's audit that watches a path. Rules about system
// calls alone are left out.
type AuditRule struct {
	// Path is the file (or the folder, if Dir) that is watched; Exe, of the rule that
	// names a program, the program's.
	Path string `json:"path,omitempty"`
	Dir  bool   `json:"dir,omitempty"`
	Exe  string `json:"exe,omitempty"`
	// Perms are the kinds of access that are reported, of r, w, x and a; all if empty.
	Perms string `json:"perms,omitempty"`
	// Never: the rule keeps accesses from being reported.
	Never bool `json:"never,omitempty"`
	// Filtered: the rule has further conditions, such as a user.
	Filtered bool `json:"filtered,omitempty"`
}

// Socket is an address that is listened on.
type Socket struct {
	Addr  string `json:"addr"`
	Port  uint16 `json:"port"`
	Proto string `json:"proto"`
}
