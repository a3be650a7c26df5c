package composefile

import (
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"dockwall/netinfo/inventory"
)

// mounts are those of the service, of the services that it takes volumes from, and the
// socket of Docker that use_api_socket stands for.
func (r *reader) mounts(name string, s types.ServiceConfig, at *written) []inventory.Mount {
	var all []inventory.Mount
	for _, v := range s.Volumes {
		m := r.mount(v)
		m.At = at.item("volumes", v.Target)
		all = append(all, m)
	}
	if s.UseAPISocket {
		all = append(all, inventory.Mount{Type: "bind", Source: "/var/run/docker.sock", Destination: "/var/run/docker.sock", Writable: true, At: at.place.at(at.keys()["use_api_socket"])})
	}
	for _, from := range s.VolumesFrom {
		all = append(all, r.volumesFrom(name, from, at)...)
	}
	return all
}

// volumesFrom are the mounts of another service. Those of a container outside the
// project are not known.
func (r *reader) volumesFrom(name, from string, at *written) []inventory.Mount {
	from, mode, _ := strings.Cut(from, ":")
	other, ok := r.project.Services[from]
	place := at.item("volumes_from", from)
	if !ok || from == "container" || slices.Contains(other.VolumesFrom, name) {
		return []inventory.Mount{{Type: "volume", Destination: "volumes_from", Unread: "the volumes of a container outside the file are not known", At: place}}
	}
	var all []inventory.Mount
	for _, v := range other.Volumes {
		m := r.mount(v)
		m.Writable, m.At = m.Writable && mode != "ro", place
		all = append(all, m)
	}
	return all
}

func (r *reader) mount(v types.ServiceVolumeConfig) inventory.Mount {
	m := inventory.Mount{Type: v.Type, Destination: v.Target, Writable: !v.ReadOnly}
	if v.Bind != nil {
		m.Propagation = v.Bind.Propagation
	}
	switch {
	case strings.Contains(v.Source, "${"):
		m.Unread = "its source is the value of a variable, which has none"
	case v.Type == "bind" || v.Type == "npipe":
		m.Source = v.Source
	case v.Type == "volume":
		m.Volume = v.Source
		r.volume(v.Source, &m)
	}
	return m
}

// volume adds what a volume of the driver local stands for, if that is a folder of the host.
func (r *reader) volume(name string, m *inventory.Mount) {
	v, ok := r.project.Volumes[name]
	switch {
	case !ok || name == "":
	case bool(v.External):
		m.Unread = "it is made outside the file"
	case v.Driver != "" && v.Driver != "local":
	case strings.Contains(v.DriverOpts["device"], "${"):
		m.Unread = "its folder is the value of a variable, which has none"
	case v.DriverOpts["device"] != "" && slices.Contains(strings.Split(v.DriverOpts["o"], ","), "bind") || slices.Contains(strings.Split(v.DriverOpts["o"], ","), "rbind"):
		m.Type, m.Source = "bind", v.DriverOpts["device"]
	}
}
