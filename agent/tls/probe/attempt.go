package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// request is what each probe sends. /_ping needs no API version and changes
// nothing.
const request = "GET /_ping HTTP/1.1\r\nHost: docker\r\nUser-Agent: dockwall\r\nConnection: close\r\n\r\n"

// dial connects; what is read is bounded, and the context's end is that of the
// connection.
func (t Target) dial(ctx context.Context) (net.Conn, error) {
	c, err := t.Dial(ctx, "tcp", t.Addr)
	if err != nil {
		return nil, err
	}
	if end, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(end); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return &bounded{Conn: c, left: maxRead}, nil
}

// plain asks without TLS. A TLS server in Go, such as dockerd, answers with
// status 400; others close the connection or send an alert.
func (t Target) plain(ctx context.Context) Attempt {
	c, err := t.dial(ctx)
	if err != nil {
		return silent(err)
	}
	defer c.Close()
	// What the server sent before it closed can be read even if this fails.
	_, _ = io.WriteString(c, request)
	status, err := readStatus(c)
	switch {
	case status == 400:
		return Attempt{Refused, status, "it answers HTTP without TLS with status 400"}
	case status != 0:
		return Attempt{Answered, status, "it answers without TLS"}
	case errors.Is(err, errNoHTTP), errors.Is(err, io.EOF), isReset(err):
		return Attempt{Refused, 0, "it does not answer HTTP without TLS"}
	}
	return silent(err)
}

// credential returns what a client presents to a server that asks for a
// certificate.
type credential func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

func anonymous(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tls.Certificate{}, nil }

// tls asks over TLS and returns the certificates that the server showed.
func (t Target) tls(ctx context.Context, show credential) (Attempt, []*x509.Certificate) {
	raw, err := t.dial(ctx)
	if err != nil {
		return silent(err), nil
	}
	defer raw.Close()
	asked := false
	var chain []*x509.Certificate
	c := tls.Client(raw, &tls.Config{
		// Whose certificate it is and whether it is valid is what is probed.
		InsecureSkipVerify: true,
		ServerName:         t.serverName(),
		MinVersion:         tls.VersionTLS12,
		VerifyPeerCertificate: func(certs [][]byte, _ [][]*x509.Certificate) error {
			chain = parseChain(certs)
			return nil
		},
		GetClientCertificate: func(i *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return show(i)
		},
	})
	if err := c.HandshakeContext(ctx); err != nil {
		return refusal(err, asked), chain
	}
	_, _ = io.WriteString(c, request) // see plain
	status, err := readStatus(c)
	switch {
	case status != 0:
		return Attempt{Answered, status, "it answers over TLS"}, chain
	case errors.Is(err, errNoHTTP):
		return Attempt{Outcome: Silent, Detail: "it answers over TLS, though not with HTTP"}, chain
	}
	return refusal(err, asked), chain
}

// serverName is what the server is told of the name that is dialled.
func (t Target) serverName() string {
	host, _, err := net.SplitHostPort(t.Addr)
	if err != nil || net.ParseIP(host) != nil {
		return ""
	}
	return host
}

// alerts are those of RFC 8446 6.2 by which a server turns a client's
// certificate, or the lack of one, away; in crypto/tls's words.
var alerts = []string{
	"certificate required", "bad certificate", "unknown certificate authority", "unsupported certificate",
	"unknown certificate", "expired certificate", "revoked certificate", "access denied", "handshake failure",
}

// refusal is the attempt that ended with this error.
func refusal(err error, asked bool) Attempt {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return silent(err)
	}
	text := strings.TrimPrefix(op.Err.Error(), "tls: ")
	if !asked {
		return Attempt{Outcome: Silent, Detail: "it ends the handshake before it asks for a certificate: " + text}
	}
	for _, a := range alerts {
		if text == a {
			return Attempt{Outcome: Refused, Detail: text}
		}
	}
	return Attempt{Outcome: Silent, Detail: "it ends the handshake: " + text}
}

func silent(err error) Attempt {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return Attempt{Outcome: Silent, Detail: "it did not answer in time"}
	case errors.Is(err, io.EOF), isReset(err):
		return Attempt{Outcome: Silent, Detail: "it closed the connection without saying why"}
	}
	return Attempt{Outcome: Silent, Detail: err.Error()}
}

var statusLine = regexp.MustCompile(`^HTTP/[0-9](?:\.[0-9])? ([0-9]{3})\b`)

var errNoHTTP = errors.New("the answer is not HTTP")

// readStatus returns the status of an HTTP answer: 1xx, too, which only a server
// that reads requests sends.
func readStatus(r io.Reader) (int, error) {
	b := bufio.NewReaderSize(r, 256)
	line, err := b.ReadSlice('\n')
	if m := statusLine.FindSubmatch(line); m != nil {
		return strconv.Atoi(string(m[1]))
	}
	if len(line) > 0 {
		return 0, fmt.Errorf("%w: %.32q", errNoHTTP, line)
	}
	return 0, err
}
