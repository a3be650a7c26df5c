package tls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"dockwall/agent/durable"
)

// ErrExists is the error if something would be replaced without --force.
var ErrExists = errors.New("it is there already")

// InitOptions say how the authority is made.
type InitOptions struct {
	// Host is the name of this host, for the authority's name.
	Host string
	// Passphrase encrypts the keys of the authorities; nil if they are not encrypted.
	Passphrase []byte
	// Force moves an authority that is there aside, and makes another.
	Force bool
	Now   time.Time
}

// Authority is what Init made.
type Authority struct {
	Certificate Certificate `json:"certificate"`
	// Key is the path of its key.
	Key string `json:"key"`
	// Encrypted reports whether a passphrase is needed to read the key.
	Encrypted bool `json:"encrypted"`
	// Former is where the authority that was there before is kept now.
	Former string `json:"former,omitempty"`
}

// Init makes the authority of this host: ca.pem, its key, and a bundle in which
// no client is allowed. ca.pem is written last: it is there only if the rest is.
func (f Folder) Init(o InitOptions) (Authority, error) {
	if err := checkClock(o.Now, nil); err != nil {
		return Authority{}, err
	}
	if err := checkPassphrase(o.Passphrase); err != nil {
		return Authority{}, err
	}
	if err := f.Vacant(o.Force); err != nil {
		return Authority{}, err
	}
	former, err := f.setAside(o)
	if err != nil {
		return Authority{}, err
	}
	if err := f.makeFolders(); err != nil {
		return Authority{}, err
	}
	release, err := f.lock()
	if err != nil {
		return Authority{}, err
	}
	defer release()
	root, err := newRoot(o.Host, o.Now)
	if err != nil {
		return Authority{}, fmt.Errorf("making the CA: %w", err)
	}
	if err := f.writeRoot(root, o); err != nil {
		return Authority{}, err
	}
	return Authority{describe(KindAuthority, "ca", f.Root(), root.cert, o.Now), f.rootKey(), len(o.Passphrase) > 0, former}, nil
}

func checkPassphrase(p []byte) error {
	if p != nil && (len(p) < minPassphraseLen || len(p) > maxPassphraseLen) {
		return fmt.Errorf("a passphrase has %d to %d characters (openssl reads no others)", minPassphraseLen, maxPassphraseLen)
	}
	return nil
}

// Vacant returns the error of Init where an authority is there and may not be
// moved aside.
func (f Folder) Vacant(force bool) error {
	root, err := exists(f.Root())
	if err != nil {
		return err
	}
	key, err := exists(f.rootKey())
	switch {
	case err != nil:
		return err
	case force:
		return nil
	case root:
		return fmt.Errorf("%s: %w; --force moves it aside and makes another, after which every certificate has to be made again", f.Root(), ErrExists)
	case key:
		return fmt.Errorf("%s: %w, without its certificate: an earlier init did not end, or the key belongs to another host; --force moves it aside",
			f.rootKey(), ErrExists)
	}
	return nil
}

// setAside renames what is there, and returns its new name.
func (f Folder) setAside(o InitOptions) (former string, err error) {
	suffix := ".old-" + o.Now.UTC().Format("20060102T150405Z")
	for _, path := range []string{f.rootKey(), f.Root()} {
		there, err := exists(path)
		if err != nil {
			return "", err
		}
		if !there {
			continue
		}
		// The authority's folder as a whole, or one key in a folder of other things.
		if filepath.Dir(path) == f.Path {
			path = f.Path
		}
		if err := durable.Move(path, path+suffix); err != nil {
			return "", fmt.Errorf("moving the former CA aside: %w", err)
		}
		former = path + suffix
	}
	return former, nil
}

func (f Folder) makeFolders() error {
	for _, dir := range []string{f.Path, filepath.Join(f.Path, clientsFolder), filepath.Join(f.Path, revokedFolder), f.vault()} {
		if err := makeFolder(dir); err != nil {
			return err
		}
	}
	return nil
}

func (f Folder) writeRoot(root issuer, o InitOptions) error {
	key, err := encodeKey(root.key, o.Passphrase)
	if err != nil {
		return fmt.Errorf("encrypting the key of the CA: %w", err)
	}
	if err := (file{f.rootKey(), key, keyMode}).write(false); err != nil {
		return err
	}
	if err := f.writeBundle(); err != nil {
		return err
	}
	return file{f.Root(), encodeCertificates(root.cert), certMode}.write(false)
}

// rootCertificate returns the authority's certificate; the error says what to do
// if there is none.
func (f Folder) rootCertificate() (*x509.Certificate, error) {
	root, err := readCertificate(f.Root())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no CA in %s: agentctl tls init makes one", f.Path)
	}
	return root, err
}

// root returns the authority with its key, for signing now.
func (f Folder) root(passphrase Passphrase, now time.Time) (issuer, error) {
	cert, err := f.rootCertificate()
	if err != nil {
		return issuer{}, err
	}
	if err := checkClock(now, cert); err != nil {
		return issuer{}, err
	}
	return readIssuer(cert, f.rootKey(), passphrase)
}
