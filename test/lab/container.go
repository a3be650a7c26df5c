package lab

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
)

// Spec is a container to run; it answers as its name.
type Spec struct {
	Name    string
	Network string   // Docker's default when empty
	Publish []string // as for docker run -p
	Listen  string   // what the responder listens on; "tcp:80,udp:80" when empty
	Args    []string // further arguments of docker run
	Command []string // arguments of the responder instead of serving
}

// Container is a container of the lab.
type Container struct {
	lab  *Lab
	ID   string
	Name string
}

// RunContainer runs a container and returns when docker run does.
func (l *Lab) RunContainer(spec Spec) *Container {
	l.t.Helper()
	return &Container{lab: l, Name: spec.Name, ID: l.Docker(append([]string{"run", "--detach"}, spec.arguments()...)...)}
}

// CreateContainer is RunContainer without starting it.
func (l *Lab) CreateContainer(spec Spec) *Container {
	l.t.Helper()
	return &Container{lab: l, Name: spec.Name, ID: l.Docker(append([]string{"create"}, spec.arguments()...)...)}
}

func (s Spec) arguments() []string {
	args := []string{"--name", s.Name}
	if s.Network != "" {
		args = append(args, "--network", s.Network)
	}
	for _, port := range s.Publish {
		args = append(args, "--publish", port)
	}
	args = append(append(args, s.Args...), Image)
	if s.Command != nil {
		return append(args, s.Command...)
	}
	listen := s.Listen
	if listen == "" {
		listen = "tcp:80,udp:80"
	}
	return append(args, "serve", "-name", s.Name, "-listen", listen)
}

// Addr is the container's address on a Docker network in family 4 or 6; the
// zero Addr where it has none.
func (c *Container) Addr(network string, family int) netip.Addr {
	t := c.lab.t
	t.Helper()
	var networks map[string]struct {
		IPAddress         string
		GlobalIPv6Address string
	}
	text := c.inspect("{{json .NetworkSettings.Networks}}")
	if err := json.Unmarshal([]byte(text), &networks); err != nil {
		t.Fatalf("inspecting %s: %v", c.Name, err)
	}
	address := networks[network].IPAddress
	if family == 6 {
		address = networks[network].GlobalIPv6Address
	}
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Addr{}
	}
	return addr
}

// Client is the container as a place packets come from.
func (c *Container) Client() *Client {
	c.lab.t.Helper()
	pid := c.inspect("{{.State.Pid}}")
	// The engine counts processes as the host does, so the host's own /proc is
	// asked, by way of its pid 1.
	path := fmt.Sprintf("/proc/%d/root/proc/%s/ns/net", c.lab.init.pid(), pid)
	return &Client{lab: c.lab, name: c.Name, netns: path}
}

// Logs is what the container printed.
func (c *Container) Logs() string {
	c.lab.t.Helper()
	return c.lab.Docker("logs", c.ID)
}

// Remove removes the container, running or not.
func (c *Container) Remove() {
	c.lab.t.Helper()
	c.lab.Docker("rm", "--force", c.ID)
}

func (c *Container) inspect(format string) string {
	c.lab.t.Helper()
	return strings.TrimSpace(c.lab.Docker("inspect", "--format", format, c.ID))
}
