package systemctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"dockwall/agent/durable"
	"dockwall/agent/tls/unit"
)

// maxFile is far more than a unit file or a daemon.json has.
const maxFile = 1 << 20

// folderNote is the line of a drop-in whose folder was made for it.
const folderNote = "# Its folder was made for it.\n"

// Docker is the host's docker.service.
type Docker struct {
	// Root is put before each path; empty except in tests.
	Root string
	// Run runs a program and returns what it prints; if nil, by os/exec.
	Run func(ctx context.Context, name string, args ...string) (string, error)
}

// Look reads the units, and the files that they name.
func (d Docker) Look(ctx context.Context) (unit.Host, error) {
	service, err := d.files(ctx, "docker.service")
	if err != nil {
		return unit.Host{}, err
	}
	if len(service) == 0 {
		return unit.Host{}, errors.New("systemd has no docker.service: give the program that starts dockerd the options that agentctl tls server prints")
	}
	h := unit.Host{Service: service}
	if h.Socket, err = d.files(ctx, "docker.socket"); err != nil {
		return unit.Host{}, err
	}
	for _, path := range unit.EnvironmentFiles(service) {
		f, err := d.read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return unit.Host{}, err
		}
		h.Environment = append(h.Environment, f)
	}
	h.Config, err = d.read(unit.ConfigPath(h))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unit.Host{}, err
	}
	return h, nil
}

// files reads the unit's file and drop-ins; none if there is no such unit.
func (d Docker) files(ctx context.Context, name string) ([]unit.File, error) {
	out, err := d.run(ctx, "systemctl", "show", "--property="+unit.Properties, name)
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("this host has no systemctl: give dockerd the options that agentctl tls server prints")
	}
	if err != nil {
		return nil, fmt.Errorf("asking systemd for %s: %w", name, err)
	}
	shown := unit.ParseShown(out)
	if !shown.Loaded && shown.State != "not-found" {
		return nil, fmt.Errorf("systemd cannot use %s (%s): systemctl status %s says why", name, shown.State, name)
	}
	if !shown.Loaded {
		return nil, nil
	}
	var all []unit.File
	for _, path := range shown.Paths {
		f, err := d.read(path)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

func (d Docker) path(path string) string { return filepath.Join(d.Root, path) }

func (d Docker) read(path string) (unit.File, error) {
	f, err := os.Open(d.path(path))
	if err != nil {
		return unit.File{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s is longer than a settings file", path)
	}
	return unit.File{Path: path, Text: string(b)}, err
}

// Validate has dockerd check its settings with the plan's command. checked is false if
// this dockerd cannot do that.
func (d Docker) Validate(ctx context.Context, p unit.Plan) (checked bool, err error) {
	out, err := d.run(ctx, p.Command[0], append(p.Command[1:len(p.Command):len(p.Command)], "--validate")...)
	switch {
	case err == nil:
		return true, nil
	case strings.Contains(out+err.Error(), "unknown flag: --validate"):
		return false, nil
	}
	return true, fmt.Errorf("dockerd does not accept these options: %w", err)
}

// Install writes the drop-in and has systemd read it. dockerd takes it when it is
// started again.
func (d Docker) Install(ctx context.Context, p unit.Plan) error {
	text := p.Text
	before, err := d.read(p.Path)
	there := err == nil
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case there && !unit.Ours(before.Text):
		return fmt.Errorf("%s was not written by agentctl tls install, and is left alone", p.Path)
	}
	_, err = os.Stat(filepath.Dir(d.path(p.Path)))
	if errors.Is(err, fs.ErrNotExist) || there && strings.Contains(before.Text, folderNote) {
		text = strings.Replace(text, "\n", "\n"+folderNote, 1)
	}
	if err := os.MkdirAll(filepath.Dir(d.path(p.Path)), 0o755); err != nil {
		return err
	}
	if err := durable.Replace(d.path(p.Path), []byte(text), 0o644); err != nil {
		return err
	}
	if err := d.inForce(ctx); err != nil {
		return errors.Join(err, d.undo(ctx, p.Path, before, there))
	}
	return nil
}

// undo restores the drop-in of before.
func (d Docker) undo(ctx context.Context, path string, before unit.File, there bool) error {
	if !there {
		_, err := d.Uninstall(ctx)
		return err
	}
	return errors.Join(durable.Replace(d.path(path), []byte(before.Text), 0o644), d.Reload(ctx))
}

// inForce has systemd read the units, and checks that it uses the drop-in.
func (d Docker) inForce(ctx context.Context) error {
	if err := d.Reload(ctx); err != nil {
		return err
	}
	service, err := d.files(ctx, "docker.service")
	if err == nil && !unit.InForce(service) {
		err = errors.New("systemd does not use the drop-in: systemctl cat docker.service shows what it uses")
	}
	return err
}

// Uninstall removes the drop-in, and reports whether there was one. dockerd goes on
// until it is started again.
func (d Docker) Uninstall(ctx context.Context) (removed bool, err error) {
	f, err := d.read(unit.DropIn)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !unit.Ours(f.Text):
		return false, fmt.Errorf("%s was not written by agentctl tls install, and is left alone", unit.DropIn)
	}
	if err := durable.Remove(d.path(unit.DropIn)); err != nil {
		return false, err
	}
	if strings.Contains(f.Text, folderNote) {
		// It stays if another drop-in has come into it since.
		_ = os.Remove(filepath.Dir(d.path(unit.DropIn)))
	}
	return true, d.Reload(ctx)
}

// Reload has systemd read the units again.
func (d Docker) Reload(ctx context.Context) error {
	if _, err := d.run(ctx, "systemctl", "daemon-reload"); err != nil {
		return fmt.Errorf("having systemd read the units: %w", err)
	}
	return nil
}

// Restart starts dockerd again.
func (d Docker) Restart(ctx context.Context) error {
	if _, err := d.run(ctx, "systemctl", "restart", "docker.service"); err != nil {
		return fmt.Errorf("restarting docker.service: %w; journalctl -u docker says why, and agentctl tls uninstall goes back", err)
	}
	return nil
}

func (d Docker) run(ctx context.Context, name string, args ...string) (string, error) {
	if d.Run != nil {
		return d.Run(ctx, name, args...)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w: %s", filepath.Base(name), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), err
}
