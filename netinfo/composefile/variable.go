package composefile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"

	"dockwall/netinfo/inventory"
	"dockwall/netinfo/textfile"
)

// variables are the service's, without their values. why is why a file of variables
// could not be read.
func (r *reader) variables(name string, s types.ServiceConfig, at *written) (all []inventory.Variable, why string) {
	found := map[string]inventory.Variable{}
	for _, f := range s.EnvFiles {
		vars, err := r.envFile(f)
		if err != nil {
			why = err.Error()
			continue
		}
		for key, value := range vars {
			v := r.secrets.Variable(key + "=" + value)
			v.At = at.item("env_file", filepath.Base(f.Path))
			found[key] = v
		}
	}
	for key, value := range s.Environment {
		v := inventory.Variable{Name: key, At: at.item("environment", key)}
		switch {
		case value == nil || strings.Contains(*value, "${"):
			if r.secrets.Why(key, "x") != "" {
				v.Secret = "it is named like one, and filled in when the container is started"
			}
		default:
			v.Secret = r.secrets.Why(key, *value)
		}
		found[key] = v
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[key])
	}
	return all, why
}

// envFile reads a file of variables. One that is missing and not required has none.
func (r *reader) envFile(f types.EnvFile) (map[string]string, error) {
	text, err := textfile.Read(f.Path, MaxSize)
	if errors.Is(err, fs.ErrNotExist) && !bool(f.Required) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("env_file: %s", strings.ReplaceAll(err.Error(), f.Path, relative(f.Path)))
	}
	lookup := func(name string) (string, bool) {
		v, ok := r.project.Environment[name]
		return v, ok
	}
	vars, err := dotenv.ParseWithLookup(strings.NewReader(string(text)), lookup)
	if err != nil {
		// The error quotes the line, which may be a secret.
		return nil, fmt.Errorf("env_file: %s is no file of variables", relative(f.Path))
	}
	return vars, nil
}
