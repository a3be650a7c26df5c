package cli_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
	"dockwall/agent/reconcile"
	"dockwall/netinfo"
)

// completes is what the shell is offered for the last word, and cobra's
// directive (2: no space after it, 4: no file names, 32: in this order).
func (c *command) completes(t *testing.T, args ...string) (words []string, directive string) {
	t.Helper()
	c.mustRun(t, 0, append([]string{"__complete"}, args...)...)
	all := strings.Split(strings.TrimSuffix(c.stdout.String(), "\n"), "\n")
	for _, w := range all[:len(all)-1] {
		words = append(words, strings.ReplaceAll(w, "\t", "  "))
	}
	return words, all[len(all)-1]
}

func (c *command) wantCompletions(t *testing.T, directive string, want []string, args ...string) {
	t.Helper()
	got, said := c.completes(t, args...)
	if diff := cmp.Diff(want, got); diff != "" || said != directive {
		t.Errorf("%v: directive %s, want %s (-want +got):\n%s", args, said, directive, diff)
	}
}

// wired is the machine with an address on its NIC.
func wired() *machine {
	m := newMachine()
	m.snapshot.Links[0].Addrs = nil
	for i, l := range m.snapshot.Links {
		if l.Name == "eth0" {
			m.snapshot.Links[i].Addrs = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64"), netip.MustParsePrefix("fe80::1/64")}
		}
	}
	return m
}

func TestCompletion(t *testing.T) {
	m := wired()
	c := newCommand(m)
	file, socket := writeConfig(t, "addresses \"office\" {\n  cidrs = [\"203.0.113.0/24\"]\n}\n")
	startDaemon(t, socket, func() reconcile.Status { return reconcile.Status{} }, m.snapshot, func() {})
	for _, tt := range []struct {
		args      []string
		want      []string
		directive string
	}{
		{[]string{"denied", "--container", ""}, []string{"web  running"}, ":4"},
		{[]string{"explain", "--from-container", "w"}, []string{"web  running"}, ":4"},
		{[]string{"explain", "--to", ""}, []string{"web:  running", "192.0.2.1:  eth0", "[2001:db8::1]:  eth0"}, ":6"},
		{[]string{"explain", "--to", "web:"}, []string{"web:80"}, ":4"},
		{[]string{"explain", "--to", "[2001:db8::1]:"}, []string{"[2001:db8::1]:8080"}, ":4"},
		{[]string{"explain", "--to", ":"}, []string{":8080"}, ":4"},
		{[]string{"explain", "--from", ""}, []string{"203.0.113.0  addresses.office", "172.17.0.2  web"}, ":4"},
		{[]string{"explain", "--via", "e"}, []string{"eth0"}, ":4"},
		{[]string{"explain", "--expect", ""}, []string{"allow", "deny"}, ":36"},
		{[]string{"explain", "--proto", "u"}, []string{"udp"}, ":36"},
		{[]string{"rules", "--family", ""}, []string{"4", "6"}, ":36"},
		{[]string{"status", ""}, nil, ":4"},
		{[]string{"check", "--snapshot", ""}, nil, ":0"}, // the shell's file names
		{[]string{"den"}, []string{"denied  Follow what is refused, as it happens"}, ":4"},
	} {
		args := append([]string{tt.args[0]}, "--config", file)
		if len(tt.args) == 1 {
			args = nil
		} else {
			tt.args = tt.args[1:]
		}
		c.wantCompletions(t, tt.directive, tt.want, append(args, tt.args...)...)
	}
}

// Where nothing answers the shell gets nothing, soon, and nobody is told.
func TestCompletionIsSilent(t *testing.T) {
	c := newCommand(wired())
	c.env.Host.Facts = func(ctx context.Context, _ config.Settings, _ time.Duration, _ func(int, int), _ hclog.Logger) (netinfo.Snapshot, error) {
		<-ctx.Done()
		<-t.Context().Done() // longer than any patience
		return netinfo.Snapshot{}, ctx.Err()
	}
	file, _ := writeConfig(t, "")
	bad := filepath.Join(t.TempDir(), "agent.hcl")
	if err := os.WriteFile(bad, []byte("published {\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, config := range []string{file, bad, filepath.Join(t.TempDir(), "none.hcl")} {
		// If the shell waited for the facts, this would not return.
		c.wantCompletions(t, ":4", nil, "denied", "--config", config, "--container", "")
		for line := range strings.Lines(c.stderr.String()) {
			if !strings.HasPrefix(line, "Completion ended with directive:") { // cobra's own; the scripts drop it
				t.Errorf("said to who is typing: %s", line)
			}
		}
	}
}

// Without the daemon root's shell asks the host itself.
func TestCompletionWithoutTheDaemon(t *testing.T) {
	c := newCommand(wired())
	file, _ := writeConfig(t, "")
	c.wantCompletions(t, ":4", []string{"web  running"}, "denied", "--config", file, "--container", "")
	c.env.EUID = 1000
	c.wantCompletions(t, ":4", nil, "denied", "--config", file, "--container", "")
}

func TestCompletionOfASnapshot(t *testing.T) {
	c := newCommand(newMachine())
	file, _ := writeConfig(t, "")
	c.mustRun(t, 0, "snapshot", "--config", file)
	saved := filepath.Join(t.TempDir(), "host.json")
	text := strings.ReplaceAll(c.stdout.String(), `"web"`, `"saved"`)
	if err := os.WriteFile(saved, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.wantCompletions(t, ":4", []string{"saved  running"}, "explain", "--config", file, "--snapshot", saved, "--from-container", "")
}
