package composefile

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"

	"dockwall/netinfo/inventory"
	"dockwall/netinfo/textfile"
)

// MaxSize is the most bytes that a Compose file may have. Real ones have some thousand.
const MaxSize = 1 << 20

// Limit is how long reading may take, with all files that are included.
const Limit = 20 * time.Second

// Read reads a Compose file. The error is that of the file itself; one that compose-go
// refuses has the reason in Unread.
func Read(ctx context.Context, path string) (inventory.Compose, error) {
	text, err := textfile.Read(path, MaxSize)
	if err != nil {
		return inventory.Compose{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	type answer struct {
		project *types.Project
		err     error
	}
	done := make(chan answer, 1)
	// compose-go opens what a file includes without asking what it is: a pipe would keep
	// it waiting for ever, and this goroutine with it.
	go func() {
		p, err := load(ctx, path, text)
		done <- answer{p, err}
	}()
	select {
	case <-ctx.Done():
		return unread(path, fmt.Errorf("reading it, and what it includes, took more than %v", Limit)), nil
	case a := <-done:
		if a.err != nil {
			return unread(path, a.err), nil
		}
		return compose(path, text, a.project), nil
	}
}

// unread is a file that is no project.
func unread(path string, err error) inventory.Compose {
	text := strings.ReplaceAll(err.Error(), "\n", " ")
	if dir, err := filepath.Abs(filepath.Dir(path)); err == nil {
		text = strings.ReplaceAll(text, dir+"/", "")
	}
	c := inventory.Compose{Path: path, Line: 1}
	if m := regexp.MustCompile(`\bline (\d+)\b`).FindStringSubmatch(text); m != nil {
		c.Line, _ = strconv.Atoi(m[1])
	}
	// What is quoted is text of the file, which may be a secret.
	text = regexp.MustCompile("[\"'`].*[\"'`]").ReplaceAllString(text, "…")
	text = regexp.MustCompile(`(invalid [a-z]+): .*`).ReplaceAllString(text, "$1")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	c.Unread = "it is no project that docker compose reads: " + text
	return c
}

// load reads the project. Variables without a value stay as they are written, so that
// they are not taken for empty; a file that cannot be read like that is read again as
// docker compose reads it, with nothing in their place.
func load(ctx context.Context, path string, text []byte) (*types.Project, error) {
	logrus.SetOutput(io.Discard) // warnings of compose-go, about things that are not judged
	unset := map[string]bool{}
	keep := func(text string, env template.Mapping) (string, error) { return keepUnset(text, env, unset) }
	p, err := project(ctx, path, text, keep)
	if err == nil {
		return p, nil
	}
	if p, err = project(ctx, path, text, blankUnset); err == nil {
		return p, nil
	}
	if len(unset) == 0 {
		return nil, err
	}
	// A folder that is the value of a variable seems to be a volume that is not declared.
	if p, lax := project(ctx, path, text, keep, func(o *loader.Options) { o.SkipConsistencyCheck = true }); lax == nil {
		return p, nil
	}
	return nil, fmt.Errorf("%w; without a value are %s", err, strings.Join(slices.Sorted(maps.Keys(unset)), ", "))
}

func project(ctx context.Context, path string, text []byte, substitute func(string, template.Mapping) (string, error), more ...func(*loader.Options)) (*types.Project, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	o, err := cli.NewProjectOptions(nil, cli.WithWorkingDirectory(dir), cli.WithOsEnv, cli.WithEnvFiles(), cli.WithDotEnv)
	if err != nil {
		return nil, err
	}
	details := types.ConfigDetails{WorkingDir: dir, ConfigFiles: []types.ConfigFile{{Filename: path, Content: text}}, Environment: o.Environment}
	options := append(more, loader.WithProfiles([]string{"*"}), func(o *loader.Options) {
		o.SkipResolveEnvironment, o.SkipResolveLabels = true, true
		o.Interpolate.Substitute = substitute
		o.SetProjectName(loader.NormalizeProjectName(filepath.Base(dir))+"x", false)
	})
	p, err := loader.LoadWithContext(ctx, details, options...)
	if err != nil {
		return nil, err
	}
	p.Environment = o.Environment
	return p, nil
}

// keepUnset fills variables in, and keeps those that have no value as ${NAME}. It adds
// their names to unset.
func keepUnset(text string, env template.Mapping, unset map[string]bool) (string, error) {
	return template.SubstituteWithOptions(text, env, template.WithoutLogging, template.WithReplacementFunction(
		func(word string, env template.Mapping, cfg *template.Config) (string, error) {
			value, err := template.DefaultReplacementFunc(word, env, cfg)
			name := regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`).FindString(word)
			if _, set := env(name); !set && name != "" && !strings.HasPrefix(word, "$$") && (err != nil || value == "") {
				unset[name] = true
				return "${" + name + "}", nil
			}
			return value, err
		}))
}

// blankUnset fills variables in as docker compose does.
func blankUnset(text string, env template.Mapping) (string, error) {
	return template.SubstituteWithOptions(text, env, template.WithoutLogging)
}

// relative is a path as a person writes it, from the current folder, if it is below it.
func relative(path string) string {
	dir, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}
