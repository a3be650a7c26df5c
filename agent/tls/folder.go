package tls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// DefaultPath is where the folder is.
const DefaultPath = "/etc/dockwall/tls"

// Names of files in the folder. dockerd reads the server's and the bundle; the
// three of a client have the names that the docker command expects.
const (
	rootFile         = "ca.pem"
	rootKeyFile      = "ca-key.pem"
	serverFile       = "server-cert.pem"
	serverKeyFile    = "server-key.pem"
	bundleFile       = "clients.pem"
	noClientFile     = "no-client.pem"
	clientsFolder    = "clients"
	revokedFolder    = "revoked"
	clientRootFile   = "client-ca.pem"
	clientCAKeyFile  = "client-ca-key.pem"
	clientCertFile   = "cert.pem"
	clientKeyFile    = "key.pem"
	lockFile         = ".lock"
	maxFile          = 1 << 20
	maxPassphraseLen = 1024
	minPassphraseLen = 4 // openssl accepts none that is shorter
)

// Folder is the folder of a host's certificates.
type Folder struct {
	// Path of the folder that dockerd reads.
	Path string
	// Offline is the folder of the authorities' keys, such as one on a USB stick;
	// empty: Path.
	Offline string
}

// Root, Bundle, ServerCert and ServerKey are the paths that dockerd and its
// clients are given.
func (f Folder) Root() string       { return filepath.Join(f.Path, rootFile) }
func (f Folder) Bundle() string     { return filepath.Join(f.Path, bundleFile) }
func (f Folder) ServerCert() string { return filepath.Join(f.Path, serverFile) }
func (f Folder) ServerKey() string  { return filepath.Join(f.Path, serverKeyFile) }

func (f Folder) vault() string {
	if f.Offline != "" {
		return f.Offline
	}
	return f.Path
}

func (f Folder) rootKey() string { return filepath.Join(f.vault(), rootKeyFile) }

func (f Folder) client(name string) string { return filepath.Join(f.Path, clientsFolder, name) }

// clientCAKey is the path of the key of a client's authority.
func (f Folder) clientCAKey(name string) string {
	return filepath.Join(f.vault(), clientsFolder, name, clientCAKeyFile)
}

// lock waits until no other process changes the folder, and puts right what one
// that was killed left half-done. The folder must be there.
func (f Folder) lock() (release func(), err error) {
	if err := private(f.Path); err != nil {
		return nil, err
	}
	l, err := os.OpenFile(filepath.Join(f.Path, lockFile), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", f.Path, err)
	}
	if err := unix.Flock(int(l.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", f.Path, err), l.Close())
	}
	for _, dir := range []string{f.Path, filepath.Join(f.Path, clientsFolder)} {
		if err := sweep(dir); err != nil {
			return nil, errors.Join(fmt.Errorf("removing what an earlier command left in %s: %w", dir, err), l.Close())
		}
	}
	f.complete()
	return func() { _ = l.Close() }, nil
}

func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		// Drafts of clients' folders, and agent/durable's of files.
		if strings.HasPrefix(e.Name(), draftPrefix) || strings.HasPrefix(e.Name(), ".") && strings.Contains(e.Name(), ".pem-") {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// private returns an error if others than its owner may read the folder, or if
// its owner is neither root nor the user of this process.
func private(path string) error {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no %s: agentctl tls init makes it", path)
	case err != nil:
		return err
	case !fi.IsDir():
		return fmt.Errorf("%s is not a folder", path)
	case fi.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s has mode %04o, so others can read what is in it: run chmod 0700 %s, and make new keys if others may have read them",
			path, fi.Mode().Perm(), path)
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d: keys of root are not kept there", path, st.Uid)
	}
	return nil
}

// read returns the content of a regular file of sensible size.
func read(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxFile {
		return nil, fmt.Errorf("%s is no file of certificates or keys", path)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// readCertificate returns the first certificate of a file.
func readCertificate(path string) (*x509.Certificate, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	all, err := decodeCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return all[0], nil
}

// readIssuer returns the authority whose certificate and key are in these files.
func readIssuer(cert *x509.Certificate, keyPath string, passphrase Passphrase) (issuer, error) {
	text, err := read(keyPath)
	if errors.Is(err, fs.ErrNotExist) {
		return issuer{}, fmt.Errorf("the key of the CA is not in %s: name the folder where it is with --offline", filepath.Dir(keyPath))
	}
	if err != nil {
		return issuer{}, err
	}
	key, err := decodeKey(text, passphrase)
	if err != nil {
		return issuer{}, fmt.Errorf("reading %s: %w", keyPath, err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return issuer{}, fmt.Errorf("%s is not the key of the certificate %q", keyPath, cert.Subject.CommonName)
	}
	return issuer{cert, key}, nil
}
