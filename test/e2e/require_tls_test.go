package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"dockwall/test/lab"
)

// TestRequireTLS takes the TLS of a real dockerd away and gives it back: the port is
// open only while dockerd asks for certificates, to another host and to a container, in
// both families, and no request without a certificate is ever answered.
func TestRequireTLS(t *testing.T) {
	for _, engine := range lab.Engines(t) {
		if !strings.HasPrefix(engine, "20.10") && !strings.HasPrefix(engine, "28.") {
			continue
		}
		t.Run(engine, func(t *testing.T) {
			h := newAPIHost(t, engine)
			plain := h.flags("--live-restore", "--tls=false")
			verified := append(h.verified(), "--live-restore")
			h.StartDockerd(plain...)
			box := h.RunContainer(lab.Spec{Name: "box", Listen: "tcp:80"}).Client()
			wan := h.Client("wan")
			agent := h.Agentd(fmt.Sprintf("docker_api {\n  from = [%q, %q, \"172.16.0.0/12\"]\n  require_tls = true\n}\n",
				h.ClientAddr("wan", 4), h.ClientAddr("wan", 6)))
			asked := h.askPlainly()
			h.closed("dockerd answers without TLS", wan, box)
			h.explained("deny", "docker_api_no_tls")
			if problems := h.statusProblems(); !strings.Contains(problems, "docker_api_no_tls") || !strings.Contains(problems, "without TLS") {
				t.Errorf("status does not name docker_api_no_tls: %s", problems)
			}
			h.RestartDockerd(verified...)
			h.opens("dockerd verifies", wan, box)
			h.explained("allow", "")
			h.asks("alice", true)
			h.RestartDockerd(plain...)
			h.closed("dockerd answers without TLS again", wan, box)
			h.RestartDockerd(verified...)
			h.opens("dockerd verifies again", wan)
			h.StopDockerd()
			h.until("the port to be closed while dockerd is away", func() bool { return h.explain().Verdict == "deny" })
			if n := asked(); n > 0 {
				t.Errorf("%d requests without a certificate were answered", n)
			}
			agent.Stop()
			h.withoutDaemon(plain, verified, wan)
		})
	}
}

// withoutDaemon has agentctl probe by itself.
func (h apiHost) withoutDaemon(plain, verified []string, from *lab.Client) {
	h.t.Helper()
	h.StartDockerd(verified...)
	h.explained("allow", "")
	if stdout, stderr, code := h.Agentctl("apply"); code != 0 {
		h.t.Errorf("agentctl apply: %d\n%s%s", code, stdout, stderr)
	}
	h.opens("agentctl apply has probed", from)
	h.RestartDockerd(plain...)
	h.explained("deny", "docker_api_no_tls")
	if stdout, _, code := h.Agentctl("diff"); code != 1 {
		h.t.Errorf("agentctl diff = %d, want 1, because the port is to be closed\n%s", code, stdout)
	}
	if stdout, stderr, code := h.Agentctl("apply"); code != 0 {
		h.t.Errorf("agentctl apply: %d\n%s%s", code, stdout, stderr)
	}
	h.closed("agentctl apply has probed", from)
}

// askPlainly has another host ask for the API without TLS without a pause; the function
// that it returns ends that, and returns how many requests were answered.
func (h apiHost) askPlainly() (answered func() int) {
	cmd := exec.Command("nsenter", "--net="+h.NamespacePath("wan"), "sh", "-c",
		`while :; do curl -s --max-time 1 http://`+h.address()+`/_ping; echo; done`)
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	ended := false
	end := func() int {
		if !ended {
			ended = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		n := 0
		for _, line := range strings.Split(out.String(), "\n") {
			if line == "OK" {
				n++
			}
		}
		return n
	}
	h.t.Cleanup(func() { end() })
	return end
}

// connects reports whether a TCP connection to the API comes about.
func (h apiHost) connects(c *lab.Client, family int) bool {
	r := c.Dial("tcp", h.apiAddr(c, family), 2376)
	return r.Class != "timeout" && r.Class != "refused" && r.Class != "unreachable"
}

// apiAddr is where the client dials: the host's NIC, or a container its gateway.
func (h apiHost) apiAddr(c *lab.Client, family int) netip.Addr {
	if c.Name() == "wan" {
		return h.HostAddr("eth0", family)
	}
	// "3: docker0    inet 172.17.0.1/16 brd …"
	fields := strings.Fields(h.Host("ip", "-4", "-o", "addr", "show", "dev", "docker0"))
	return netip.MustParsePrefix(fields[3]).Addr()
}

func (h apiHost) families(c *lab.Client) []int {
	if c.Name() == "wan" {
		return []int{4, 6}
	}
	return []int{4}
}

func (h apiHost) opens(when string, from ...*lab.Client) {
	h.t.Helper()
	for _, c := range from {
		for _, family := range h.families(c) {
			h.until(fmt.Sprintf("%s: the API to be open to %s, IPv%d", when, c.Name(), family), func() bool { return h.connects(c, family) })
		}
	}
}

// closed is for at once: dockerd answers, and the port was closed before.
func (h apiHost) closed(when string, from ...*lab.Client) {
	h.t.Helper()
	for _, c := range from {
		for _, family := range h.families(c) {
			if h.connects(c, family) {
				h.t.Errorf("%s: the API is open to %s, IPv%d", when, c.Name(), family)
			}
		}
	}
}

func (h apiHost) until(what string, is func() bool) {
	h.t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("waited in vain for %s", what)
		}
	}
}

type apiAnswer struct{ Verdict, Code, Policy, Meaning string }

func (h apiHost) explain() apiAnswer {
	h.t.Helper()
	stdout, stderr, _ := h.Agentctl("explain", "--from", h.ClientAddr("wan", 4).String(), "--via", "eth0", "--to", h.address(), "--json")
	var a apiAnswer
	if err := json.Unmarshal([]byte(stdout), &a); err != nil {
		h.t.Fatalf("explain: %v\n%s%s", err, stdout, stderr)
	}
	return a
}

func (h apiHost) explained(verdict, code string) {
	h.t.Helper()
	if a := h.explain(); a.Verdict != verdict || a.Code != code || a.Policy != "docker_api" {
		h.t.Errorf("explain says %+v, want %s %s", a, verdict, code)
	}
}

func (h apiHost) statusProblems() string {
	h.t.Helper()
	stdout, stderr, _ := h.Agentctl("status", "--json")
	var s struct{ Problems json.RawMessage }
	if err := json.Unmarshal([]byte(stdout), &s); err != nil {
		h.t.Fatalf("status: %v\n%s%s", err, stdout, stderr)
	}
	return string(s.Problems)
}
