package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	certs "dockwall/agent/tls"
	"dockwall/test/tlstest"
)

// made is a folder with a server's certificate and a client, alice.
func made(t *testing.T) tlstest.Made {
	t.Helper()
	return tlstest.Make(t, certs.Names{Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}})
}

// accepts asks the server with alice's certificate: a server that nobody can
// use would be protected as well.
func accepts(t *testing.T, f certs.Folder, addr string, roots *x509.CertPool) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(f.Path, "clients/alice/cert.pem"), filepath.Join(f.Path, "clients/alice/key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}
	defer transport.CloseIdleConnections()
	r, err := (&http.Client{Transport: transport}).Get("https://" + addr + "/_ping")
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("alice is not accepted: %v", err)
	}
	_ = r.Body.Close()
}

func TestFourServers(t *testing.T) {
	m := made(t)
	f, pair, clients, roots := m.Folder, m.Server, m.Clients, m.Roots
	byName := func(raw [][]byte, _ [][]*x509.Certificate) error {
		c, err := x509.ParseCertificate(raw[0])
		if err != nil {
			return err
		}
		//lint:ignore SA1019 such a server would compare these
		for _, s := range clients.Subjects() {
			if bytes.Equal(s, c.RawIssuer) {
				return nil
			}
		}
		return errors.New("another issuer")
	}
	config := func(auth tls.ClientAuthType, version uint16) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: auth, ClientCAs: clients, MinVersion: version, MaxVersion: version}
	}
	type outcomes [3]Outcome
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		names := config(tls.RequireAnyClientCert, version)
		names.VerifyPeerCertificate = byName
		for _, c := range []struct {
			name   string
			config *tls.Config
			state  State
			want   outcomes
		}{
			{"plain", nil, Open, outcomes{Answered, Silent, Silent}},
			{"TLS", config(tls.NoClientCert, version), Open, outcomes{Refused, Answered, Answered}},
			{"TLS that asks", config(tls.RequestClientCert, version), Open, outcomes{Refused, Answered, Answered}},
			{"any certificate", config(tls.RequireAnyClientCert, version), Open, outcomes{Refused, Refused, Answered}},
			{"the issuer's name", names, Open, outcomes{Refused, Refused, Answered}},
			{"a certificate if given", config(tls.VerifyClientCertIfGiven, version), Open, outcomes{Refused, Answered, Refused}},
			{"verified", config(tls.RequireAndVerifyClientCert, version), Protected, outcomes{Refused, Refused, Refused}},
		} {
			t.Run(tls.VersionName(version)+" "+c.name, func(t *testing.T) {
				addr := tlstest.Serve(t, c.config).String()
				v := Run(t.Context(), Target{Addr: addr, Names: []string{"127.0.0.1"}, Roots: roots, Patience: 20 * time.Second, Now: time.Now()})
				if got := (outcomes{v.Plain.Outcome, v.Anonymous.Outcome, v.Foreign.Outcome}); v.State != c.state || got != c.want {
					t.Errorf("%s (%s), %v; want %s, %v\n%+v", v.State, v.Reason, got, c.state, c.want, v)
				}
				if c.config != nil && (v.Certificate == nil || len(v.Problems) > 0) {
					t.Errorf("certificate %+v, problems %v", v.Certificate, v.Problems)
				}
				if c.state == Protected {
					accepts(t, f, addr, roots)
				}
			})
		}
	}
}

func codes(v Verdict) []Code {
	var all []Code
	for _, p := range v.Problems {
		all = append(all, p.Code)
	}
	return all
}

func TestCertificateProblems(t *testing.T) {
	m := made(t)
	roots, clients := m.Roots, m.Clients
	addr := tlstest.Serve(t, m.Verifying()).String()
	now := time.Now()
	for _, c := range []struct {
		name  string
		at    time.Time
		names []string
		roots *x509.CertPool
		state State
		want  []Code
	}{
		{"in time", now, []string{"127.0.0.1", "::1", "192.0.2.1", "localhost"}, roots, Protected, nil},
		{"20 days before its end", now.Add(378 * certs.Day), nil, roots, Protected, []Code{CodeExpiring}},
		{"after its end", now.Add(399 * certs.Day), nil, roots, Unproven, []Code{CodeExpired}},
		{"before it begins", now.Add(-certs.Day), nil, roots, Unproven, []Code{CodeExpired}},
		{"another address", now, []string{"192.0.2.2"}, roots, Protected, []Code{CodeName}},
		{"another CA", now, nil, clients, Protected, []Code{CodeChain}},
		{"no CA", now, nil, nil, Protected, nil},
	} {
		v := Run(t.Context(), Target{Addr: addr, Names: c.names, Roots: c.roots, Patience: 20 * time.Second, Now: c.at})
		if v.State != c.state || !slices.Equal(codes(v), c.want) {
			t.Errorf("%s: %s (%s) %v, want %s %v", c.name, v.State, v.Reason, codes(v), c.state, c.want)
		}
	}
}

// raw serves each connection with the function.
func raw(t *testing.T, each func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				each(c)
			}()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// A server that lies, hangs or floods is never called protected, and never
// holds the probe longer than it has patience.
func TestServersThatLie(t *testing.T) {
	for name, each := range map[string]func(net.Conn){
		"closes at once":    func(net.Conn) {},
		"says nothing":      func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"status 400 always": func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.0 400 Bad Request\r\n\r\n") },
		"status 403 always": func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\n\r\n") },
		"an alert always":   func(c net.Conn) { _, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, 116}) },
		"no end of zeros": func(c net.Conn) {
			for zeros := make([]byte, 64<<10); ; {
				if _, err := c.Write(zeros); err != nil {
					return
				}
			}
		},
		"one byte at a time": func(c net.Conn) {
			for {
				if _, err := c.Write([]byte("H")); err != nil {
					return
				}
			}
		},
		"endless handshake records": func(c net.Conn) {
			record := append([]byte{22, 3, 3, 0x40, 0}, make([]byte, 0x4000)...)
			for {
				if _, err := c.Write(record); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := Run(t.Context(), Target{Addr: raw(t, each), Patience: 300 * time.Millisecond, Now: time.Now()})
			want := Unproven
			if name == "status 403 always" {
				want = Open
			}
			if v.State != want || v.Reason == "" {
				t.Errorf("%s: %q, want %s\n%+v", v.State, v.Reason, want, v)
			}
		})
	}
}

// The bound holds whatever the reader asks for.
func TestBounded(t *testing.T) {
	server, client := net.Pipe()
	defer client.Close()
	go func() {
		for {
			if _, err := server.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}()
	n, err := io.Copy(io.Discard, &bounded{Conn: client, left: maxRead})
	if n != maxRead || !errors.Is(err, errTooMuch) {
		t.Errorf("%d bytes, %v; want %d", n, err, maxRead)
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	if v := Run(context.Background(), Target{Addr: addr, Now: time.Now()}); v.State != Unproven {
		t.Errorf("%+v", v)
	}
}
