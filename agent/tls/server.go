package tls

import (
	"crypto/ecdsa"
	"fmt"
	"time"
)

// ServerOptions say what dockerd's certificate is for.
type ServerOptions struct {
	Names      Names
	Passphrase Passphrase
	// Force replaces a certificate that is there, and its key.
	Force bool
	Now   time.Time
}

// Server makes dockerd's key and certificate.
func (f Folder) Server(o ServerOptions) (Certificate, error) {
	release, err := f.lock()
	if err != nil {
		return Certificate{}, err
	}
	defer release()
	if err := f.vacantServer(o.Force); err != nil {
		return Certificate{}, err
	}
	root, err := f.root(o.Passphrase, o.Now)
	if err != nil {
		return Certificate{}, err
	}
	key, err := newKey()
	if err != nil {
		return Certificate{}, fmt.Errorf("making the server's key: %w", err)
	}
	return f.writeServer(root, key, o)
}

func (f Folder) vacantServer(force bool) error {
	for _, path := range []string{f.ServerCert(), f.ServerKey()} {
		there, err := exists(path)
		if err != nil {
			return err
		}
		if there && !force {
			return fmt.Errorf("%s: %w; agentctl tls renew server makes another certificate for its key, --force a new key as well", path, ErrExists)
		}
	}
	return nil
}

// writeServer signs and writes. The certificate is made before anything is
// written, so that an error leaves the former pair.
func (f Folder) writeServer(root issuer, key *ecdsa.PrivateKey, o ServerOptions) (Certificate, error) {
	cert, err := root.server(LocalNames().Merge(o.Names), key.Public(), o.Now)
	if err != nil {
		return Certificate{}, fmt.Errorf("making the server's certificate: %w", err)
	}
	text, err := encodeKey(key, nil) // dockerd reads no encrypted key since version 23
	if err != nil {
		return Certificate{}, fmt.Errorf("making the server's key: %w", err)
	}
	// dockerd does not start with a key and a certificate of different pairs.
	_, err = writeAll([]file{{f.ServerKey(), text, keyMode}, {f.ServerCert(), encodeCertificates(cert), certMode}}, o.Force)
	if err != nil {
		return Certificate{}, err
	}
	return describe(KindServer, ServerName, f.ServerCert(), cert, o.Now), nil
}
