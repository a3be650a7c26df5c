package explain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/view"
	"dockwall/agent/durable"
	"dockwall/rules/picture"
	"dockwall/rules/picture/draw"
)

// mapFlags are what map was asked.
type mapFlags struct {
	snapshot, format, output string
}

// Map is the verb map.
func Map(of *ask.App) *cobra.Command {
	a := &app{of}
	var f mapFlags
	cmd := &cobra.Command{
		Use:   "map",
		Short: "Draw the host: NICs, networks, containers, and who may reach what",
		Long: `map draws the host as one picture: its NICs and who comes in by them, the
policies, the published ports and their containers by network, and what the
containers may reach themselves. What is closed is shown as closed. The picture
is one SVG file without anything outside of it, for any browser; each thing in
it tells more under the pointer, such as where a policy stands.

  agentctl map --output map.svg
  agentctl map --format dot | dot -Tpdf -o map.pdf
  agentctl map --snapshot host.json --json

Each open and closed is asked of the rules that the file comes to, as explain
does; it is not what the kernel holds now.`,
		Args: cobra.NoArgs,
		RunE: a.Run(func(ctx context.Context) (view.Result, error) { return a.drawMap(ctx, f) }),
	}
	ask.SnapshotFlag(cmd, &f.snapshot)
	cmd.Flags().StringVar(&f.format, "format", "svg", "svg, or dot for Graphviz")
	cmd.Flags().StringVar(&f.output, "output", "", "write to this file (default: standard output)")
	return cmd
}

// mapResult is the model behind the picture, and the picture where JSON was
// not asked for.
type mapResult struct {
	view.Header
	Path string `json:"path"`
	picture.Picture
	// written is the file that holds the drawing; else drawn is printed.
	written string
	drawn   []byte
}

func (a *app) drawMap(ctx context.Context, f mapFlags) (view.Result, error) {
	if f.format != "svg" && f.format != "dot" {
		return nil, fmt.Errorf("--format is svg or dot, not %q", f.format)
	}
	if a.JSON && f.output != "" {
		return nil, errors.New("--json and --output cannot go together: the JSON goes to standard output")
	}
	w, err := a.Wanted(ctx, f.snapshot)
	if err != nil {
		return nil, err
	}
	r := &mapResult{Path: a.Config, Picture: picture.Of(w.Doc.Policy, w.Snapshot, w.Rules)}
	if a.JSON {
		return r, nil
	}
	if r.drawn, err = drawn(r.Picture, f.format, a.Config); err != nil {
		return nil, err
	}
	if f.output == "" {
		return r, nil
	}
	if err := replace(f.output, r.drawn); err != nil {
		return nil, err
	}
	r.written = f.output
	return r, nil
}

func drawn(p picture.Picture, format, title string) ([]byte, error) {
	write := draw.SVG
	if format == "dot" {
		write = draw.Dot
	}
	var b bytes.Buffer
	if err := write(&b, p, title); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// replace writes the file whole or leaves the old one. A pipe or a device is
// written to.
func replace(name string, content []byte) error {
	var err error
	if fi, statErr := os.Stat(name); statErr == nil && !fi.Mode().IsRegular() {
		err = os.WriteFile(name, content, 0o644)
	} else {
		err = durable.Replace(name, content, 0o644)
	}
	if err != nil {
		return fmt.Errorf("writing the picture: %w", err)
	}
	return nil
}

func (r *mapResult) Code() int { return view.Same }

// Text is the drawing itself, for a file or a pipe.
func (r *mapResult) Text(p *view.Printer) {
	if r.written != "" {
		p.Printf("The picture is in %s.\n", view.Printable(r.written))
		return
	}
	p.Printf("%s", r.drawn)
}
