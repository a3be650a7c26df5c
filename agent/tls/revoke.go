package tls

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"dockwall/agent/durable"
)

// Revoked is a client that dockerd refuses after its next start.
type Revoked struct {
	Name string `json:"name"`
	// Kept is where its certificates are kept; its keys are removed.
	Kept string `json:"kept"`
}

// Revoke takes a client out of the bundle. dockerd refuses it after its next
// start; every other client is accepted as before. It needs no passphrase.
func (f Folder) Revoke(name string) (Revoked, error) {
	if err := CheckClientName(name); err != nil {
		return Revoked{}, err
	}
	release, err := f.lock()
	if err != nil {
		return Revoked{}, err
	}
	defer release()
	kept, err := f.revoke(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Revoked{}, f.notThere(name)
	}
	if err != nil {
		return Revoked{}, err
	}
	if err := f.writeBundle(); err != nil {
		return Revoked{}, fmt.Errorf("client %s is NOT revoked yet, run the command again: %w", name, err)
	}
	return Revoked{name, kept}, nil
}

// notThere is the error if there is no such client.
func (f Folder) notThere(name string) error {
	names, err := f.clientNames()
	if err != nil {
		return err
	}
	return fmt.Errorf("there is no client %s; the clients are %q", name, names)
}

// revoke moves the client's folder to those that are revoked, and removes the
// keys in it. The bundle is the caller's.
func (f Folder) revoke(name string) (kept string, err error) {
	dir := f.client(name)
	if _, err := os.Lstat(dir); err != nil {
		return "", err
	}
	number := time.Now().UTC().Format("20060102T150405.000000000Z") // of a damaged folder
	if c, err := readCertificate(filepath.Join(dir, clientRootFile)); err == nil {
		number = hex.EncodeToString(c.SerialNumber.Bytes())
	}
	kept = filepath.Join(f.Path, revokedFolder, name+"-"+number)
	if err := makeFolder(filepath.Dir(kept)); err != nil {
		return "", err
	}
	if err := durable.Move(dir, kept); err != nil {
		return "", fmt.Errorf("revoking client %s: %w", name, err)
	}
	for _, key := range []string{filepath.Join(kept, clientKeyFile), filepath.Join(kept, clientCAKeyFile), f.clientCAKey(name)} {
		err = errors.Join(err, durable.Remove(key))
	}
	return kept, err
}
