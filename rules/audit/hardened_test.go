package audit

import (
	"dockwall/netinfo/inventory"
)

// now is when the inventories of these tests were read.
const now = 1_800_000_000

// hardened is a host on which every check passes, is not applicable, or is a note. It has
// one container, web, which runs.
func hardened() inventory.Inventory {
	return inventory.Inventory{
		Now: now, Host: hardenedHost(), Daemon: hardenedDaemon(),
		Engine: inventory.Known(inventory.Engine{Version: "28.5.2", Root: "/var/lib/docker", StorageDriver: "overlay2",
			SecurityOptions: []string{"name=apparmor", "name=seccomp,profile=builtin", "name=userns", "name=rootless", "name=cgroupns"},
			CgroupVersion:   "2", CgroupDriver: "systemd",
			LoggingDriver: "local", LiveRestore: true, AuthPlugins: []string{"opa"}, InsecureCIDRs: []string{"127.0.0.0/8", "::1/128"},
			Swarm: inventory.Swarm{Autolock: inventory.Known(true)}, Limits: inventory.Limits{MemoryLimit: true, SwapLimit: true, PidsLimit: true, CPUQuota: true},
		}),
		Containers:    inventory.Known([]inventory.Container{web()}),
		Images:        inventory.Known([]inventory.Image{shop()}),
		Networks:      inventory.Known([]inventory.Network{{Name: "shop", Driver: "bridge", Options: map[string]string{"com.docker.network.bridge.enable_icc": "false"}}}),
		UnusedVolumes: inventory.Known[[]string](nil),
	}
}

func hardenedHost() inventory.Host {
	h := inventory.Host{
		Kernel: inventory.Known("6.1.0-20-amd64"), Kernels: inventory.Known(map[string]int64{"6.1.0-18-amd64": 100, "6.1.0-20-amd64": 200}),
		Vulnerabilities: inventory.Known(map[string]string{"meltdown": "Mitigation: PTI", "l1tf": "Not affected"}),
		LSMs:            inventory.Known([]string{"capability", "yama", "apparmor"}),
		Sysctls: inventory.Known(map[string]string{"net.ipv4.ip_unprivileged_port_start": "1024", "net.netfilter.nf_conntrack_count": "100",
			"net.netfilter.nf_conntrack_max": "1000", "net.ipv4.conf.all.route_localnet": "0"}),
		MountPoints: inventory.Known([]string{"/", "/proc", "/var/lib/docker"}), DockerGroup: inventory.Known[[]string](nil),
		Namespaces: inventory.Known(map[string]string{"net": "net:[1]", "pid": "pid:[1]", "ipc": "ipc:[1]", "uts": "uts:[1]", "cgroup": "cgroup:[1]", "user": "user:[1]"}),
		Files:      map[string]inventory.Fact[inventory.File]{},
		Services:   inventory.Known[[]inventory.Socket](nil),
	}
	files := map[string]uint32{"/usr/lib/systemd/system/docker.service": 0o644, "/usr/lib/systemd/system/docker.socket": 0o644, "/etc/docker/daemon.json": 0o600,
		"/etc/default/docker": 0o644, "/etc/sysconfig/docker": 0o644, "/etc/containerd/config.toml": 0o644, "/etc/dockwall/agent.hcl": 0o640,
		"/etc/docker/certs.d/r.example/ca.crt": 0o444, "/tls/ca.pem": 0o444, "/tls/cert.pem": 0o444, "/tls/key.pem": 0o400,
		"/usr/bin/dockerd": 0o755, "/usr/bin/containerd": 0o755, "/usr/bin/containerd-shim": 0o755, "/usr/bin/containerd-shim-runc-v1": 0o755,
		"/usr/bin/containerd-shim-runc-v2": 0o755, "/usr/bin/runc": 0o755}
	d := hardenedDaemon()
	asked, folders := Files(&d)
	for _, f := range append(asked, folders...) {
		h.Files[f] = inventory.Known(inventory.File{Missing: true})
	}
	file := func(path, kind string, mode uint32) {
		h.Files[path] = inventory.Known(inventory.File{Real: path, Kind: kind, Mode: mode, Owner: "root", Group: "root", Parents: []inventory.Parent{{Path: "/", Mode: 0o755, Owner: "root"}}})
	}
	var rules []inventory.AuditRule
	for f, mode := range files {
		file(f, "file", mode)
		rules = append(rules, inventory.AuditRule{Path: f})
	}
	for f, mode := range map[string]uint32{"/etc/docker": 0o755, certsFolder: 0o755, "/run/containerd": 0o711, "/var/lib/docker": 0o710} {
		file(f, "dir", mode)
		rules = append(rules, inventory.AuditRule{Path: f, Dir: true, Perms: "wa"})
	}
	file("/run/containerd/containerd.sock", "socket", 0o660)
	file("/var/run/docker.sock", "socket", 0o660)
	h.AuditRules = inventory.Known(rules)
	return h
}

func hardenedDaemon() inventory.Daemon {
	return inventory.Daemon{Args: inventory.Known([]string{"-H", "fd://"}), FilePath: "/etc/docker/daemon.json",
		File: inventory.Known(map[string]any{"userland-proxy": false, "no-new-privileges": true, "default-ulimits": map[string]any{"nofile": map[string]any{"Hard": 65536}},
			"tlsverify": true, "tlscacert": "/tls/ca.pem", "tlscert": "/tls/cert.pem", "tlskey": "/tls/key.pem"}),
		API:         inventory.Known([]inventory.APISocket{{Addr: "10.0.0.5", Port: 2376, TLS: true, Verify: true}}),
		SocketUnits: inventory.Known([]string{"/run/docker.sock"}),
	}
}

func web() inventory.Container {
	status := inventory.Status{CapBnd: defaultCaps &^ netRawCap, Seccomp: 2, NoNewPrivs: true, UID: 101001}
	return inventory.Container{
		ID: "c1", Name: "web", Image: "registry.example.com/shop:1.2@sha256:aa", ImageID: "sha256:i1", State: "running", PID: 42,
		Config: inventory.Config{User: "1001", Healthcheck: inventory.HealthSet},
		HostConfig: inventory.HostConfig{CapDrop: []string{"NET_RAW"}, SecurityOpt: []string{"no-new-privileges"},
			ReadonlyRootfs: true, Restart: "on-failure", RestartMax: 5, Log: inventory.Log{Driver: "local"},
			Ports: []inventory.PortBinding{{Container: "80/tcp", HostIP: "10.0.0.5", HostPort: "8080"}}, Namespaces: inventory.Namespaces{NetworkMode: "shop", IPCMode: "private", CgroupnsMode: "private"}, Resources: inventory.Resources{Memory: 1 << 28, NanoCPUs: 1e9, PidsLimit: 100,
				Ulimits: []inventory.Ulimit{{Name: "nofile", Soft: 1024, Hard: 65536}}}},
		AppArmorProfile: "docker-default", Networks: []string{"shop"},
		Process: inventory.Process{
			Status: inventory.Known(status), Label: inventory.Known("docker-default (enforce)"), HostRoot: inventory.Known(false),
			Limits: inventory.Known(map[string]int64{"Max open files": 65536}), PidsMax: inventory.Known[int64](100), MemoryMax: inventory.Known[int64](1 << 28),
			Namespaces:   inventory.Known(map[string]string{"net": "net:[2]", "pid": "pid:[2]", "ipc": "ipc:[2]", "uts": "uts:[2]", "cgroup": "cgroup:[2]", "user": "user:[2]"}),
			ReadonlyRoot: inventory.Known(true), SharedMounts: inventory.Known[[]string](nil),
			Members:   inventory.Known([]inventory.Member{{PID: 42, Exe: "/usr/bin/shop", CapBnd: status.CapBnd, Leader: true}}),
			Listening: inventory.Known([]uint16{80}), PacketSockets: inventory.Known(0), Promiscuous: inventory.Known[[]string](nil),
		}, Times: inventory.Times{Created: now - 100},
	}
}

func shop() inventory.Image {
	return inventory.Image{ID: "sha256:i1", Tags: []string{"registry.example.com/shop:1.2"}, Digests: []string{"registry.example.com/shop@sha256:aa"}, Created: now - 10*day,
		User: "1001", Healthcheck: inventory.HealthSet, Exposed: []string{"80/tcp"},
		Variables: []inventory.Variable{{Name: "PATH"}}, Steps: inventory.Known([]inventory.Step{{Text: "COPY shop / # buildkit"}, {Text: `CMD ["/shop"]`}})}
}
