package tls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// RenewOptions say what is renewed.
type RenewOptions struct {
	// Lifetime of a client's new certificate; that of the former one if 0.
	Lifetime time.Duration
	// Dir is where a client's new cert.pem is written as well; empty if nowhere.
	Dir string
	// Names are further names for the server's certificate.
	Names      Names
	Passphrase Passphrase
	Now        time.Time
}

// RenewClient makes another certificate for a client's key. The key stays where
// it is; dockerd accepts the new certificate at once.
func (f Folder) RenewClient(name string, o RenewOptions) (Client, error) {
	if err := CheckClientName(name); err != nil {
		return Client{}, err
	}
	release, err := f.lock()
	if err != nil {
		return Client{}, err
	}
	defer release()
	former, err := f.formerClient(name)
	if err != nil {
		return Client{}, err
	}
	authority, err := readCertificate(filepath.Join(f.client(name), clientRootFile))
	if err != nil {
		return Client{}, err
	}
	if err := checkClock(o.Now, authority); err != nil {
		return Client{}, err
	}
	by, err := readIssuer(authority, f.clientCAKey(name), o.Passphrase)
	if err != nil {
		return Client{}, err
	}
	if o.Lifetime == 0 {
		o.Lifetime = former.NotAfter.Sub(former.NotBefore) - clockTolerance
	}
	cert, err := by.client(name, former.PublicKey, o.Now, o.Lifetime)
	if err != nil {
		return Client{}, fmt.Errorf("renewing client %s: %w", name, err)
	}
	return f.putRenewed(name, cert, o)
}

func (f Folder) formerClient(name string) (*x509.Certificate, error) {
	former, err := readCertificate(filepath.Join(f.client(name), clientCertFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, f.notThere(name)
	}
	return former, err
}

func (f Folder) putRenewed(name string, cert *x509.Certificate, o RenewOptions) (Client, error) {
	text := encodeCertificates(cert)
	path := filepath.Join(f.client(name), clientCertFile)
	if err := (file{path, text, certMode}).write(true); err != nil {
		return Client{}, err
	}
	dir := f.client(name)
	if o.Dir != "" {
		dir = o.Dir
		if err := makeFolder(dir); err != nil {
			return Client{}, err
		}
		if err := (file{filepath.Join(dir, clientCertFile), text, certMode}).write(true); err != nil {
			return Client{}, err
		}
	}
	return Client{describe(KindClient, name, path, cert, o.Now), dir, false}, nil
}

// RenewServer makes another certificate for dockerd's key, with the names of the
// former one and further ones. dockerd shows it after its next start.
func (f Folder) RenewServer(o RenewOptions) (Certificate, error) {
	release, err := f.lock()
	if err != nil {
		return Certificate{}, err
	}
	defer release()
	former, err := readCertificate(f.ServerCert())
	if errors.Is(err, fs.ErrNotExist) {
		return Certificate{}, errors.New("the server has no certificate yet: agentctl tls server makes one")
	}
	if err != nil {
		return Certificate{}, err
	}
	root, err := f.root(o.Passphrase, o.Now)
	if err != nil {
		return Certificate{}, err
	}
	cert, err := root.server(NamesOf(former).Merge(o.Names), former.PublicKey, o.Now)
	if err != nil {
		return Certificate{}, fmt.Errorf("renewing the server's certificate: %w", err)
	}
	if err := (file{f.ServerCert(), encodeCertificates(cert), certMode}).write(true); err != nil {
		return Certificate{}, err
	}
	return describe(KindServer, ServerName, f.ServerCert(), cert, o.Now), nil
}
