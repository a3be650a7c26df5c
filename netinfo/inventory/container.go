package inventory

// Container is one of the engine's: what the API promises of it, and what the kernel
// says of its process.
type Container struct {
	ID   string `json:"id"`
	Name string `json:"name"` // without the leading slash
	// Image is the image's name as it was asked for; ImageID is the image it runs.
	Image   string            `json:"image"`
	ImageID string            `json:"image_id"`
	Labels  map[string]string `json:"labels,omitempty"`
	State   string            `json:"state"` // created, running, paused, restarting, exited, dead
	Times
	// PID is that of its first process; 0 if it does not run.
	PID int `json:"pid,omitempty"`
	// Unread is why it could not be inspected; empty if it was.
	Unread string `json:"unread,omitempty"`

	Config
	HostConfig

	// AppArmorProfile and ProcessLabel are what the engine chose.
	AppArmorProfile string  `json:"apparmor_profile,omitempty"`
	ProcessLabel    string  `json:"process_label,omitempty"`
	Mounts          []Mount `json:"mounts,omitempty"`
	// Networks are the names of its networks.
	Networks []string `json:"networks,omitempty"`
	Witnessed
	Process Process `json:"process"`
	// Written is where it is written, of a service of a Compose file; nil if it is a
	// container of the engine.
	Written *Written `json:"written,omitempty"`
}

// Witnessed is what only agentd, which goes on looking, has seen of a container.
type Witnessed struct {
	// PrivilegedExecs are the IDs of processes that docker exec --privileged asked for and
	// that have not ended.
	PrivilegedExecs []string `json:"privileged_execs,omitempty"`
	// RefusedTargets is at how many addresses and ports it was refused within a minute, if
	// that was many, and 0 otherwise; nil if it is not known, as without agentd.
	RefusedTargets *int `json:"refused_targets,omitempty"`
}

// Times are moments of a container's life.
type Times struct {
	// Finished is when it last ended, in seconds since 1970; 0 if it never ran.
	Finished int64 `json:"finished,omitempty"`
	// Created is in seconds since 1970.
	Created int64 `json:"created,omitempty"`
}

// Running reports whether it has processes, so that the kernel can be asked.
func (c *Container) Running() bool { return c.PID > 0 }

// Config is what of a container's configuration came from the image or was given
// instead.
type Config struct {
	User        string     `json:"user,omitempty"`
	Variables   []Variable `json:"variables,omitempty"`
	Healthcheck Health     `json:"healthcheck,omitempty"`
	Exposed     []string   `json:"exposed,omitempty"`
}

// HostConfig is what a container may do to the host.
type HostConfig struct {
	Privileged  bool     `json:"privileged,omitempty"`
	CapAdd      []string `json:"cap_add,omitempty"`
	CapDrop     []string `json:"cap_drop,omitempty"`
	SecurityOpt []string `json:"security_opt,omitempty"`
	Namespaces
	CgroupParent      string   `json:"cgroup_parent,omitempty"`
	Devices           []string `json:"devices,omitempty"`
	DeviceRequests    []string `json:"device_requests,omitempty"`
	DeviceCgroupRules []string `json:"device_cgroup_rules,omitempty"`
	Resources
	ReadonlyRootfs bool          `json:"readonly_rootfs,omitempty"`
	Restart        string        `json:"restart,omitempty"`
	RestartMax     int           `json:"restart_max,omitempty"`
	Log            Log           `json:"log"`
	Ports          []PortBinding `json:"ports,omitempty"`
	PublishAll     bool          `json:"publish_all,omitempty"`
	Runtime        string        `json:"runtime,omitempty"`
}

// Namespaces are the namespaces that a container was asked to have, or to share.
type Namespaces struct {
	PIDMode      string `json:"pid_mode,omitempty"`
	IPCMode      string `json:"ipc_mode,omitempty"`
	UTSMode      string `json:"uts_mode,omitempty"`
	NetworkMode  string `json:"network_mode,omitempty"`
	UsernsMode   string `json:"userns_mode,omitempty"`
	CgroupnsMode string `json:"cgroupns_mode,omitempty"`
}

// Resources are the limits that were asked for; 0 or empty is none.
type Resources struct {
	Ulimits   []Ulimit `json:"ulimits,omitempty"`
	Memory    int64    `json:"memory,omitempty"`
	NanoCPUs  int64    `json:"nano_cpus,omitempty"`
	CPUQuota  int64    `json:"cpu_quota,omitempty"`
	CPUShares int64    `json:"cpu_shares,omitempty"`
	Cpuset    string   `json:"cpuset,omitempty"`
	PidsLimit int64    `json:"pids_limit,omitempty"`
}

// Log is a container's log driver and its options.
type Log struct {
	Driver  string            `json:"driver,omitempty"`
	Options map[string]string `json:"options,omitempty"`
}

// Ulimit is a limit that was asked for. -1 is none.
type Ulimit struct {
	Name string `json:"name"`
	Soft int64  `json:"soft"`
	Hard int64  `json:"hard"`
}

// PortBinding is a published port as it was asked for.
type PortBinding struct {
	Container string `json:"container"` // 80/tcp
	HostIP    string `json:"host_ip,omitempty"`
	HostPort  string `json:"host_port,omitempty"` // 8080 or 8080-8090; if empty, the engine picks one
	// At is where it is written, of a service of a Compose file.
	At FileLine `json:"at,omitzero"`
}

// Mount is a mount of a container.
type Mount struct {
	Type string `json:"type"` // bind, volume, tmpfs
	// Volume is the volume's name. One of the driver local may stand for a folder of the
	// host: Source is that folder then.
	Volume string `json:"volume,omitempty"`
	// Unread is why it is not known what the volume stands for; empty if it is known.
	Unread string `json:"unread,omitempty"`
	// Source is the host's path as the engine says it, Real the path behind symbolic
	// links; both are empty if there is none.
	Source      string `json:"source,omitempty"`
	Real        string `json:"real,omitempty"`
	Destination string `json:"destination"`
	Writable    bool   `json:"writable"`
	Propagation string `json:"propagation,omitempty"`
	// Socket reports whether the source is a socket.
	Socket bool `json:"socket,omitempty"`
	// At is where it is written, of a service of a Compose file.
	At FileLine `json:"at,omitzero"`
}
