package tls

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"dockwall/agent/durable"
)

// ServerName is what renew calls the server's certificate; no client has that name.
const ServerName = "server"

var clientName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._@-]{0,39}$`)

// CheckClientName returns an error if no client can have the name: it is part of
// a path and of a certificate.
func CheckClientName(name string) error {
	if !clientName.MatchString(name) {
		return fmt.Errorf("%q is no name of a client: 1 to 40 letters, digits, dots, dashes, underscores and @, beginning with a letter or digit", name)
	}
	if name == ServerName || name == "ca" {
		return fmt.Errorf("%q is no name of a client: it means another certificate", name)
	}
	return nil
}

// ClientOptions describe the client.
type ClientOptions struct {
	Name     string
	Lifetime time.Duration
	// Dir is where ca.pem, cert.pem and key.pem are written; empty if the client's
	// folder in Path.
	Dir        string
	Passphrase Passphrase
	// Force revokes a client of this name that is there, and replaces the files
	// in Dir.
	Force bool
	Now   time.Time
}

// Client is a client that was made or renewed.
type Client struct {
	Certificate Certificate `json:"certificate"`
	// Dir is where ca.pem, cert.pem and key.pem are.
	Dir string `json:"dir"`
	// Restart reports whether dockerd has to be restarted before it accepts the
	// client.
	Restart bool `json:"restart_dockerd"`
}

// Client makes a client: its own authority, key and certificate. dockerd accepts
// it after its next start.
func (f Folder) Client(o ClientOptions) (Client, error) {
	if err := CheckClientName(o.Name); err != nil {
		return Client{}, err
	}
	release, err := f.lock()
	if err != nil {
		return Client{}, err
	}
	defer release()
	if err := f.vacantClient(o); err != nil {
		return Client{}, err
	}
	secret := Once(o.Passphrase)
	root, err := f.root(secret, o.Now)
	if err != nil {
		return Client{}, err
	}
	made, err := f.makeClient(root, o)
	if err != nil {
		return Client{}, fmt.Errorf("making client %s: %w", o.Name, err)
	}
	if err := f.putClient(made, secret, o); err != nil {
		return Client{}, err
	}
	return Client{describe(KindClient, o.Name, filepath.Join(f.client(o.Name), clientCertFile), made.leaf.cert, o.Now), f.dirOf(o), true}, nil
}

func (f Folder) dirOf(o ClientOptions) string {
	if o.Dir != "" {
		return o.Dir
	}
	return f.client(o.Name)
}

func (f Folder) vacantClient(o ClientOptions) error {
	paths := []string{f.client(o.Name)}
	if o.Dir != "" {
		for _, name := range []string{rootFile, clientCertFile, clientKeyFile} {
			paths = append(paths, filepath.Join(o.Dir, name))
		}
	}
	for _, path := range paths {
		there, err := exists(path)
		if err != nil {
			return err
		}
		if there && !o.Force {
			return fmt.Errorf("%s: %w; agentctl tls renew %s makes another certificate for the same key, --force revokes it and begins again",
				path, ErrExists, o.Name)
		}
	}
	return nil
}

// newClient is everything that makes a client.
type newClient struct {
	root, authority, leaf issuer
}

func (f Folder) makeClient(root issuer, o ClientOptions) (newClient, error) {
	authority, err := root.clientAuthority(o.Name, o.Now)
	if err != nil {
		return newClient{}, err
	}
	key, err := newKey()
	if err != nil {
		return newClient{}, err
	}
	cert, err := authority.client(o.Name, key.Public(), o.Now, o.Lifetime)
	return newClient{root, authority, issuer{cert, key}}, err
}

// putClient writes the client: first the files for its user, then its folder,
// which makes it a client, then the bundle.
func (f Folder) putClient(c newClient, secret Passphrase, o ClientOptions) error {
	caKey, err := f.encryptLike(c.authority.key, secret)
	if err != nil {
		return err
	}
	key, err := encodeKey(c.leaf.key, nil) // no client of Docker reads an encrypted key
	if err != nil {
		return err
	}
	cert := encodeCertificates(c.leaf.cert)
	forUser := func(dir string) []file {
		return []file{
			{filepath.Join(dir, rootFile), encodeCertificates(c.root.cert), certMode},
			{filepath.Join(dir, clientCertFile), cert, certMode},
			{filepath.Join(dir, clientKeyFile), key, keyMode},
		}
	}
	draft := filepath.Join(f.Path, clientsFolder, draftPrefix+o.Name)
	own := []file{{filepath.Join(draft, clientRootFile), encodeCertificates(c.authority.cert), certMode}}
	undo := func() error { return nil }
	if o.Dir == "" {
		own = append(own, forUser(draft)...)
	} else {
		own = append(own, file{filepath.Join(draft, clientCertFile), cert, certMode})
		if err := makeFolder(o.Dir); err != nil {
			return err
		}
		if undo, err = writeAll(forUser(o.Dir), o.Force); err != nil {
			return err
		}
	}
	if err := f.register(o.Name, draft, own, caKey); err != nil {
		return errors.Join(err, undo(), os.RemoveAll(draft))
	}
	if err := f.writeBundle(); err != nil {
		return errors.Join(err, undo(), os.RemoveAll(f.client(o.Name)))
	}
	return nil
}

// encryptLike encrypts the key of a client's authority if the root's is encrypted.
func (f Folder) encryptLike(key *ecdsa.PrivateKey, secret Passphrase) ([]byte, error) {
	text, err := read(f.rootKey())
	if err != nil {
		return nil, err
	}
	var p []byte
	if isEncrypted(text) {
		if p, err = secret(); err != nil {
			return nil, err
		}
	}
	return encodeKey(key, p)
}

// register makes the client's folder, all of it at once. A former client of
// that name is revoked.
func (f Folder) register(name, draft string, own []file, caKey []byte) error {
	if f.Offline == "" {
		own = append(own, file{filepath.Join(draft, clientCAKeyFile), caKey, keyMode})
	}
	if err := makeFolder(draft); err != nil {
		return err
	}
	if _, err := writeAll(own, false); err != nil {
		return err
	}
	if _, err := f.revoke(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if f.Offline != "" {
		path := f.clientCAKey(name)
		if err := makeFolder(filepath.Dir(path)); err != nil {
			return err
		}
		if err := (file{path, caKey, keyMode}).write(true); err != nil {
			return err
		}
	}
	return durable.Move(draft, f.client(name))
}

// Once asks for the passphrase the first time only.
func Once(p Passphrase) Passphrase {
	var secret []byte
	return func() ([]byte, error) {
		if secret != nil || p == nil {
			return secret, nil
		}
		got, err := p()
		if err == nil {
			secret = got
		}
		return got, err
	}
}
