package probe

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	certs "dockwall/agent/tls"
	"dockwall/rules/finding"
)

// Certificate is the one that the server showed.
type Certificate struct {
	Serial    string      `json:"serial"`
	Subject   string      `json:"subject"`
	NotBefore time.Time   `json:"not_before"`
	NotAfter  time.Time   `json:"not_after"`
	Names     certs.Names `json:"names"`
	Key       string      `json:"key"`
}

// Code names a kind of problem.
type Code string

// The codes.
const (
	CodeExpired  Code = "tls_expired"
	CodeExpiring      = Code(finding.TLSExpiry)
	CodeName          = Code(finding.TLSName)
	CodeChain    Code = "tls_chain"
	CodeWeak          = Code(finding.TLSWeakKey)
)

// Problem is what is wrong with the server's certificate.
type Problem struct {
	Code Code   `json:"code"`
	Text string `json:"text"`
}

// parseChain returns the certificates that can be parsed: the server's own first.
func parseChain(raw [][]byte) []*x509.Certificate {
	var all []*x509.Certificate
	for i, der := range raw {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			if i == 0 {
				return nil
			}
			continue
		}
		all = append(all, c)
	}
	return all
}

// inspect returns what is to be known of the server's certificate, and what is
// wrong with it.
func (t Target) inspect(chain []*x509.Certificate) (*Certificate, []Problem) {
	c := chain[0]
	problems := []Problem{}
	add := func(code Code, format string, args ...any) {
		problems = append(problems, Problem{code, fmt.Sprintf(format, args...)})
	}
	key, weak := certs.Strength(c)
	end := c.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case t.Now.After(c.NotAfter):
		add(CodeExpired, "the server's certificate has ended on %s", end)
	case t.Now.Before(c.NotBefore):
		add(CodeExpired, "the server's certificate begins on %s: is this host's clock right?", c.NotBefore.UTC().Format(time.DateTime))
	case t.Now.Add(certs.ExpiryWarning).After(c.NotAfter):
		add(CodeExpiring, "the server's certificate ends on %s, in %d days", end, int(c.NotAfter.Sub(t.Now)/certs.Day))
	}
	if missing := MissingNames(c, t.Names); len(missing) > 0 {
		add(CodeName, "the server's certificate is not valid for %s", strings.Join(missing, ", "))
	}
	if t.Roots != nil {
		if err := t.verify(chain); err != nil {
			add(CodeChain, "clients do not trust the server's certificate: %v", err)
		}
	}
	if weak {
		add(CodeWeak, "the server's key or its signature is weak: %s", key)
	}
	return &Certificate{
		Serial: hex.EncodeToString(c.SerialNumber.Bytes()), Subject: c.Subject.String(),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), Names: certs.NamesOf(c), Key: key,
	}, problems
}

// MissingNames returns those of the names that the certificate is not valid for.
func MissingNames(c *x509.Certificate, names []string) []string {
	var missing []string
	for _, name := range names {
		if a, err := netip.ParseAddr(name); err == nil {
			name = a.WithZone("").String()
		}
		if c.VerifyHostname(name) != nil {
			missing = append(missing, name)
		}
	}
	return missing
}

// verify checks the chain up to a root, at a moment in which the certificate is
// valid: its end is a problem of its own.
func (t Target) verify(chain []*x509.Certificate) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	at := t.Now
	if at.After(chain[0].NotAfter) || at.Before(chain[0].NotBefore) {
		at = chain[0].NotBefore
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: t.Roots, Intermediates: between, CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return errors.New("it is signed by an unknown CA")
	}
	return err
}
