package inventory

// Process is what the kernel says of a running container's first process. All facts
// are unread if the container does not run.
type Process struct {
	Status Fact[Status] `json:"status"`
	// Label is /proc/PID/attr/current: the AppArmor profile or the SELinux context.
	Label Fact[string] `json:"label"`
	// HostRoot reports whether user 0 of the container is user 0 of the host
	// (/proc/PID/uid_map).
	HostRoot Fact[bool] `json:"host_root"`
	// Limits are the hard limits of /proc/PID/limits by the kernel's names; -1 is none.
	Limits Fact[map[string]int64] `json:"limits"`
	// PidsMax and MemoryMax are the limits of its own cgroup, which no other container
	// uses up; -1 is none.
	PidsMax   Fact[int64] `json:"pids_max"`
	MemoryMax Fact[int64] `json:"memory_max"`
	// Namespaces are its namespaces by kind: net, pid, ipc, uts, user, cgroup, mnt.
	Namespaces Fact[map[string]string] `json:"namespaces"`
	// ReadonlyRoot reports whether its root is mounted read-only (/proc/PID/mountinfo).
	ReadonlyRoot Fact[bool] `json:"readonly_root"`
	// SharedMounts are the mount points in it that propagate to the host.
	SharedMounts Fact[[]string] `json:"shared_mounts"`
	// Members are all processes of its cgroup.
	Members Fact[[]Member] `json:"members"`
	// Listening are the TCP ports that are listened on in its network namespace.
	Listening Fact[[]uint16] `json:"listening"`
	// PacketSockets is how many packet sockets the processes of its cgroup hold in its
	// network namespace: each sees or writes whole frames.
	PacketSockets Fact[int] `json:"packet_sockets"`
	// Promiscuous are the interfaces in its network namespace that take every frame, ports
	// of bridges left out.
	Promiscuous Fact[[]string] `json:"promiscuous"`
}

// Status is what /proc/PID/status says of a process's rights.
type Status struct {
	// CapBnd is the bounding set: the most that the process or a child can have.
	CapBnd uint64 `json:"cap_bnd"`
	// Seccomp is 0 for none, 1 for strict, 2 for a filter.
	Seccomp    int    `json:"seccomp"`
	NoNewPrivs bool   `json:"no_new_privs"`
	UID        uint32 `json:"uid"` // effective, as the host sees it
}

// Member is a process of a container.
type Member struct {
	PID int `json:"pid"`
	// Exe is the path of its program inside the container; empty if it cannot be read.
	Exe    string `json:"exe,omitempty"`
	CapBnd uint64 `json:"cap_bnd"`
	// Leader reports whether it leads a session.
	Leader bool `json:"leader,omitempty"`
}
