package e2e_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	certs "dockwall/agent/tls"
	"dockwall/test/lab"
)

// apiHost is a host whose API has certificates, and the tools of its clients.
type apiHost struct {
	*lab.Lab
	t   *testing.T
	dir string // of the certificates
}

// newAPIHost makes the certificates by the commands of the manual; alice and bob
// are clients.
func newAPIHost(t *testing.T, engine string) apiHost {
	t.Helper()
	for _, program := range []string{"openssl", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed; test/setup.sh does that", program)
			}
			t.Skipf("%s is not installed; test/setup.sh does that", program)
		}
	}
	h := apiHost{lab.New(t, lab.Options{Engine: engine, NoDocker: true}), t, ""}
	h.dir = filepath.Join(h.Dir(), "tls")
	h.WriteConfig("# no policy\n")
	h.tls(0, "init", "--no-passphrase")
	h.tls(0, "server")
	for _, name := range []string{"alice", "bob"} {
		h.tls(0, "client", name, "-o", h.files(name))
	}
	_, err := certs.Folder{Path: h.dir}.Client(certs.ClientOptions{Name: "past", Lifetime: time.Minute, Dir: h.files("past"), Now: time.Now().Add(-2 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h apiHost) files(client string) string { return filepath.Join(h.Dir(), client) }

// tls runs agentctl tls and returns what it prints.
func (h apiHost) tls(want int, args ...string) string {
	h.t.Helper()
	stdout, stderr, code := h.Agentctl(append([]string{"tls", "--dir", h.dir}, args...)...)
	if code != want {
		h.t.Fatalf("agentctl tls %v = %d, want %d\n%s%s", args, code, want, stdout, stderr)
	}
	return stdout
}

// flags make dockerd listen on every address with these, too.
func (h apiHost) flags(more ...string) []string {
	return append([]string{"-H", "unix:///run/docker.sock", "-H", "tcp://0.0.0.0:2376"}, more...)
}

func (h apiHost) verified() []string {
	return h.flags("--tlsverify", "--tlscacert="+filepath.Join(h.dir, "clients.pem"),
		"--tlscert="+filepath.Join(h.dir, "server-cert.pem"), "--tlskey="+filepath.Join(h.dir, "server-key.pem"))
}

// wan runs a program of another host.
func (h apiHost) wan(env []string, args ...string) (string, bool) {
	h.t.Helper()
	cmd := exec.Command("nsenter", append([]string{"--net=" + h.NamespacePath("wan")}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

func (h apiHost) address() string {
	return netip.AddrPortFrom(h.HostAddr("eth0", 4), 2376).String()
}

// docker, curl and openssl ask the API as a client; name is "" for none.
func (h apiHost) docker(name string) (string, bool) {
	return h.wan([]string{"DOCKER_HOST=tcp://" + h.address(), "DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH=" + h.files(name), "DOCKER_CONFIG=" + h.Dir()},
		"docker", "version", "--format", "{{.Server.Version}}")
}

func (h apiHost) curl(name string) (string, bool) {
	args := []string{"curl", "-sS", "--max-time", "20", "--cacert", filepath.Join(h.dir, "ca.pem"), "https://" + h.address() + "/_ping"}
	if name != "" {
		args = append(args, "--cert", filepath.Join(h.files(name), "cert.pem"), "--key", filepath.Join(h.files(name), "key.pem"))
	}
	out, ok := h.wan(nil, args...)
	return out, ok && out == "OK"
}

func (h apiHost) openssl(name string) (string, bool) {
	files := ""
	if name != "" {
		files = " -cert " + h.files(name) + "/cert.pem -key " + h.files(name) + "/key.pem"
	}
	out, _ := h.wan(nil, "sh", "-c", `(printf 'GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n'; timeout 20 cat) | timeout 20 openssl s_client -quiet -verify_return_error -verify_ip `+
		h.HostAddr("eth0", 4).String()+" -CAfile "+h.dir+"/ca.pem -connect "+h.address()+files+` 2>&1 | grep -m1 -E '^HTTP/|alert|error:'`)
	return out, strings.HasPrefix(out, "HTTP/1.0 200")
}

// asks asks with each tool.
func (h apiHost) asks(name string, want bool) {
	h.t.Helper()
	type ask func(string) (string, bool)
	for tool, ask := range map[string]ask{"docker": h.docker, "curl": h.curl, "openssl s_client": h.openssl} {
		if name == "" && tool == "docker" {
			continue // it reads the client's files before it dials
		}
		if out, ok := ask(name); ok != want {
			h.t.Errorf("%s as %q: answered %v, want %v\n%s", tool, name, ok, want, out)
		}
	}
}

// verdict is what agentctl tls verify says of the port. dockerd listens on [::]
// where it is told 0.0.0.0, so both may be there.
func (h apiHost) verdict(want int, state string) string {
	h.t.Helper()
	var r struct {
		Ports []struct{ State, Reason string }
	}
	text := h.tls(want, "verify", "--json")
	if err := json.Unmarshal([]byte(text), &r); err != nil || len(r.Ports) == 0 {
		h.t.Fatalf("verify says %s: %v", text, err)
	}
	for _, p := range r.Ports {
		if p.State != state {
			h.t.Errorf("verify says %s, want %s", text, state)
		}
	}
	return r.Ports[0].Reason
}

// TestTLS has real clients ask a real API: those with a certificate are answered,
// a revoked one, a foreign one and one without are not.
func TestTLS(t *testing.T) {
	for _, engine := range lab.Engines(t) {
		t.Run(engine, func(t *testing.T) {
			h := newAPIHost(t, engine)
			h.StartDockerd(h.verified()...)
			h.verdict(0, "protected")
			h.asks("alice", true)
			h.asks("bob", true)
			h.asks("", false)
			h.foreign()
			h.asks("past", false) // its certificate has ended
			h.tls(0, "revoke", "alice")
			h.RestartDockerd(h.verified()...)
			h.asks("alice", false)
			h.asks("bob", true)
			h.tls(0, "renew", "bob", "-o", h.files("bob"))
			h.asks("bob", true)
			// Measured: dockerd verifies with --tls alone, too, unless it is told not to.
			files := h.verified()[5:]
			h.RestartDockerd(h.flags(append([]string{"--tls"}, files...)...)...)
			h.verdict(0, "protected")
			h.asks("", false)
			h.RestartDockerd(h.flags(append([]string{"--tlsverify=false"}, files...)...)...)
			if reason := h.verdict(1, "open"); !strings.Contains(reason, "over TLS") {
				t.Errorf("of dockerd with --tlsverify=false: %s", reason)
			}
			h.asks("", true)
			h.RestartDockerd(h.flags("--tls=false")...)
			if reason := h.verdict(1, "open"); !strings.Contains(reason, "without TLS") {
				t.Errorf("of a plain dockerd: %s", reason)
			}
		})
	}
}

// foreign asks with a certificate of another CA, with bob's name.
func (h apiHost) foreign() {
	h.t.Helper()
	other := h
	other.dir = filepath.Join(h.Dir(), "other")
	other.tls(0, "init", "--no-passphrase")
	other.tls(0, "client", "bob", "-o", h.files("mallory"))
	// Its user trusts the right CA: it is the server that has to refuse.
	ca, err := os.ReadFile(filepath.Join(h.dir, "ca.pem"))
	if err != nil {
		h.t.Fatal(err)
	}
	path := filepath.Join(h.files("mallory"), "ca.pem")
	if err := os.Chmod(path, 0o600); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, ca, 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.asks("mallory", false)
}
