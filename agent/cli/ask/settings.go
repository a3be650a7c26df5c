package ask

import (
	"io/fs"
	"os"

	"dockwall/agent/config"
)

// ConfigMode is that of a new file; the package's is the same.
const ConfigMode fs.FileMode = 0o640

// Settings are those of the existing file, otherwise the defaults. Docker's socket is the
// named one, if docker is not empty.
func (a *App) Settings(docker string) config.Settings {
	s := config.DefaultSettings(a.Config)
	if _, err := os.Stat(a.Config); err == nil {
		if doc, _ := config.Load(a.Config); doc != nil {
			s = doc.Settings
		} else {
			a.Note("%s cannot be used (see agentctl check): its settings are taken for the defaults", a.Config)
		}
	}
	if docker != "" {
		s.Docker.Host = docker
	}
	return s
}
