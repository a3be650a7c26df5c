package tls

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// Kind is what a certificate is for.
type Kind string

// The kinds.
const (
	KindAuthority Kind = "ca"
	KindServer    Kind = "server"
	KindClient    Kind = "client"
)

// Certificate is what is to be known of one.
type Certificate struct {
	Kind Kind `json:"kind"`
	// Name is that of the client; "ca" and "server" of the others.
	Name string `json:"name"`
	// Path of its file; empty if it was shown by a server.
	Path        string    `json:"path,omitempty"`
	Serial      string    `json:"serial"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Names       *Names    `json:"names,omitempty"`
	Key         string    `json:"key"`
	Fingerprint string    `json:"fingerprint_sha256"`
	// KeyHere reports whether the private key of a client is still on this host.
	KeyHere bool `json:"key_here,omitempty"`
	// Problems are what is wrong with it, in words.
	Problems []string `json:"problems"`
	// Expired reports whether it has ended or not begun; Expiring whether it ends
	// within ExpiryWarning.
	Expired  bool `json:"expired"`
	Expiring bool `json:"expiring"`
}

// Inventory is what is in the folder.
type Inventory struct {
	Certificates []Certificate `json:"certificates"`
	// Problems are those of the folder as a whole.
	Problems []string `json:"problems"`
}

// describe returns what is to be known of a certificate.
func describe(kind Kind, name, path string, c *x509.Certificate, now time.Time) Certificate {
	sum := sha256.Sum256(c.Raw)
	d := Certificate{
		Kind: kind, Name: name, Path: path, Serial: hex.EncodeToString(c.SerialNumber.Bytes()),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), Fingerprint: hex.EncodeToString(sum[:]), Problems: []string{},
	}
	if kind == KindServer {
		n := NamesOf(c)
		d.Names = &n
	}
	key, weak := Strength(c)
	d.Key = key
	if weak {
		d.Problems = append(d.Problems, "its key or signature is weak: "+key)
	}
	switch {
	case now.After(c.NotAfter):
		d.Expired = true
		d.Problems = append(d.Problems, "it has ended")
	case now.Before(c.NotBefore):
		d.Expired = true
		d.Problems = append(d.Problems, "it has not begun: is this host's clock right?")
	case now.Add(ExpiryWarning).After(c.NotAfter):
		d.Expiring = true
		d.Problems = append(d.Problems, fmt.Sprintf("it ends in %d days", int(c.NotAfter.Sub(now)/Day)))
	}
	return d
}

// Strength names the key of a certificate and how it is signed, and reports
// whether either is weaker than what NIST SP 800-57 accepts (112 bits).
func Strength(c *x509.Certificate) (key string, weak bool) {
	switch k := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		key, weak = "ECDSA "+k.Curve.Params().Name, k.Curve.Params().BitSize < 256
	case *rsa.PublicKey:
		key, weak = fmt.Sprintf("RSA %d", k.N.BitLen()), k.N.BitLen() < 2048
	default:
		key = c.PublicKeyAlgorithm.String()
		weak = c.PublicKeyAlgorithm == x509.DSA
	}
	switch c.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return key + ", " + c.SignatureAlgorithm.String(), true
	}
	return key, weak
}

// List returns every certificate: the authority, the server's, the clients'. It
// needs no passphrase.
func (f Folder) List(now time.Time) (Inventory, error) {
	if err := private(f.Path); err != nil {
		return Inventory{}, err
	}
	inv := Inventory{Certificates: []Certificate{}, Problems: []string{}}
	root, err := f.rootCertificate()
	if err != nil {
		return Inventory{}, err
	}
	inv.Certificates = append(inv.Certificates, describe(KindAuthority, "ca", f.Root(), root, now))
	switch server, err := readCertificate(f.ServerCert()); {
	case err == nil:
		inv.Certificates = append(inv.Certificates, f.describeServer(server, root, now))
	case !errors.Is(err, fs.ErrNotExist):
		inv.Problems = append(inv.Problems, err.Error())
	}
	if err := f.listClients(&inv, now); err != nil {
		return Inventory{}, err
	}
	f.checkBundle(&inv)
	return inv, nil
}

func (f Folder) describeServer(c, root *x509.Certificate, now time.Time) Certificate {
	d := describe(KindServer, ServerName, f.ServerCert(), c, now)
	if c.CheckSignatureFrom(root) != nil {
		d.Problems = append(d.Problems, "ca.pem did not sign it: agentctl tls server --force makes another")
	}
	text, err := read(f.ServerKey())
	if err != nil {
		d.Problems = append(d.Problems, "its key cannot be read: "+err.Error())
		return d
	}
	if key, err := decodeKey(text, nil); err != nil || !key.PublicKey.Equal(c.PublicKey) {
		d.Problems = append(d.Problems, "server-key.pem is not its key: dockerd does not start with it; agentctl tls server --force makes another pair")
	}
	return d
}

func (f Folder) listClients(inv *Inventory, now time.Time) error {
	names, err := f.clientNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(f.client(name), clientCertFile)
		c, err := readCertificate(path)
		if err != nil {
			inv.Problems = append(inv.Problems, fmt.Sprintf("client %s: %v", name, err))
			continue
		}
		d := describe(KindClient, name, path, c, now)
		if d.KeyHere, err = exists(filepath.Join(f.client(name), clientKeyFile)); err != nil {
			return err
		}
		inv.Certificates = append(inv.Certificates, d)
	}
	return nil
}

// checkBundle adds a problem if the bundle is not that of the clients.
func (f Folder) checkBundle(inv *Inventory) {
	right, err := f.bundleIsRight()
	switch {
	case err != nil:
		inv.Problems = append(inv.Problems, err.Error())
	case !right:
		inv.Problems = append(inv.Problems, "clients.pem is not the bundle of the clients in this list: "+
			"a command was interrupted, or the file was changed by hand; agentctl tls renew makes it again")
	}
}

// isEncrypted reports whether the file holds an encrypted key.
func isEncrypted(text []byte) bool {
	block, _ := pem.Decode(text)
	return block != nil && block.Type == pemEncryptedKey
}
