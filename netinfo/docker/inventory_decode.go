package docker

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/volume"

	"dockwall/netinfo/inventory"
)

func isMissing(err error) bool { return errors.Is(err, errNotFound) }

// nameOf is a container's own name: a linked container has others, "/other/alias".
func nameOf(names []string) string {
	for _, n := range names {
		if n = strings.TrimPrefix(n, "/"); !strings.Contains(n, "/") {
			return n
		}
	}
	return ""
}

func engineOf(info *system.Info) inventory.Engine {
	e := inventory.Engine{
		Version: info.ServerVersion, Root: info.DockerRootDir, StorageDriver: info.Driver, SecurityOptions: info.SecurityOptions,
		CgroupVersion: info.CgroupVersion, CgroupDriver: info.CgroupDriver,
		LoggingDriver: info.LoggingDriver, LiveRestore: info.LiveRestoreEnabled, Debug: info.Debug, Experimental: info.ExperimentalBuild,
		AuthPlugins: info.Plugins.Authorization, Warnings: info.Warnings,
		Limits: inventory.Limits{MemoryLimit: info.MemoryLimit, SwapLimit: info.SwapLimit, PidsLimit: info.PidsLimit, CPUQuota: info.CPUCfsQuota},
	}
	for _, s := range info.DriverStatus {
		if s[0] == "driver-type" && strings.HasPrefix(s[1], "io.containerd.") {
			e.ContainerdStore = true
		}
	}
	if rc := info.RegistryConfig; rc != nil {
		for _, n := range rc.InsecureRegistryCIDRs {
			if n != nil {
				e.InsecureCIDRs = append(e.InsecureCIDRs, n.String())
			}
		}
		for _, name := range slices.Sorted(maps.Keys(rc.IndexConfigs)) {
			if i := rc.IndexConfigs[name]; i != nil && !i.Secure {
				e.InsecureRegistries = append(e.InsecureRegistries, name)
			}
		}
	}
	e.Swarm.Active = info.Swarm.LocalNodeState == swarm.LocalNodeStateActive || info.Swarm.LocalNodeState == swarm.LocalNodeStateLocked
	e.Swarm.Manager, e.Swarm.Managers = info.Swarm.ControlAvailable, info.Swarm.Managers
	return e
}

// unixTime is a time as the engine writes it, in seconds since 1970; 0 if it is none
// or before 1970, as a container's end is that never ran.
func unixTime(s string) int64 {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0
	}
	return max(t.Unix(), 0)
}

func inspected(a *container.InspectResponse, secrets *inventory.Secrets) inventory.Container {
	c := inventory.Container{
		ID: a.ID, Name: strings.TrimPrefix(a.Name, "/"), Image: a.Config.Image, ImageID: a.Image, Labels: a.Config.Labels, State: a.State.Status,
		AppArmorProfile: a.AppArmorProfile, ProcessLabel: a.ProcessLabel,
		Config: inventory.Config{User: a.Config.User, Variables: variables(a.Config.Env, secrets)}, HostConfig: hostConfigOf(a.HostConfig),
		Times: inventory.Times{Finished: unixTime(a.State.FinishedAt), Created: unixTime(a.Created)},
	}
	if a.State.Running {
		c.PID = a.State.Pid
	}
	if h := a.Config.Healthcheck; h != nil {
		c.Healthcheck = health(h.Test)
	}
	for p := range a.Config.ExposedPorts {
		c.Exposed = append(c.Exposed, string(p))
	}
	slices.Sort(c.Exposed)
	for _, m := range a.Mounts {
		c.Mounts = append(c.Mounts, inventory.Mount{Type: string(m.Type), Volume: m.Name, Source: m.Source, Destination: m.Destination, Writable: m.RW, Propagation: string(m.Propagation)})
	}
	slices.SortFunc(c.Mounts, func(x, y inventory.Mount) int { return cmp.Compare(x.Destination, y.Destination) })
	if a.NetworkSettings != nil {
		c.Networks = slices.Sorted(maps.Keys(a.NetworkSettings.Networks))
	}
	return c
}

// resolveVolumes names the host's folder as the source of each mount of a volume that
// stands for one: docker volume create --opt type=none --opt o=bind --opt device=/etc.
func resolveVolumes(containers []inventory.Container, devices map[string]string, err error) {
	for i := range containers {
		for j := range containers[i].Mounts {
			m := &containers[i].Mounts[j]
			switch device, ok := devices[m.Volume]; {
			case m.Type != "volume":
			case err != nil:
				m.Unread = err.Error()
			case ok:
				m.Type, m.Source = "bind", device
			}
		}
	}
}

// deviceOf is the folder of the host that a volume of the driver local stands for.
func deviceOf(v *volume.Volume) (string, bool) {
	options := strings.Split(v.Options["o"], ",")
	bind := slices.Contains(options, "bind") || slices.Contains(options, "rbind")
	return v.Options["device"], v.Driver == "local" && bind && v.Options["device"] != ""
}

func variables(env []string, secrets *inventory.Secrets) []inventory.Variable {
	var all []inventory.Variable
	for _, e := range env {
		all = append(all, secrets.Variable(e))
	}
	return all
}

func health(test []string) inventory.Health {
	switch {
	case len(test) == 0:
		return inventory.HealthAbsent
	case test[0] == "NONE":
		return inventory.HealthDisabled
	}
	return inventory.HealthSet
}

func hostConfigOf(h *container.HostConfig) inventory.HostConfig {
	c := inventory.HostConfig{
		Privileged: h.Privileged, CapAdd: h.CapAdd, CapDrop: h.CapDrop, SecurityOpt: h.SecurityOpt,
		CgroupParent: h.CgroupParent, DeviceCgroupRules: h.DeviceCgroupRules,
		ReadonlyRootfs: h.ReadonlyRootfs, Restart: string(h.RestartPolicy.Name), RestartMax: h.RestartPolicy.MaximumRetryCount,
		Log: inventory.Log{Driver: h.LogConfig.Type, Options: h.LogConfig.Config}, PublishAll: h.PublishAllPorts, Runtime: h.Runtime,
		Namespaces: inventory.Namespaces{PIDMode: string(h.PidMode), IPCMode: string(h.IpcMode), UTSMode: string(h.UTSMode), NetworkMode: string(h.NetworkMode),
			UsernsMode: string(h.UsernsMode), CgroupnsMode: string(h.CgroupnsMode)},
		Resources: inventory.Resources{Memory: h.Memory, NanoCPUs: h.NanoCPUs, CPUQuota: h.CPUQuota, CPUShares: h.CPUShares, Cpuset: h.CpusetCpus},
	}
	if h.PidsLimit != nil {
		c.PidsLimit = *h.PidsLimit
	}
	for _, d := range h.Devices {
		c.Devices = append(c.Devices, d.PathOnHost)
	}
	for _, d := range h.DeviceRequests {
		name := cmp.Or(d.Driver, "any driver")
		for _, caps := range d.Capabilities {
			name += " " + strings.Join(caps, ",")
		}
		c.DeviceRequests = append(c.DeviceRequests, strings.TrimSpace(name+" "+strings.Join(d.DeviceIDs, ",")))
	}
	for _, u := range h.Ulimits {
		if u != nil {
			c.Ulimits = append(c.Ulimits, inventory.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
		}
	}
	for p, bindings := range h.PortBindings {
		for _, b := range bindings {
			c.Ports = append(c.Ports, inventory.PortBinding{Container: string(p), HostIP: b.HostIP, HostPort: b.HostPort})
		}
	}
	slices.SortFunc(c.Ports, func(a, b inventory.PortBinding) int {
		return cmp.Or(cmp.Compare(a.Container, b.Container), cmp.Compare(a.HostIP, b.HostIP), cmp.Compare(a.HostPort, b.HostPort))
	})
	return c
}

func imageOf(a *image.InspectResponse, s *image.Summary, secrets *inventory.Secrets) inventory.Image {
	i := inventory.Image{ID: cmp.Or(a.ID, s.ID), Tags: a.RepoTags, Digests: a.RepoDigests, Created: unixTime(a.Created)}
	if a.Config == nil {
		i.Unread = "the engine's answer has no configuration of the image"
		return i
	}
	i.User, i.Variables = a.Config.User, variables(a.Config.Env, secrets)
	if h := a.Config.Healthcheck; h != nil {
		i.Healthcheck = health(h.Test)
	}
	i.Exposed = slices.Sorted(maps.Keys(a.Config.ExposedPorts))
	return i
}
