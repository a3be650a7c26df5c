package cli

import (
	"io/fs"
	"os"

	"dockwall/agent/config"
)

// configMode is that of a new file; the package's is the same.
const configMode fs.FileMode = 0o640

// settings are those of the existing file, otherwise the defaults. Docker's socket is the
// named one, if docker is not empty.
func (a *app) settings(docker string) config.Settings {
	s := config.DefaultSettings(a.config)
	if _, err := os.Stat(a.config); err == nil {
		if doc, _ := config.Load(a.config); doc != nil {
			s = doc.Settings
		} else {
			a.note("%s cannot be used (see agentctl check): its settings are taken for the defaults", a.config)
		}
	}
	if docker != "" {
		s.Docker.Host = docker
	}
	return s
}
