package tls

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// bundle returns what clients.pem has to be: the authorities of all clients that
// have a folder, or the one that has no client.
func (f Folder) bundle() ([]byte, error) {
	names, err := f.clientNames()
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		placeholder, err := readCertificate(filepath.Join(f.Path, noClientFile))
		if err != nil {
			return nil, err
		}
		return encodeCertificates(placeholder), nil
	}
	var b bytes.Buffer
	for _, name := range names {
		c, err := readCertificate(filepath.Join(f.client(name), clientRootFile))
		if err != nil {
			return nil, fmt.Errorf("the folder of client %s is damaged (agentctl tls revoke %s removes it): %w", name, name, err)
		}
		fmt.Fprintf(&b, "# %s\n", name)
		b.Write(encodeCertificates(c))
	}
	return b.Bytes(), nil
}

// writeBundle makes clients.pem what it has to be.
func (f Folder) writeBundle() error {
	if err := f.writeNoClient(); err != nil {
		return err
	}
	text, err := f.bundle()
	if err != nil {
		return fmt.Errorf("making the bundle of clients: %w", err)
	}
	return file{f.Bundle(), text, certMode}.write(true)
}

// writeNoClient writes the authority that has no client, if it is not there.
func (f Folder) writeNoClient() error {
	path := filepath.Join(f.Path, noClientFile)
	if there, err := exists(path); err != nil || there {
		return err
	}
	placeholder, err := newNoClient(time.Now())
	if err != nil {
		return fmt.Errorf("making the bundle of clients: %w", err)
	}
	return file{path, encodeCertificates(placeholder), certMode}.write(true)
}

// bundleIsRight reports whether clients.pem is what it has to be.
func (f Folder) bundleIsRight() (bool, error) {
	want, err := f.bundle()
	if err != nil {
		return false, err
	}
	got, err := read(f.Bundle())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && bytes.Equal(got, want), err
}

// Complete does what an earlier command did not come to, as every command that
// changes something does first.
func (f Folder) Complete() error {
	release, err := f.lock()
	if err == nil {
		release()
	}
	return err
}

// complete does what an earlier command did not come to: it was killed after it
// changed the clients' folders. An error is left to the command that makes the
// bundle itself.
func (f Folder) complete() {
	if _, err := f.rootCertificate(); err != nil {
		return
	}
	if right, err := f.bundleIsRight(); err == nil && !right {
		_ = f.writeBundle()
	}
}

// clientNames returns the names of the clients, sorted.
func (f Folder) clientNames() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(f.Path, clientsFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, err
}
