package tlstest

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	certs "dockwall/agent/tls"
)

// Made is a folder with a server's certificate for these names and a client, alice.
type Made struct {
	Folder certs.Folder
	Server tls.Certificate
	// Clients are the authorities that the server asks for, Roots those that clients ask for.
	Clients, Roots *x509.CertPool
}

// Make makes the folder, which ends with the test.
func Make(t *testing.T, names certs.Names) Made {
	t.Helper()
	m := Made{Folder: certs.Folder{Path: filepath.Join(t.TempDir(), "tls")}}
	now := time.Now()
	_, err := m.Folder.Init(certs.InitOptions{Host: "host", Now: now})
	if err == nil {
		_, err = m.Folder.Server(certs.ServerOptions{Names: names, Now: now})
	}
	if err == nil {
		_, err = m.Folder.Client(certs.ClientOptions{Name: "alice", Lifetime: certs.Day, Now: now})
	}
	if err == nil {
		m.Server, err = tls.LoadX509KeyPair(m.Folder.ServerCert(), m.Folder.ServerKey())
	}
	if err != nil {
		t.Fatal(err)
	}
	m.Clients, m.Roots = pool(t, m.Folder.Bundle()), pool(t, m.Folder.Root())
	return m
}

// Verifying is the configuration of a dockerd with --tlsverify.
func (m Made) Verifying() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{m.Server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: m.Clients}
}

func pool(t *testing.T, path string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(text) {
		t.Fatalf("%s holds no certificate", path)
	}
	return p
}

// Serve answers each request as dockerd answers /_ping, until the test ends; over TLS
// if there is a configuration.
func Serve(t *testing.T, config *tls.Config) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "OK") })}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if config == nil {
			_ = s.Serve(l)
			return
		}
		_ = s.ServeTLS(l, "", "")
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}
