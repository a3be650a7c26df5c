package tls

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What was killed in the middle is completed by the next command.
func TestHalfMade(t *testing.T) {
	f := newFolder(t, "")
	makeServer(t, f, nil)
	alice, bob := makeClient(t, f, "alice", nil), makeClient(t, f, "bob", nil)
	if _, err := f.revoke("bob"); err != nil { // and killed before the bundle was written
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(f.Path, "clients", draftPrefix+"carol"), 0o700); err != nil {
		t.Fatal(err)
	}
	inv, err := f.List(today)
	if err != nil || len(inv.Problems) != 1 || !strings.Contains(inv.Problems[0], "clients.pem") {
		t.Errorf("list says %q, %v", inv.Problems, err)
	}
	if _, err := f.RenewClient("alice", RenewOptions{Now: today}); err != nil {
		t.Fatal(err)
	}
	inv, err = f.List(today)
	if err != nil || len(inv.Problems) != 0 || len(inv.Certificates) != 3 {
		t.Errorf("list says %q, %v, and has %d certificates", inv.Problems, err, len(inv.Certificates))
	}
	accepted(t, f, alice)
	if text, _ := os.ReadFile(f.Bundle()); strings.Contains(string(text), "# bob") {
		t.Errorf("%s is in the bundle", bob.Certificate.Name)
	}
	if left, _ := filepath.Glob(filepath.Join(f.Path, "clients", draftPrefix+"*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	// An init that was killed: the key is there, the certificate is not.
	if err := os.Remove(f.Root()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Init(InitOptions{Host: "host", Now: today}); !errors.Is(err, ErrExists) {
		t.Errorf("init after half an init: %v", err)
	}
	if _, err := f.Server(ServerOptions{Now: today, Force: true}); err == nil || !strings.Contains(err.Error(), "agentctl tls init") {
		t.Errorf("server after half an init: %v", err)
	}
}

func TestDamagedClient(t *testing.T) {
	f := newFolder(t, "")
	makeServer(t, f, nil)
	alice := makeClient(t, f, "alice", nil)
	makeClient(t, f, "bob", nil)
	path := filepath.Join(f.Path, "clients", "bob", "client-ca.pem")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Client(ClientOptions{Name: "carol", Lifetime: Day, Now: today}); err == nil || !strings.Contains(err.Error(), "revoke bob") {
		t.Errorf("a client beside a damaged one: %v", err)
	}
	if _, err := f.Revoke("bob"); err != nil {
		t.Errorf("revoking a damaged client: %v", err)
	}
	accepted(t, f, alice)
}

func TestOfflineKeys(t *testing.T) {
	f := Folder{Path: filepath.Join(t.TempDir(), "tls"), Offline: filepath.Join(t.TempDir(), "stick")}
	if _, err := f.Init(InitOptions{Host: "host", Passphrase: []byte("correct horse"), Now: today}); err != nil {
		t.Fatal(err)
	}
	makeServer(t, f, secret("correct horse"))
	alice := makeClient(t, f, "alice", secret("correct horse"))
	accepted(t, f, alice)
	err := filepath.WalkDir(f.Path, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(d.Name(), "ca-key.pem") {
			t.Errorf("the key of an authority is on the host: %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	without := Folder{Path: f.Path}
	if _, err := without.RenewClient("alice", RenewOptions{Now: today}); err == nil || !strings.Contains(err.Error(), "--offline") {
		t.Errorf("renewing without the stick: %v", err)
	}
	if _, err := without.Revoke("alice"); err != nil {
		t.Errorf("revoking without the stick: %v", err)
	}
}

func TestFolderThatOthersRead(t *testing.T) {
	f := newFolder(t, "")
	if err := os.Chmod(f.Path, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Server(ServerOptions{Now: today}); err == nil || !strings.Contains(err.Error(), "chmod 0700") {
		t.Errorf("in a folder of mode 0755: %v", err)
	}
}

func TestListHasNoSecret(t *testing.T) {
	f := newFolder(t, "correct horse")
	makeServer(t, f, secret("correct horse"))
	makeClient(t, f, "alice", secret("correct horse"))
	inv, err := f.List(today.Add(70 * Day))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(inv)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "horse") || strings.Contains(string(text), "PRIVATE") {
		t.Errorf("the list has a secret in it: %s", text)
	}
	var states []string
	for _, c := range inv.Certificates {
		states = append(states, c.Name+map[bool]string{true: " expiring"}[c.Expiring])
	}
	if got := strings.Join(states, ", "); got != "ca, server, alice expiring" {
		t.Errorf("70 days later the list is %s", got)
	}
}
