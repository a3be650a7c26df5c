package trial

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"dockwall/agent/durable"
)

// formatVersion grows when a field of what is kept changes its meaning.
const formatVersion = 1

// save replaces the file with the JSON of v. It is on the disk when save
// returns: a trial that a power cut forgets would be permanent.
func save(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("keeping the trial: %w", err)
	}
	if err := durable.Replace(path, text, 0o600); err != nil {
		return fmt.Errorf("keeping the trial: %w", err)
	}
	return nil
}

// forget removes the file, if it is there.
func forget(path string) error {
	if err := durable.Remove(path); err != nil {
		return fmt.Errorf("ending the trial: %w", err)
	}
	return nil
}

// load reads what save kept; ok: there was something.
func load(path string, into any) (ok bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading a trial: %w", err)
	}
	var head struct {
		FormatVersion int `json:"format_version"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return false, fmt.Errorf("reading a trial: %s: %w", path, err)
	}
	if head.FormatVersion != formatVersion {
		return false, fmt.Errorf("reading a trial: %s has format %d, this version knows %d", path, head.FormatVersion, formatVersion)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return false, fmt.Errorf("reading a trial: %s: %w", path, err)
	}
	return true, nil
}
