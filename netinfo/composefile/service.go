package composefile

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"dockwall/netinfo/inventory"
)

// compose is the project as the containers that it starts.
func compose(path string, text []byte, p *types.Project) inventory.Compose {
	c := inventory.Compose{Path: path}
	lines := newFinder(path, text)
	r := &reader{project: p, secrets: inventory.NewSecrets(), lines: lines}
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		c.Services = append(c.Services, r.service(name, p.Services[name]))
	}
	return c
}

type reader struct {
	project *types.Project
	secrets *inventory.Secrets
	lines   *finder
}

// service is the container that a service starts, as the engine would describe it.
func (r *reader) service(name string, s types.ServiceConfig) inventory.Container {
	at := r.lines.service(name)
	c := inventory.Container{ID: "service " + name, Name: name, Image: s.Image, Labels: s.Labels, State: "created"}
	c.Written = &inventory.Written{File: at.place.File, Line: at.place.Line, Lines: at.keys(), Built: s.Build != nil}
	c.User, c.Healthcheck = s.User, health(s.HealthCheck)
	c.Variables, c.Written.EnvUnread = r.variables(name, s, at)
	c.HostConfig = hostConfig(s)
	c.Mounts = r.mounts(name, s, at)
	c.Ports = ports(s, at)
	for key := range s.Networks {
		c.Networks = append(c.Networks, cmp.Or(r.project.Networks[key].Name, key))
	}
	slices.Sort(c.Networks)
	return c
}

func health(h *types.HealthCheckConfig) inventory.Health {
	switch {
	case h == nil:
		return inventory.HealthAbsent
	case h.Disable || len(h.Test) > 0 && h.Test[0] == "NONE":
		return inventory.HealthDisabled
	case len(h.Test) == 0:
		return inventory.HealthAbsent // times alone do not make one
	}
	return inventory.HealthSet
}

func hostConfig(s types.ServiceConfig) inventory.HostConfig {
	h := inventory.HostConfig{
		Privileged: s.Privileged, CapAdd: s.CapAdd, CapDrop: s.CapDrop, SecurityOpt: s.SecurityOpt,
		CgroupParent: s.CgroupParent, DeviceCgroupRules: s.DeviceCgroupRules,
		ReadonlyRootfs: s.ReadOnly, Runtime: s.Runtime,
		Namespaces: inventory.Namespaces{PIDMode: shared(s.Pid), IPCMode: shared(s.Ipc), UTSMode: s.Uts, NetworkMode: shared(s.NetworkMode), UsernsMode: s.UserNSMode, CgroupnsMode: s.Cgroup},
		Resources: inventory.Resources{Cpuset: s.CPUSet, CPUQuota: s.CPUQuota, CPUShares: s.CPUShares,
			Memory: int64(s.MemLimit), NanoCPUs: nano(float64(s.CPUS)), PidsLimit: s.PidsLimit},
	}
	for _, d := range s.Devices {
		h.Devices = append(h.Devices, d.Source)
	}
	for _, d := range s.Gpus {
		h.DeviceRequests = append(h.DeviceRequests, deviceRequest(d))
	}
	h.Restart, h.RestartMax = restart(s)
	if s.Logging != nil {
		h.Log = inventory.Log{Driver: s.Logging.Driver, Options: s.Logging.Options}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Ulimits)) {
		if u := s.Ulimits[name]; u != nil && u.Single != 0 {
			h.Ulimits = append(h.Ulimits, inventory.Ulimit{Name: name, Soft: int64(u.Single), Hard: int64(u.Single)})
		} else if u != nil {
			h.Ulimits = append(h.Ulimits, inventory.Ulimit{Name: name, Soft: int64(u.Soft), Hard: int64(u.Hard)})
		}
	}
	deployed(s.Deploy, &h)
	return h
}

// deployed adds what deploy says, which docker compose obeys as well.
func deployed(d *types.DeployConfig, h *inventory.HostConfig) {
	if d == nil {
		return
	}
	if l := d.Resources.Limits; l != nil {
		h.Memory = cmp.Or(int64(l.MemoryBytes), h.Memory)
		h.NanoCPUs = cmp.Or(nano(float64(l.NanoCPUs)), h.NanoCPUs)
		h.PidsLimit = cmp.Or(l.Pids, h.PidsLimit)
	}
	if l := d.Resources.Reservations; l != nil {
		for _, r := range l.Devices {
			h.DeviceRequests = append(h.DeviceRequests, deviceRequest(r))
		}
	}
}

func deviceRequest(d types.DeviceRequest) string {
	return strings.TrimSpace(d.Driver + " " + strings.Join(d.Capabilities, ","))
}

func nano(cpus float64) int64 { return int64(math.Round(cpus * 1e9)) }

// shared is a mode as the engine says it: a service's namespace is that of its container.
func shared(mode string) string {
	if name, ok := strings.CutPrefix(mode, "service:"); ok {
		return "container:" + name
	}
	return mode
}

// restart is restart, or the policy of deploy if there is none.
func restart(s types.ServiceConfig) (policy string, most int) {
	policy = s.Restart
	if policy == "" && s.Deploy != nil && s.Deploy.RestartPolicy != nil {
		p := s.Deploy.RestartPolicy
		if p.MaxAttempts != nil {
			most = int(min(*p.MaxAttempts, math.MaxInt32))
		}
		switch p.Condition {
		case "none":
			return "no", 0
		case "on-failure":
			return "on-failure", most
		}
		return "always", 0
	}
	policy, count, _ := strings.Cut(policy, ":")
	most, _ = strconv.Atoi(count)
	return policy, most
}

func ports(s types.ServiceConfig, at *written) []inventory.PortBinding {
	var all []inventory.PortBinding
	for _, p := range s.Ports {
		all = append(all, inventory.PortBinding{Container: fmt.Sprintf("%d/%s", p.Target, cmp.Or(p.Protocol, "tcp")), HostIP: p.HostIP, HostPort: p.Published,
			At: at.item("ports", strconv.Itoa(int(p.Target)))})
	}
	return all
}
