package tls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// today is when the tests' certificates are made.
var today = time.Now()

// newFolder is a folder with an authority; passphrase may be empty.
func newFolder(t *testing.T, passphrase string) Folder {
	t.Helper()
	f := Folder{Path: filepath.Join(t.TempDir(), "tls")}
	o := InitOptions{Host: "host", Now: today}
	if passphrase != "" {
		o.Passphrase = []byte(passphrase)
	}
	if _, err := f.Init(o); err != nil {
		t.Fatal(err)
	}
	return f
}

func makeServer(t *testing.T, f Folder, p Passphrase) Certificate {
	t.Helper()
	c, err := f.Server(ServerOptions{Names: Names{DNS: []string{"db1.example.com"}, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}, Passphrase: p, Now: today})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func makeClient(t *testing.T, f Folder, name string, p Passphrase) Client {
	t.Helper()
	c, err := f.Client(ClientOptions{Name: name, Lifetime: ClientLifetime, Passphrase: p, Now: today})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// dial makes a handshake as dockerd with --tlsverify and one of its clients do,
// with files as they are now, and returns the client's error.
func dial(t *testing.T, f Folder, certFile, keyFile string) error {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(f.ServerCert(), f.ServerKey())
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := os.ReadFile(f.Bundle())
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(bundle) {
		t.Fatal("dockerd would not start: the bundle is empty")
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, _ = io.WriteString(c, "hello")
			_ = c.Close()
		}
	}()
	root, err := os.ReadFile(f.Root())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	own, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client := tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1",
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }})
	defer client.Close()
	_, err = client.Read(make([]byte, 5))
	return err
}

func accepted(t *testing.T, f Folder, c Client) {
	t.Helper()
	if err := dial(t, f, filepath.Join(c.Dir, "cert.pem"), filepath.Join(c.Dir, "key.pem")); err != nil {
		t.Errorf("%s is refused: %v", c.Certificate.Name, err)
	}
}

func TestRevokingOneClientLeavesTheOthers(t *testing.T) {
	f := newFolder(t, "")
	makeServer(t, f, nil)
	alice, bob := makeClient(t, f, "alice", nil), makeClient(t, f, "bob", nil)
	accepted(t, f, alice)
	accepted(t, f, bob)
	// The keys of a client that is revoked are removed here; its user has them.
	keep := t.TempDir()
	for _, name := range []string{"cert.pem", "key.pem"} {
		text, err := os.ReadFile(filepath.Join(alice.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(keep, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := f.Revoke("alice")
	if err != nil {
		t.Fatal(err)
	}
	if err := dial(t, f, filepath.Join(keep, "cert.pem"), filepath.Join(keep, "key.pem")); err == nil {
		t.Error("alice is accepted after she was revoked")
	}
	accepted(t, f, bob)
	if keys, _ := filepath.Glob(filepath.Join(r.Kept, "*key*")); len(keys) > 0 {
		t.Errorf("keys of a revoked client are kept: %v", keys)
	}
	accepted(t, f, makeClient(t, f, "alice", nil))
	if err := dial(t, f, filepath.Join(keep, "cert.pem"), filepath.Join(keep, "key.pem")); err == nil {
		t.Error("alice's former certificate is accepted with the new one")
	}
	for _, name := range []string{"alice", "bob"} {
		if _, err := f.Revoke(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := dial(t, f, filepath.Join(keep, "cert.pem"), filepath.Join(keep, "key.pem")); err == nil {
		t.Error("somebody is accepted though all were revoked")
	}
}

func TestServerIsNoClient(t *testing.T) {
	f := newFolder(t, "")
	makeServer(t, f, nil)
	makeClient(t, f, "alice", nil)
	if err := dial(t, f, f.ServerCert(), f.ServerKey()); err == nil {
		t.Error("the server's certificate is accepted of a client")
	}
	root, err := readCertificate(f.Root())
	if err != nil {
		t.Fatal(err)
	}
	server, err := readCertificate(f.ServerCert())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	for name, want := range map[string]bool{"192.0.2.1": true, "db1.example.com": true, "localhost": true, "::1": true, "127.0.0.1": true, "192.0.2.2": false} {
		_, err := server.Verify(x509.VerifyOptions{DNSName: name, Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		if (err == nil) != want {
			t.Errorf("the server's certificate for %s: %v, want valid %v", name, err, want)
		}
	}
	if d := server.NotAfter.Sub(today); d > ServerLifetime || d < ServerLifetime-Day {
		t.Errorf("the server's certificate lives %v", d)
	}
}

func TestRenewalNeedsNoRestart(t *testing.T) {
	f := newFolder(t, "")
	makeServer(t, f, nil)
	alice := makeClient(t, f, "alice", nil)
	before, _ := os.ReadFile(f.Bundle())
	later := today.Add(10 * Day)
	dir := t.TempDir()
	renewed, err := f.RenewClient("alice", RenewOptions{Dir: dir, Now: later})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := renewed.Certificate.NotAfter, alice.Certificate.NotAfter.Add(10*Day); !got.Equal(want) || renewed.Restart {
		t.Errorf("it ends at %v, want %v; restart %v", got, want, renewed.Restart)
	}
	if after, _ := os.ReadFile(f.Bundle()); string(after) != string(before) {
		t.Error("renewing changed the bundle, so dockerd would have to start again")
	}
	// A certificate of the future is not valid today: take one of now.
	if _, err := f.RenewClient("alice", RenewOptions{Dir: dir, Now: today}); err != nil {
		t.Fatal(err)
	}
	if err := dial(t, f, filepath.Join(dir, "cert.pem"), filepath.Join(alice.Dir, "key.pem")); err != nil {
		t.Errorf("the renewed certificate with the former key: %v", err)
	}
	key, _ := os.ReadFile(f.ServerKey())
	s, err := f.RenewServer(RenewOptions{Names: Names{DNS: []string{"more.example.com"}}, Now: today})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Names.DNS, " "); got != "localhost db1.example.com more.example.com" {
		t.Errorf("the renewed names are %s", got)
	}
	if now, _ := os.ReadFile(f.ServerKey()); string(now) != string(key) {
		t.Error("renewing the server replaced its key")
	}
	accepted(t, f, alice)
}

func TestModes(t *testing.T) {
	f := newFolder(t, "correct horse")
	makeServer(t, f, secret("correct horse"))
	dir := filepath.Join(t.TempDir(), "out")
	if _, err := f.Client(ClientOptions{Name: "bob", Lifetime: Day, Dir: dir, Passphrase: secret("correct horse"), Now: today}); err != nil {
		t.Fatal(err)
	}
	makeClient(t, f, "alice", secret("correct horse"))
	keys, encrypted := 0, 0
	look := func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		want := certMode
		switch {
		case d.IsDir():
			want = folderMode
		case strings.Contains(d.Name(), "key"):
			want = keyMode
			keys++
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if isEncrypted(text) {
				encrypted++
			}
		case d.Name() == lockFile:
			want = 0o600
		}
		if fi.Mode().Perm() != want {
			t.Errorf("%s has mode %04o, want %04o", path, fi.Mode().Perm(), want)
		}
		return nil
	}
	for _, root := range []string{f.Path, dir} {
		if err := filepath.WalkDir(root, look); err != nil {
			t.Fatal(err)
		}
	}
	// The root's, the server's, two of clients' authorities, two of clients.
	if keys != 6 || encrypted != 3 {
		t.Errorf("%d keys, %d of them encrypted; want 6 and 3", keys, encrypted)
	}
	if _, err := os.Stat(filepath.Join(f.Path, "clients", "bob", "key.pem")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the key that was written elsewhere is here as well: %v", err)
	}
}

// everything is the content of the folder, by path.
func everything(t *testing.T, path string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		all[p] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestNothingIsReplaced(t *testing.T) {
	f := newFolder(t, "correct horse")
	makeServer(t, f, secret("correct horse"))
	makeClient(t, f, "alice", secret("correct horse"))
	before := everything(t, f.Path)
	same := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", what)
			return
		}
		now := everything(t, f.Path)
		if len(now) != len(before) {
			t.Errorf("%s: %d files, before %d", what, len(now), len(before))
		}
		for path, text := range before {
			if now[path] != text {
				t.Errorf("%s: %s changed", what, path)
			}
		}
		if strings.Contains(err.Error(), "horse") || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: the error has a secret in it: %v", what, err)
		}
	}
	good, wrong := secret("correct horse"), secret("wrong horse")
	_, err := f.Init(InitOptions{Host: "host", Now: today})
	same("init", err)
	_, err = f.Server(ServerOptions{Passphrase: good, Now: today})
	same("server", err)
	_, err = f.Server(ServerOptions{Passphrase: wrong, Now: today, Force: true})
	same("server with a wrong passphrase", err)
	_, err = f.Client(ClientOptions{Name: "alice", Lifetime: Day, Passphrase: good, Now: today})
	same("client", err)
	_, err = f.Client(ClientOptions{Name: "bob", Lifetime: Day, Passphrase: wrong, Now: today})
	same("client with a wrong passphrase", err)
	_, err = f.RenewClient("alice", RenewOptions{Passphrase: wrong, Now: today})
	same("renew with a wrong passphrase", err)
	_, err = f.Revoke("nobody")
	same("revoke nobody", err)
	_, err = f.Client(ClientOptions{Name: "../x", Lifetime: Day, Passphrase: good, Now: today})
	same("client with a path", err)
	for _, clock := range []time.Time{time.Unix(0, 0), today.Add(-Day), today.AddDate(11, 0, 0)} {
		_, err = f.Client(ClientOptions{Name: "bob", Lifetime: Day, Passphrase: good, Now: clock})
		same("client at "+clock.String(), err)
		_, err = f.RenewServer(RenewOptions{Passphrase: good, Now: clock})
		same("renew server at "+clock.String(), err)
	}
}

func TestForceKeepsTheFormerAuthority(t *testing.T) {
	f := newFolder(t, "")
	makeServer(t, f, nil)
	before := everything(t, f.Path)
	a, err := f.Init(InitOptions{Host: "host", Now: today, Force: true})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range before {
		kept, err := os.ReadFile(filepath.Join(a.Former, strings.TrimPrefix(path, f.Path)))
		if err != nil || string(kept) != text {
			t.Errorf("%s is not kept: %v", path, err)
		}
	}
	if now, _ := os.ReadFile(f.Root()); string(now) == before[f.Root()] {
		t.Error("the authority is the former one")
	}
}
