package lastgood

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"dockwall/agent/config"
	"dockwall/agent/durable"
)

// Path is where the last good policy is kept: where systemd says that state
// belongs, which outlives a reboot, or else beside the control socket.
func Path(state, socket string) string { return filepath.Join(Dir(state, socket), "policy.json") }

// Dir is the folder of Path.
func Dir(state, socket string) string {
	if state == "" {
		return filepath.Dir(socket)
	}
	return state
}

// Save replaces the last good policy. When it returns nil, the policy outlives a
// power cut.
func Save(path string, doc *config.Document) error {
	var b bytes.Buffer
	if err := Write(&b, doc); err != nil {
		return err
	}
	return durable.Replace(path, b.Bytes(), 0o600)
}

// Lists is the folder that keeps the last good state of each addresses file.
func Lists(state, socket string) string { return filepath.Join(Dir(state, socket), "lists") }

// SaveList keeps an addresses file's last good state in Lists. It makes the folder for
// the first.
func SaveList(path string, contents []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keeping lists of addresses: %w", err)
	}
	return durable.Replace(path, contents, 0o600)
}

// Load reads the last good policy, if it is that of this file.
func Load(path, file string) (*config.Document, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("none is kept at %s", path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	doc, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if doc.Settings.Path != file {
		return nil, fmt.Errorf("that at %s is of %s", path, doc.Settings.Path)
	}
	return doc, nil
}
