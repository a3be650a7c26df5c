package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dockwall/test/lab"
)

// composed is a container as docker create's arguments, and as a service of a Compose
// file.
type composed struct {
	name, network string
	args          []string
	service       string
}

func composedCases(dir string) []composed {
	return []composed{
		{"plain", "shop", nil, ""},
		{"worst", "host", []string{"--privileged", "--pid", "host", "--ipc", "host", "--uts", "host", "--user", "0:0", "--cap-add", "SYS_PTRACE", "--security-opt", "no-new-privileges=false",
			"--volume", "/var/run/docker.sock:/s", "--volume", "/etc:/e:ro", "--restart", "always", "--log-driver", "none", "--env", "DB_PASSWORD=hunter2", "--no-healthcheck"},
			"network_mode: host\n    privileged: true\n    pid: host\n    ipc: host\n    uts: host\n    user: '0:0'\n    cap_add: [SYS_PTRACE]\n    security_opt: ['no-new-privileges=false']\n" +
				"    volumes: ['/var/run/docker.sock:/s', '/etc:/e:ro']\n    restart: always\n    logging: {driver: none}\n    environment: {DB_PASSWORD: hunter2}\n    healthcheck: {disable: true}"},
		{"good", "shop", []string{"--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "1001", "--memory", "64m", "--cpus", "1", "--pids-limit", "64", "--read-only", "--restart", "on-failure:5",
			"--log-driver", "json-file", "--log-opt", "max-size=1m", "--health-cmd", "true", "--ulimit", "nofile=1024:1024", "--publish", "127.0.0.1:8080:80", "--volume", dir + ":/data"},
			"cap_drop: [ALL]\n    security_opt: [no-new-privileges]\n    user: '1001'\n    mem_limit: 64m\n    cpus: 1\n    pids_limit: 64\n    read_only: true\n    restart: on-failure:5\n" +
				"    logging: {driver: json-file, options: {max-size: 1m}}\n    healthcheck: {test: 'true'}\n    ulimits: {nofile: 1024}\n    ports: ['127.0.0.1:8080:80']\n    volumes: ['" + dir + ":/data']"},
		{"open", "shop", []string{"--publish", "80:80", "--publish", "8443:443", "--device", "/dev/null:/dev/x", "--volume", "/:/host:rslave"}, "ports: ['80:80', '8443:443']\n    devices: ['/dev/null:/dev/x']\n    volumes: ['/:/host:rslave']"},
		{"shares", "container:worst", []string{"--pid", "container:worst"}, "network_mode: 'service:worst'\n    pid: 'service:worst'"},
	}
}

// TestAuditCompose judges a Compose file, and containers that a real engine made with the
// same settings: what the file decides, the engine confirms.
func TestAuditCompose(t *testing.T) {
	for _, engine := range lab.Engines(t) {
		t.Run(engine, func(t *testing.T) {
			h := auditHost{lab.New(t, lab.Options{Engine: engine}), t, false}
			h.WriteConfig("# no policy\n")
			h.Docker("network", "create", "shop")
			data := t.TempDir()
			file := "services:\n"
			for _, c := range composedCases(data) {
				h.CreateContainer(lab.Spec{Name: c.name, Network: c.network, Args: c.args})
				file += "  " + c.name + ":\n    image: responder\n    " + c.service + "\n"
			}
			path := filepath.Join(h.Dir(), "compose.yaml")
			if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			real, written, compared := h.audit(), h.audit("--compose", path), 0
			for key, f := range written {
				r, ok := real[key]
				if f.State != "pass" && f.State != "fail" || f.ID == "container.image-stale" {
					continue
				}
				if compared++; !ok || r.State != f.State {
					t.Errorf("%s: the file is %s (%s), the container %s (%s)", key, f.State, f.Detail, r.State, r.Detail)
				}
			}
			if compared < 100 {
				t.Errorf("%d results were compared", compared)
			}
		})
	}
}

// TestAuditDockerfile judges files with the shipped binary: pipes and large ones are
// refused at once.
func TestAuditDockerfile(t *testing.T) {
	h := lab.New(t, lab.Options{})
	path := filepath.Join(h.Dir(), "Dockerfile")
	if err := os.WriteFile(path, []byte("FROM debian:12\nENV DB_PASSWORD=hunter2\nRUN curl https://x.example/i | sh\nUSER app\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := h.Agentctl("audit", "--dockerfile", path)
	if code != 1 || strings.Contains(stdout+stderr, "hunter2") {
		t.Errorf("agentctl audit --dockerfile = %d\n%s%s", code, stdout, stderr)
	}
	for _, want := range []string{"image.secret  " + path + ":2:", "build.pipe-shell  " + path + ":3:"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, stdout)
		}
	}
	large := filepath.Join(h.Dir(), "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 100<<20); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{large, h.Dir(), "/dev/zero"} {
		if stdout, stderr, code := h.Agentctl("audit", "--dockerfile", bad); code != 2 || stdout != "" || !strings.Contains(stderr, "not") {
			t.Errorf("%s = %d\n%s%s", bad, code, stdout, stderr)
		}
	}
}

// TestAuditImage saves an image from a container that had a key, and lost it in a
// later layer: the engine's own stream and its archive say the same.
func TestAuditImage(t *testing.T) {
	for _, engine := range lab.Engines(t) {
		t.Run(engine, func(t *testing.T) {
			h := auditHost{lab.New(t, lab.Options{Engine: engine}), t, false}
			h.WriteConfig("# no policy\n")
			key := filepath.Join(h.Dir(), "id_rsa")
			if err := os.WriteFile(key, []byte("-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			h.CreateContainer(lab.Spec{Name: "one"})
			h.Docker("cp", key, "one:/id_rsa")
			h.Docker("commit", "--change", "ENV DB_PASSWORD=hunter2", "--change", "USER 1001", "one", "shop:1")
			archive := filepath.Join(h.Dir(), "shop.tar")
			h.Docker("save", "--output", archive, "shop:1")
			found := h.audit("--image", archive)
			for id, want := range map[string]string{"image.secret": "fail", "image.key-file": "fail", "image.root": "pass", "image.healthcheck": "fail", "image.ssh-server": "pass", "image.accounts": "pass"} {
				f := found[id+" "+archive+" (shop:1)"]
				if f.State != want || strings.Contains(f.Detail, "hunter2") {
					t.Errorf("%s is %q, want %s: %s", id, f.State, want, f.Detail)
				}
				for key, g := range h.audit("--image", "shop:1", "--only", id) {
					if g.State != f.State || g.Detail != f.Detail {
						t.Errorf("%s of the engine is %s (%s), of its archive %s (%s)", key, g.State, g.Detail, f.State, f.Detail)
					}
				}
			}
			if stdout, stderr, code := h.Agentctl("audit", "--image", "nowhere:1", "--docker", "unix://"+h.DockerSocket()); code != 2 || !strings.Contains(stderr, "no image nowhere:1") {
				t.Errorf("an image that is not there = %d\n%s%s", code, stdout, stderr)
			}
		})
	}
}
