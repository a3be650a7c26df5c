package tls

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Day is the unit of lifetimes.
const Day = 24 * time.Hour

// Lifetimes. 398 days is the most that some clients accept of a server.
const (
	authorityYears   = 10
	ServerLifetime   = 398 * Day
	ClientLifetime   = 90 * Day
	ExpiryWarning    = 30 * Day
	clockTolerance   = 5 * time.Minute // of clients whose clock is behind
	earliestSensible = 2026            // a clock before that year was never set
)

// issuer is an authority with its key.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newRoot makes the root of a host.
func newRoot(host string, now time.Time) (issuer, error) {
	key, err := newKey()
	if err != nil {
		return issuer{}, err
	}
	t := authority("dockwall CA of "+host, now, now.AddDate(authorityYears, 0, 0))
	t.MaxPathLen = 1
	cert, err := sign(t, t, key.Public(), key)
	return issuer{cert, key}, err
}

// newNoClient makes an authority that has no client and never will, as its key
// is thrown away. dockerd does not start with an empty bundle.
func newNoClient(now time.Time) (*x509.Certificate, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	t := authority("dockwall: no client is allowed", now, now.AddDate(authorityYears, 0, 0))
	t.MaxPathLenZero = true
	return sign(t, t, key.Public(), key)
}

// clientAuthority makes the small authority of one client. It lives as long as
// the root, so that the client can be renewed without a restart of dockerd.
func (i issuer) clientAuthority(name string, now time.Time) (issuer, error) {
	key, err := newKey()
	if err != nil {
		return issuer{}, err
	}
	t := authority("dockwall client "+name, now, i.cert.NotAfter)
	t.MaxPathLenZero = true
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	// A client that was revoked and made again has another authority: servers
	// announce authorities by subject, so the subject has to differ too.
	unique := make([]byte, 8)
	_, _ = rand.Read(unique) // never fails
	t.Subject.SerialNumber = hex.EncodeToString(unique)
	cert, err := sign(t, i.cert, key.Public(), i.key)
	return issuer{cert, key}, err
}

// server makes a certificate for dockerd.
func (i issuer) server(names Names, pub any, now time.Time) (*x509.Certificate, error) {
	t := leaf(i, now, ServerLifetime, x509.ExtKeyUsageServerAuth)
	t.DNSNames = names.DNS
	for _, a := range names.Addrs {
		t.IPAddresses = append(t.IPAddresses, net.IP(a.AsSlice()))
	}
	t.Subject.CommonName = "dockerd"
	if len(names.DNS) > 0 && len(names.DNS[0]) <= 64 {
		t.Subject.CommonName = names.DNS[0]
	}
	return sign(t, i.cert, pub, i.key)
}

// client makes a certificate for a user of the API.
func (i issuer) client(name string, pub any, now time.Time, lifetime time.Duration) (*x509.Certificate, error) {
	t := leaf(i, now, lifetime, x509.ExtKeyUsageClientAuth)
	t.Subject.CommonName = name
	return sign(t, i.cert, pub, i.key)
}

func authority(name string, now, end time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"dockwall"}, CommonName: shorten(name)},
		NotBefore:             now.Add(-clockTolerance),
		NotAfter:              end,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
}

func leaf(by issuer, now time.Time, lifetime time.Duration, usage x509.ExtKeyUsage) *x509.Certificate {
	end := now.Add(lifetime)
	if end.After(by.cert.NotAfter) {
		end = by.cert.NotAfter
	}
	return &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"dockwall"}},
		NotBefore:             now.Add(-clockTolerance),
		NotAfter:              end,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{usage},
		BasicConstraintsValid: true,
	}
}

// shorten keeps a common name within X.520's 64 characters.
func shorten(name string) string {
	if len(name) > 64 {
		return name[:64]
	}
	return name
}

func sign(template, parent *x509.Certificate, pub, key any) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// checkClock returns an error if the clock cannot be right: a certificate made
// then would be refused by everybody else.
func checkClock(now time.Time, root *x509.Certificate) error {
	switch {
	case now.Year() < earliestSensible:
		return fmt.Errorf("this host's clock says %s: set it first, as certificates begin and end by it", now.UTC().Format(time.RFC3339))
	case root == nil:
	case now.Before(root.NotBefore):
		return fmt.Errorf("this host's clock says %s, and the CA begins at %s: set the clock first",
			now.UTC().Format(time.RFC3339), root.NotBefore.UTC().Format(time.RFC3339))
	case now.After(root.NotAfter):
		return fmt.Errorf("the CA has ended at %s (this host's clock says %s): set the clock, or make a new CA with agentctl tls init --force",
			root.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// NamesOf returns the names that a certificate is valid for.
func NamesOf(c *x509.Certificate) Names {
	n := Names{DNS: append([]string{}, c.DNSNames...), Addrs: []netip.Addr{}}
	for _, ip := range c.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			n.Addrs = append(n.Addrs, a.Unmap())
		}
	}
	return n
}
