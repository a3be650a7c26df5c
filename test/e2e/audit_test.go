package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dockwall/test/lab"
)

// auditHost is a host whose containers are judged.
type auditHost struct {
	*lab.Lab
	t *testing.T
	// execs: a process with more rights than its container's was started. That takes
	// every capability, which the machine may not have.
	execs bool
}

// auditFinding is what agentctl audit --json says of one check on one subject.
type auditFinding struct {
	ID, State, Detail string
	Subject           struct{ Kind, Name string }
}

// audit judges, and returns the findings by "ID subject".
func (h auditHost) audit(args ...string) map[string]auditFinding {
	h.t.Helper()
	stdout, stderr, code := h.Agentctl(append([]string{"audit", "--json", "--docker", "unix://" + h.DockerSocket()}, args...)...)
	var r struct{ Findings []auditFinding }
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code > 1 {
		h.t.Fatalf("agentctl audit %v = %d, %v\n%s%s", args, code, err, stdout, stderr)
	}
	found := map[string]auditFinding{}
	for _, f := range r.Findings {
		found[strings.TrimSpace(f.ID+" "+f.Subject.Name)] = f
	}
	return found
}

// auditFile lists one published port of one container.
const auditFile = `containers "listed" {
  names = ["listed"]
}
published "listed" {
  to    = [containers.listed]
  ports = ["8082/tcp"]
  from  = ["any"]
}
`

// TestAudit judges real containers, each with a setting that is wrong, beside one on
// which all are right. What the scripts of others get wrong is among them.
func TestAudit(t *testing.T) {
	for _, engine := range lab.Engines(t) {
		t.Run(engine, func(t *testing.T) {
			h := auditHost{lab.New(t, lab.Options{Engine: engine}), t, false}
			h.WriteConfig(auditFile)
			h.Docker("network", "create", "--opt", "com.docker.network.bridge.enable_icc=false", "shop")
			h.RunContainer(lab.Spec{Name: "good", Network: "shop", Publish: []string{"127.0.0.1:8080:80"}, Args: []string{"--cap-drop", "NET_RAW", "--security-opt", "no-new-privileges",
				"--user", "1001", "--memory", "64m", "--cpus", "1", "--pids-limit", "64", "--read-only", "--restart", "on-failure:5", "--log-opt", "max-size=1m",
				"--health-cmd", "true", "--ulimit", "nofile=1024:1024", "--cgroupns", "private"}})
			h.Docker("volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", "device=/etc", "folder")
			for _, c := range auditCases(h) {
				spec := lab.Spec{Name: c.name, Network: c.network, Args: c.args}
				if c.created {
					h.CreateContainer(spec)
				} else {
					h.RunContainer(spec)
				}
			}
			_, _, code := h.TryDocker("exec", "--privileged", "--detach", "plain", "/responder", "serve", "-listen", "tcp:81")
			h.execs = code == 0
			h.sniffing("listed")
			found := h.audit()
			for _, c := range auditCases(h) {
				for _, id := range c.fails {
					if f := found[id+" "+c.name]; f.State != "fail" {
						t.Errorf("%s of %s is %q: %s", id, c.name, f.State, f.Detail)
					}
				}
				for _, id := range c.notes {
					if f := found[id+" "+c.name]; f.State != "note" {
						t.Errorf("%s of %s is %q: %s", id, c.name, f.State, f.Detail)
					}
				}
				for _, id := range c.passes {
					if f := found[id+" "+c.name]; f.State != "pass" {
						t.Errorf("%s of %s is %q: %s", id, c.name, f.State, f.Detail)
					}
				}
			}
			h.good(found)
			h.engine(found)
			if one := h.audit("--container", "good", "--only", "container.privileged"); len(one) != 1 {
				t.Errorf("one check of one container is %v", one)
			}
		})
	}
}

// sniffing has an interface of the container take every frame, as a sniffer does.
func (h auditHost) sniffing(name string) {
	h.t.Helper()
	pid := strings.TrimSpace(h.Docker("inspect", "--format", "{{.State.Pid}}", name))
	h.Host("nsenter", "--net=/proc/"+pid+"/ns/net", "ip", "link", "set", "eth0", "promisc", "on")
}

// good expects all checks on the good container to pass, except those that this test's
// machine decides.
func (h auditHost) good(found map[string]auditFinding) {
	h.t.Helper()
	n := 0
	for _, f := range found {
		if f.Subject.Name != "good" {
			continue
		}
		n++
		switch f.ID {
		case "container.image-tag", "container.image-digest": // the lab has no registry
		case "container.apparmor", "container.selinux", "container.registry", "container.host-users", "container.host-cgroup":
		case "container.scan": // agentd does not run
		default:
			if f.State != "pass" {
				h.t.Errorf("%s of good is %s: %s", f.ID, f.State, f.Detail)
			}
		}
	}
	if n < 40 {
		h.t.Errorf("%d checks of good were made", n)
	}
}

// engine expects what holds for the engine of every lab.
func (h auditHost) engine(found map[string]auditFinding) {
	h.t.Helper()
	for id, want := range map[string]string{"kernel.seccomp": "pass", "network.iptables": "pass", "network.api-tcp": "pass", "network.insecure-registries": "pass",
		"daemon.log-driver": "fail", "network.between-containers": "fail", "kernel.user-namespaces": "fail", "swarm.active": "pass", "image.root responder:latest": "fail", "image.committed responder:latest": "note"} {
		if f := found[id]; f.State != want {
			h.t.Errorf("%s is %q, want %s: %s", id, f.State, want, f.Detail)
		}
	}
}

// auditCase is a container with a setting, and what has to fail or pass because of it.
type auditCase struct {
	name, network string
	created       bool
	args          []string
	fails, passes []string
	notes         []string
}

func auditCases(h auditHost) []auditCase {
	var execs []string
	if h.execs {
		execs = []string{"container.exec-privileged"}
	}
	link := filepath.Join(h.Dir(), "link")
	if err := os.Symlink("/etc", link); err != nil && !os.IsExist(err) {
		h.t.Fatal(err)
	}
	socket := h.DockerSocket() + ":/docker.sock"
	return []auditCase{
		{name: "plain", fails: append(execs, "container.net-raw", "container.no-new-privileges", "container.root", "container.memory", "container.cpu", "container.read-only", "container.log",
			"container.healthcheck", "container.default-bridge", "container.image-tag"),
			passes: []string{"container.privileged", "container.capabilities", "container.seccomp", "container.host-network", "container.host-pid", "container.docker-socket",
				"container.sensitive-mount", "container.devices", "container.restart", "container.sshd", "container.packet-socket", "container.promiscuous", "container.secret"}},
		{name: "worst", network: "host", args: []string{"--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined", "--security-opt", "no-new-privileges=false", "--user", "0:0",
			"--pid", "host", "--ipc", "host", "--uts", "host", "--device", "/dev/null:/dev/x", "--volume", socket, "--volume", link + ":/x", "--restart", "always",
			"--log-driver", "none", "--env", "DB_PASSWORD=hunter2"},
			fails: []string{"container.capabilities", "container.seccomp", "container.no-new-privileges", "container.root", "container.host-network", "container.host-pid", "container.host-ipc",
				"container.host-uts", "container.devices", "container.docker-socket", "container.sensitive-mount", "container.restart", "container.log", "container.secret"},
			passes: []string{"container.privileged", "container.default-bridge", "container.sensitive-mount-read-only"}},
		{name: "shares", network: "container:worst", args: []string{"--cap-drop", "ALL", "--cap-add", "CHOWN", "--cpu-quota", "50000", "--log-driver", "local"},
			fails: []string{"container.host-network"}, passes: []string{"container.capabilities", "container.net-raw", "container.cpu", "container.log", "container.host-pid"}},
		{name: "all-of-host", args: []string{"--volume", "/:/host:ro", "--publish", "[::]:443:80", "--device-cgroup-rule", "c 1:3 r"},
			fails:  []string{"container.docker-socket", "container.sensitive-mount-read-only", "container.published-everywhere", "container.privileged-port", "container.devices"},
			passes: []string{"container.sensitive-mount"}},
		// Running these takes rights that the machine may not have.
		{name: "privileged", created: true, args: []string{"--privileged"}, fails: []string{"container.privileged", "container.capabilities", "container.seccomp", "container.devices"}},
		{name: "volumes", args: []string{"--volume", "folder:/x", "--volume", "plain:/y"}, fails: []string{"container.sensitive-mount"}, passes: []string{"container.docker-socket"}},
		{name: "files", created: true, args: []string{"--ulimit", "nofile=2000000:2000000"}, fails: []string{"container.ulimits"}},
		{name: "listed", args: []string{"--publish", "8082:80"}, fails: []string{"container.promiscuous"}, passes: []string{"container.published-unlisted", "container.published-idle"}},
		{name: "unlisted", args: []string{"--publish", "8083:80", "--publish", "8084:84"}, fails: []string{"container.published-unlisted"}, notes: []string{"container.published-idle"}},
		{name: "made", created: true, args: []string{"--security-opt", "no-new-privileges=false", "--publish", "127.0.0.1:1024:81", "--cap-add", "NET_ADMIN"},
			fails: []string{"container.no-new-privileges", "container.capabilities"}, passes: []string{"container.privileged-port", "container.published-everywhere"}},
	}
}
