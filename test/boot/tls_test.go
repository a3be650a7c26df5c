package boot_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dockwall/test/boot"
)

// The commands of the manual (tls.md): these on the host, with a passphrase on stdin
// in place of a terminal …
var tlsCommands = []string{
	"agentctl tls init",
	"agentctl tls server",
	"agentctl tls client alice -o alice",
	"agentctl tls install --restart",
}

// … and these on another host.
var contextCommands = []string{
	`docker context create prod --docker "host=tcp://192.0.2.1:2376,ca=alice/ca.pem,cert=alice/cert.pem,key=alice/key.pem"`,
	"docker --context prod ps",
}

// tlsByTheManual goes from nothing to a client on another host, and back.
func tlsByTheManual(t *testing.T, m *boot.Machine) {
	m.Write("/etc/dockwall/agent.hcl", officeOnly+"docker_api {\n  from = [\"192.0.2.10\"]\n  require_tls = true\n}\n")
	m.Run("systemctl", "restart", "dockwall.service")
	before := units(m)
	refusals(t, m)
	for _, command := range tlsCommands {
		m.Shell("cd /root && echo 'correct horse' | " + command)
	}
	if out := m.Run("stat", "-c", "%a %U", "/etc/dockwall/tls", "/etc/dockwall/tls/server-key.pem", "/etc/dockwall/tls/ca-key.pem"); out != "700 root\n400 root\n400 root\n" {
		t.Errorf("modes and owners are\n%s", out)
	}
	m.Until(30*time.Second, "agentctl tls verify to find the port protected", func() error {
		out, err := m.Try("agentctl", "tls", "verify")
		if err == nil && !strings.Contains(out, "protected") {
			err = fmt.Errorf("it says %q", out) // agentd has not seen the port yet
		}
		return err
	})
	m.Shell("agentctl tls list")
	dir := t.TempDir()
	carry(t, m, dir)
	config := []string{"DOCKER_CONFIG=" + filepath.Join(dir, "config")}
	if out, err := m.Outside(dir, config, "sh", "-c", contextCommands[0]); err != nil {
		t.Fatalf("%s: %v\n%s", contextCommands[0], err, out)
	}
	m.Until(30*time.Second, "another host to use the API", func() error {
		out, err := m.Outside(dir, config, "sh", "-c", contextCommands[1])
		if err == nil && !strings.Contains(out, "CONTAINER ID") {
			err = fmt.Errorf("it prints %q", out)
		}
		return err
	})
	m.Run("agentctl", "tls", "uninstall", "--restart")
	if after := units(m); after != before {
		t.Errorf("after uninstall docker.service is\n%s\nand was\n%s", after, before)
	}
	if out, err := m.Outside(dir, config, "sh", "-c", "timeout 10 "+contextCommands[1]); err == nil {
		t.Errorf("after uninstall the API answers: %s", out)
	}
	// The package's purge would keep it.
	m.Run("rm", "-r", "/etc/dockwall/tls")
	m.Write("/etc/dockwall/agent.hcl", officeOnly)
}

// units are docker.service with its drop-ins, and the folder of these.
func units(m *boot.Machine) string {
	return m.Shell("systemctl cat docker.service docker.socket; ls -la --time-style=+ /etc/systemd/system/docker.service.d; " +
		"systemctl show --property=NeedDaemonReload docker.service")
}

// carry copies the client's files to the folder of another host.
func carry(t *testing.T, m *boot.Machine, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "alice"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca.pem", "cert.pem", "key.pem"} {
		if err := os.WriteFile(filepath.Join(dir, "alice", name), []byte(m.Run("cat", "/root/alice/"+name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// refusals are settings beside which the drop-in would do harm or nothing.
func refusals(t *testing.T, m *boot.Machine) {
	const dir = "/etc/refused"
	m.Shell("agentctl tls --dir " + dir + " init --no-passphrase && agentctl tls --dir " + dir + " server")
	before := units(m)
	for path, text := range map[string]string{
		"/etc/docker/daemon.json":                        `{"hosts": ["unix:///run/docker.sock"], "tlsverify": true}`,
		"/etc/systemd/system/docker.socket.d/tcp.conf":   "[Socket]\nListenStream=127.0.0.1:2375\n",
		"/etc/systemd/system/docker.service.d/host.conf": "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// -H tcp://127.0.0.1:2375\n",
	} {
		m.Shell("if [ -e " + path + " ]; then cp " + path + " /root/kept; fi")
		m.Write(path, text)
		m.Run("systemctl", "daemon-reload")
		out, err := m.Try("agentctl", "tls", "--dir", dir, "install")
		if err == nil || !strings.Contains(out, path) || !strings.Contains(out, "Nothing was changed") {
			t.Errorf("beside %s, install says\n%s", path, out)
		}
		m.Shell("rm " + path + "; if [ -e /root/kept ]; then mv /root/kept " + path + "; fi; rmdir /etc/systemd/system/docker.socket.d 2>/dev/null || true")
		m.Run("systemctl", "daemon-reload")
	}
	if out := m.Run("agentctl", "tls", "--dir", dir, "install", "--dry-run"); !strings.Contains(out, "--tlsverify") || units(m) != before {
		t.Errorf("a dry run says\n%s\nand leaves\n%s", out, units(m))
	}
	m.Run("rm", "-r", dir)
}
