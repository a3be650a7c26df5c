package boot

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// image is the one image there is: the responder, and nothing else.
const image = "responder"

// allowCgroups lets Docker make cgroups where this machine has cgroup v1,
// whose controllers systemd-nspawn mounts read-only.
const allowCgroups = `[Service]
ExecStartPre=-/bin/sh -c 'for m in /sys/fs/cgroup/*; do mountpoint -q "$m" && mount -o remount,bind,rw "$m"; done'
`

// StartDocker enables Docker, starts it and gives it the image.
func (m *Machine) StartDocker() {
	m.t.Helper()
	m.Write("/etc/systemd/system/containerd.service.d/cgroups.conf", allowCgroups)
	m.Run("systemctl", "daemon-reload")
	m.Run("systemctl", "enable", "--now", "containerd.service", "docker.socket", "docker.service")
	m.importImage()
}

func (m *Machine) importImage() {
	m.t.Helper()
	program, err := os.ReadFile(m.responder())
	if err != nil {
		m.t.Fatalf("making the image: %v", err)
	}
	archive := filepath.Join(m.dir, "image.tar")
	f, err := os.Create(archive)
	if err != nil {
		m.t.Fatalf("making the image: %v", err)
	}
	w := tar.NewWriter(f)
	header := &tar.Header{Name: "responder", Mode: 0o755, Size: int64(len(program)), Typeflag: tar.TypeReg}
	if err := w.WriteHeader(header); err != nil {
		m.t.Fatalf("making the image: %v", err)
	}
	if _, err := w.Write(program); err != nil {
		m.t.Fatalf("making the image: %v", err)
	}
	if err := w.Close(); err != nil {
		m.t.Fatalf("making the image: %v", err)
	}
	if err := f.Close(); err != nil {
		m.t.Fatalf("making the image: %v", err)
	}
	m.Copy(archive, "/root/image.tar")
	m.Run("docker", "import", "--change", `ENTRYPOINT ["/responder"]`, "/root/image.tar", image)
}

// StartContainers starts what outlives a reboot: a container with a published
// port, and one on the host's network.
func (m *Machine) StartContainers() {
	m.t.Helper()
	m.Run("docker", "run", "-d", "--restart=always", "--name=web", "-p", "8080:80", image, "serve", "-name", "web", "-listen", "tcp:80")
	m.Run("docker", "run", "-d", "--restart=always", "--name=direct", "--network=host", image, "serve", "-name", "direct", "-listen", "tcp:8081")
}

// WebAddress is the published container's own address.
func (m *Machine) WebAddress() string {
	m.t.Helper()
	return strings.TrimSpace(m.Run("docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", "web"))
}

// WaitReaches waits until the office reaches the address.
func (m *Machine) WaitReaches(limit time.Duration, from, to string) {
	m.t.Helper()
	m.Until(limit, from+" to reach "+to, func() error {
		if ok, class := m.Reaches(from, to); !ok {
			return &unreached{class}
		}
		return nil
	})
}

// unreached says how an attempt ended.
type unreached struct{ class string }

func (e *unreached) Error() string { return "the attempt ended in: " + e.class }
