package inventory

// Engine is what the engine says of itself (/info).
type Engine struct {
	Version string `json:"version"`
	// Root is the folder of images and containers (DockerRootDir).
	Root          string `json:"root"`
	StorageDriver string `json:"storage_driver"`
	// ContainerdStore reports whether images are kept by containerd, the default of new
	// installations since 29.0.
	ContainerdStore bool     `json:"containerd_store,omitempty"`
	SecurityOptions []string `json:"security_options"`
	CgroupVersion   string   `json:"cgroup_version"`
	CgroupDriver    string   `json:"cgroup_driver"`
	Limits

	LoggingDriver string   `json:"logging_driver"`
	LiveRestore   bool     `json:"live_restore"`
	Debug         bool     `json:"debug"`
	Experimental  bool     `json:"experimental"`
	AuthPlugins   []string `json:"auth_plugins,omitempty"`
	// InsecureCIDRs and InsecureRegistries are the registries that the engine uses
	// without a verified certificate.
	InsecureCIDRs      []string `json:"insecure_cidrs,omitempty"`
	InsecureRegistries []string `json:"insecure_registries,omitempty"`
	Swarm              Swarm    `json:"swarm"`
	Warnings           []string `json:"warnings,omitempty"`
}

// Limits are the kernel's limits that the engine can use.
type Limits struct {
	MemoryLimit bool `json:"memory_limit"`
	SwapLimit   bool `json:"swap_limit"`
	PidsLimit   bool `json:"pids_limit"`
	CPUQuota    bool `json:"cpu_quota"`
}

// Swarm is the engine's part in a Swarm.
type Swarm struct {
	Active  bool `json:"active"`
	Manager bool `json:"manager,omitempty"`
	// Managers is how many the Swarm has; 0 if this node does not know.
	Managers int `json:"managers,omitempty"`
	// Autolock is known to managers only.
	Autolock Fact[bool] `json:"autolock"`
}
