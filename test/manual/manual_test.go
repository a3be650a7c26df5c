package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dockwall/test/lab"
)

// elsewhere are commands that are not run here, and the tests that run them; where a path
// of this repository is named, the command has to stand in that file.
var elsewhere = map[string][2]string{
	"apt-get install ./dockwall_*.deb": {"", "the host of this test has no package manager; test/boot TestPackage installs the package"},
	"mkdir -p /etc/systemd/system/docker.service.d": {"test/boot/order_test.go",
		"it takes a systemd"},
	"ln -s /usr/share/dockwall/fail-closed.conf /etc/systemd/system/docker.service.d/dockwall.conf": {"test/boot/order_test.go", "it takes a systemd"},
	"systemctl daemon-reload":            {"test/boot/order_test.go", "it takes a systemd"},
	"agentctl tls init":                  {"test/boot/tls_test.go", "it writes below /etc of the machine that tests"},
	"agentctl tls server":                {"test/boot/tls_test.go", "it writes below /etc of the machine that tests"},
	"agentctl tls client alice -o alice": {"test/boot/tls_test.go", "it writes below /etc of the machine that tests"},
	"agentctl tls install --restart":     {"test/boot/tls_test.go", "it takes a systemd"},
	"agentctl tls list":                  {"test/boot/tls_test.go", "it reads below /etc of the machine that tests"},
	`docker context create prod --docker "host=tcp://192.0.2.1:2376,ca=alice/ca.pem,cert=alice/cert.pem,key=alice/key.pem"`: {
		"test/boot/tls_test.go", "it is run on another host"},
	"iptables-save | grep -vi dockwall > /etc/iptables/rules.v4":                   {"test/boot/order_test.go", "it writes below /etc of the machine that tests"},
	"ip6tables-save | grep -vi dockwall > /etc/iptables/rules.v6":                  {"test/boot/order_test.go", "it writes below /etc of the machine that tests"},
	"{ echo 'flush ruleset'; nft list ruleset | awk '":                             {"test/boot/saved_test.go", savedElsewhere},
	`/^table [a-z0-9]+ dockwall/ { table = 1 } /^\tchain DOCKWALL-/ { chain = 1 }`: {"test/boot/saved_test.go", savedElsewhere},
	"!table && !chain && !/DOCKWALL-/":                                             {"test/boot/saved_test.go", savedElsewhere},
	`/^\t}/ { chain = 0 } /^}/ { table = 0 }'; } > /etc/nftables.conf`:             {"test/boot/saved_test.go", savedElsewhere},
	"nft --check --file /etc/nftables.conf":                                        {"test/boot/saved_test.go", savedElsewhere},
	"agentctl audit --dockerfile Dockerfile":                                       {"", "it takes a file; test/e2e TestAuditDockerfile and TestAuditCompose have some"},
	"agentctl audit --dockerfile Dockerfile --format sarif":                        {"", "it takes a file; test/e2e TestAuditDockerfile and TestAuditCompose have some"},
	"agentctl audit --compose compose.yaml":                                        {"", "it takes a file; test/e2e TestAuditDockerfile and TestAuditCompose have some"},
	"agentctl audit --image image.tar":                                             {"", "it takes a file; test/e2e TestAuditImage has one"},
	"docker --context prod ps":                                                     {"test/boot/tls_test.go", "it is run on another host"},
}

// savedElsewhere is why the lines of one command are not run here.
const savedElsewhere = "it writes below /etc of the machine that tests"

// units are what systemctl does to the daemon, done without a systemd; with one
// test/boot does it.
var units = map[string]func(h *host){
	"systemctl enable --now dockwall":  (*host).start,
	"systemctl disable --now dockwall": (*host).stop,
	"systemctl stop dockwall":          (*host).stop,
	"systemctl restart dockwall":       func(h *host) { h.stop(); h.start() },
	"systemctl reload dockwall":        func(h *host) { h.run(command{text: "agentctl apply"}) }, // its ExecReload
}

// host is the lab and the daemon on it, if it runs.
type host struct {
	*lab.Lab
	t     *testing.T
	agent *lab.Agent
	used  map[string]bool
}

func (h *host) start() {
	h.agent = h.LaunchAgentd()
	h.agent.WaitState("enforcing")
}

func (h *host) stop() {
	if h.agent != nil {
		h.agent.Stop()
	}
	h.agent = nil
}

// newHost makes the host that the manual speaks of.
func newHost(t *testing.T) *host {
	h := &host{Lab: lab.New(t, lab.Options{}), t: t, used: map[string]bool{}}
	h.Host("ip", "link", "add", "wg0", "type", "veth", "peer", "name", "peer0")
	h.Host("ip", "addr", "add", "10.8.0.1/24", "dev", "wg0")
	h.Host("ip", "link", "set", "wg0", "up")
	for _, network := range []string{"shop_front", "shop_back"} {
		h.Docker("network", "create", network)
	}
	service := func(name string) []string {
		return []string{"--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=" + name}
	}
	h.RunContainer(lab.Spec{Name: "proxy", Network: "shop_front", Publish: []string{"80:8080", "443:8443"}, Listen: "tcp:8080,tcp:8443"})
	h.RunContainer(lab.Spec{Name: "app", Network: "shop_front", Args: service("app")})
	h.Docker("network", "connect", "shop_back", "app")
	h.RunContainer(lab.Spec{Name: "db", Network: "shop_back", Publish: []string{"5432:5432"}, Listen: "tcp:5432", Args: service("db")})
	h.RunContainer(lab.Spec{Name: "intranet", Network: "shop_front", Listen: "tcp:443"})
	h.RunContainer(lab.Spec{Name: "admin", Network: "shop_back", Publish: []string{"9000:9000"}, Listen: "tcp:9000"})
	h.RunContainer(lab.Spec{Name: "keepalived-1", Network: "shop_front"})
	h.WriteConfig("# no policy\n")
	h.Agentctl("version") // builds it
	tool := fmt.Sprintf("#!/bin/sh\nexec %q \"$@\" --config %q\n", repository(t, ".cache/lab/agentctl"), h.ConfigPath())
	if err := os.WriteFile(filepath.Join(h.Dir(), "bin", "agentctl"), []byte(tool), 0o755); err != nil {
		t.Fatal(err)
	}
	return h
}

func repository(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(filepath.Join("../..", path))
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// TestManual does what each page says.
func TestManual(t *testing.T) {
	h := newHost(t)
	for _, page := range pages(t) {
		h.stop()
		h.run(command{text: "agentctl remove"})
		h.WriteConfig("# no policy\n")
		if filepath.Base(page) != "install.md" { // which comes to starting it
			h.start()
		}
		for _, b := range blocks(t, page) {
			h.page(filepath.Base(page), b)
		}
	}
	for text := range elsewhere {
		if !h.used[text] {
			t.Errorf("the manual does not say %q any more: the reason for not running it is not needed", text)
		}
	}
}

func (h *host) page(name string, b block) {
	h.t.Helper()
	switch b.language {
	case "hcl":
		h.policy(fmt.Sprintf("%s:%d", name, b.line), b.text)
	case "sh":
		for _, c := range b.commands() {
			h.do(name, c)
		}
	}
}

// policy makes the text the host's file, which has to be right, and fit.
func (h *host) policy(at, text string) {
	h.t.Helper()
	h.WriteConfig(text)
	if stdout, stderr, code := h.Agentctl("check"); code != 0 || !strings.Contains(stdout, " is fine.") {
		h.t.Errorf("%s: agentctl check = %d:\n%s%s", at, code, stdout, stderr)
	}
	if h.agent != nil {
		h.run(command{text: "agentctl apply"})
		h.run(command{text: "agentctl diff"})
	}
}

func (h *host) do(page string, c command) {
	h.t.Helper()
	at := fmt.Sprintf("%s:%d: ", page, c.line)
	if reason, ok := elsewhere[c.text]; ok {
		h.used[c.text] = true
		if reason[0] != "" {
			text, err := os.ReadFile(repository(h.t, reason[0]))
			if err != nil || !strings.Contains(string(text), c.text) {
				h.t.Errorf("%s%s does not run %s: %v", at, reason[0], c.text, err)
			}
		}
		return
	}
	if does, ok := units[c.text]; ok {
		does(h)
		return
	}
	if strings.HasPrefix(c.text, "nft list ") {
		h.try(at, c)
		return
	}
	if !strings.HasPrefix(c.text, "agentctl ") {
		h.t.Errorf("%snobody runs %q", at, c.text)
		return
	}
	if missing := h.lacks(c.text); missing != "" {
		h.t.Errorf("%sagentctl has no %s", at, missing)
		return
	}
	h.try(at, c)
}

// lacks names the verb or flag of a command line that agentctl does not have.
func (h *host) lacks(line string) string {
	words := strings.Fields(line)
	help, _, code := h.TryHost("agentctl", words[1], "--help")
	if code != 0 || !strings.Contains(help, "agentctl "+words[1]) {
		return words[1]
	}
	for _, word := range words[2:] {
		if strings.HasPrefix(word, "--") && !strings.Contains(help, word+" ") && !strings.Contains(help, word+"\n") {
			return words[1] + " " + word
		}
	}
	return ""
}

func (h *host) run(c command) {
	h.t.Helper()
	h.try("", c)
}

func (h *host) try(at string, c command) {
	h.t.Helper()
	stdout, stderr, code := h.TryHost("sh", "-c", "cd "+filepath.Dir(h.ConfigPath())+" && "+strings.TrimSpace(c.text))
	if code != c.exit {
		h.t.Errorf("%s%s: exit code %d, want %d\n%s%s", at, strings.TrimSpace(c.text), code, c.exit, stdout, stderr)
	}
}
