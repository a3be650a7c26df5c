package audit

import (
	"strings"

	"dockwall/netinfo/inventory"
)

// serviceFacts are those of a host of which only the services of a Compose file are
// known.
func serviceFacts(d *inventory.Compose, s Settings) *facts {
	in := inventory.Inventory{Containers: inventory.Known(d.Services)}
	in.Engine = inventory.Unread[inventory.Engine](inventory.HostDecides)
	in.Images = inventory.Unread[[]inventory.Image](inventory.HostDecides)
	in.Daemon.Args, in.Daemon.File = inventory.Unread[[]string](inventory.HostDecides), inventory.Unread[map[string]any](inventory.HostDecides)
	in.Host.LSMs = inventory.Unread[[]string](inventory.HostDecides)
	return newFacts(&in, s)
}

// judgeCompose judges each service as the container that it would be. What the host
// decides is not applicable, because a file has no host.
func (c *Check) judgeCompose(f *facts, d *inventory.Compose) []Finding {
	switch {
	case c.container == nil:
		return nil
	case d.Unread != "":
		return c.placed(Subject{Kind: "compose", Name: d.Path}, d.Path, []verdict{unknown("%s", d.Unread).at(d.Line)})
	case len(d.Services) == 0:
		return c.placed(Subject{Kind: "compose", Name: d.Path}, d.Path, []verdict{absent("there is no service")})
	}
	var all []Finding
	for i := range d.Services {
		k := &d.Services[i]
		v := c.container(f, k)
		if v.state == Unknown && strings.Contains(v.detail, inventory.HostDecides) {
			v.state = NotApplicable
		}
		found := c.finding(Subject{"service", k.Name, k.ID}, v)
		at := c.line(f, k, v)
		found.Place = &Place{at.File, at.Line}
		all = append(all, found)
	}
	return all
}

// line is the line of the service that decided: that of the mount, port or variable
// which fails by itself, of the setting, or of the service.
func (c *Check) line(f *facts, k *inventory.Container, v verdict) inventory.FileLine {
	w := k.Written
	if v.state == Fail || v.state == Unknown {
		if at, ok := c.blame(f, k, v.state); ok {
			return at
		}
	}
	for _, key := range serviceKeys()[c.ID] {
		if at, ok := w.Lines[key]; ok {
			return at
		}
	}
	return inventory.FileLine{File: w.File, Line: w.Line}
}

// blame finds the first mount, port or variable with which alone the check has the same
// result.
func (c *Check) blame(f *facts, k *inventory.Container, state State) (inventory.FileLine, bool) {
	bare := *k
	bare.Mounts, bare.Ports, bare.Variables = nil, nil, nil
	if c.container(f, &bare).state == state {
		return inventory.FileLine{}, false // it is about something else
	}
	for i := range k.Mounts {
		one := bare
		one.Mounts = k.Mounts[i : i+1]
		if c.container(f, &one).state == state {
			return k.Mounts[i].At, true
		}
	}
	for i := range k.Ports {
		one := bare
		one.Ports = k.Ports[i : i+1]
		if c.container(f, &one).state == state {
			return k.Ports[i].At, true
		}
	}
	for i := range k.Variables {
		one := bare
		one.Variables = k.Variables[i : i+1]
		if c.container(f, &one).state == state {
			return k.Variables[i].At, true
		}
	}
	return inventory.FileLine{}, false
}

// serviceKeys are the settings of a Compose file that checks are about; the first that
// is there is where a finding points to.
func serviceKeys() map[string][]string {
	return map[string][]string{
		"container.privileged": {"privileged"}, "container.capabilities": {"cap_add", "privileged", "cap_drop"}, "container.net-raw": {"cap_add", "cap_drop"},
		"container.seccomp": {"security_opt", "privileged"}, "container.apparmor": {"security_opt", "privileged"}, "container.selinux": {"security_opt", "privileged"},
		"container.no-new-privileges": {"security_opt"}, "container.root": {"user"}, "container.host-network": {"network_mode"}, "container.host-pid": {"pid"},
		"container.host-ipc": {"ipc"}, "container.host-uts": {"uts"}, "container.host-cgroup": {"cgroup"}, "container.host-users": {"userns_mode"},
		"container.docker-socket": {"volumes", "volumes_from"}, "container.sensitive-mount": {"volumes", "volumes_from"}, "container.sensitive-mount-read-only": {"volumes", "volumes_from"},
		"container.mount-propagation": {"volumes"}, "container.devices": {"devices", "gpus", "device_cgroup_rules", "deploy.resources", "privileged"}, "container.read-only": {"read_only"},
		"container.memory": {"mem_limit", "deploy.resources"}, "container.cpu": {"cpus", "cpu_quota", "cpuset", "cpu_shares", "deploy.resources"},
		"container.pids": {"pids_limit", "deploy.resources"}, "container.ulimits": {"ulimits"}, "container.cgroup-parent": {"cgroup_parent"},
		"container.restart": {"restart", "deploy.restart_policy"}, "container.log": {"logging"}, "container.healthcheck": {"healthcheck"},
		"container.privileged-port": {"ports"}, "container.published-everywhere": {"ports"}, "container.default-bridge": {"network_mode"},
		"container.image-tag": {"image", "build"}, "container.image-digest": {"image", "build"}, "container.registry": {"image", "build"}, "container.image-stale": {"image", "build"},
		"container.secret": {"environment", "env_file"},
	}
}

// unset reports whether a value depends on a variable that has no value.
func unset(value string) bool { return strings.Contains(value, "${") }

// byImage is the verdict on a setting that the image or a variable decides.
func byImage(value string) verdict {
	if unset(value) {
		return unknown("it is the value of %s, which has none", value)
	}
	return unknown("%s", inventory.ImageDecides)
}

// writtenImage is the verdict on the name of a service's image where the name does not
// decide; nil if it does.
func writtenImage(c *inventory.Container) *verdict {
	var v verdict
	switch {
	case c.Written == nil:
		return nil
	case c.Written.Built:
		v = absent("the image is built by the project")
	case unset(c.Image):
		v = unknown("the image is %s, and a variable in it has no value", c.Image)
	case c.Image == "":
		v = unknown("the file names no image")
	default:
		return nil
	}
	return &v
}
