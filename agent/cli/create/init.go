package create

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/view"
	"dockwall/agent/config"
	"dockwall/agent/starter"
	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules/compile"
)

// initFlags are init's own.
type initFlags struct {
	snapshot, docker string
	stdout, force    bool
}

// Init is the verb init.
func Init(of *ask.App) *cobra.Command {
	a := &app{of}
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write an agent.hcl that allows what is published today",
		Long: `init looks at what the containers of this host publish now and writes a file
that allows exactly that, from everywhere: one block for each compose service or
container, Docker's API for those who are connected to it, everything else
closed. What to tighten stands in it as comments; what it cannot know, too.

It writes to --config, and never over a file that is there unless --force says
so; the settings in that file are kept, its policies are not. No rule is
changed; a running agentd takes the file up.`,
		Args: cobra.NoArgs,
		RunE: a.Run(func(ctx context.Context) (view.Result, error) { return a.init(ctx, f) }),
	}
	ask.SnapshotFlag(cmd, &f.snapshot)
	cmd.Flags().BoolVar(&f.stdout, "stdout", false, "print the file instead of writing it")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace a file that is there")
	cmd.Flags().StringVar(&f.docker, "docker", "", "where Docker listens (default: what the file says, or unix:///var/run/docker.sock)")
	return cmd
}

// initResult is the file, and what is to be known of it.
type initResult struct {
	view.Header
	// Path is where it was written; empty if nowhere.
	Path string `json:"path"`
	// Config is the file's text.
	Config    string           `json:"config"`
	Policies  []starter.Policy `json:"policies"`
	DockerAPI []netip.Addr     `json:"docker_api"`
	Notes     []string         `json:"notes"`
}

func (a *app) init(ctx context.Context, f initFlags) (view.Result, error) {
	if !f.stdout {
		if err := vacant(a.Config, f.force); err != nil {
			return nil, err
		}
	}
	settings := a.Settings(f.docker)
	snap, source, err := a.Snapshot(ctx, settings, f.snapshot)
	if err != nil {
		return nil, err
	}
	if !snap.Engine.Connected && (source != ask.FromFile || !snap.Engine.Known) {
		return nil, fmt.Errorf("what is published is not known, for Docker does not answer (%s): start it, run this as root, "+
			"or say with --docker where it listens", snap.Engine.Error)
	}
	if err := a.Whole(snap, source); err != nil {
		return nil, err
	}
	d := starter.New(snap, settings, config.DefaultSettings(a.Config), a.apiUsers(snap, source))
	r := &initResult{Config: d.Text, Policies: d.Policies, DockerAPI: d.API, Notes: d.Notes}
	if f.stdout {
		return r.filled(), prove(d.Text, snap)
	}
	r.Path = a.Config
	return r.filled(), a.place(d.Text, snap, f.force)
}

// filled makes empty lists of those that are nil, for JSON.
func (r *initResult) filled() *initResult {
	r.Policies = append([]starter.Policy{}, r.Policies...)
	r.DockerAPI = append([]netip.Addr{}, r.DockerAPI...)
	r.Notes = append([]string{}, r.Notes...)
	return r
}

// vacant is the error where a file must not be written to the path.
func vacant(path string, force bool) error {
	switch fi, err := os.Stat(filepath.Dir(path)); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no folder %s: make it with mkdir, or name another file with --config", filepath.Dir(path))
	case err != nil:
		return fmt.Errorf("cannot write %s: %w", path, err)
	case !fi.IsDir():
		return fmt.Errorf("cannot write %s: %s is not a folder", path, filepath.Dir(path))
	}
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("cannot write %s: %w", path, err)
	case fi.IsDir():
		return fmt.Errorf("cannot write %s: it is a folder", path)
	case !force:
		return taken(path)
	}
	return nil
}

func taken(path string) error {
	return fmt.Errorf("%s is there already: --force replaces it, --stdout prints what it would become", path)
}

// apiUsers are the addresses that have connections to the engine's ports on
// this host's addresses now. A saved snapshot knows none.
func (a *app) apiUsers(s netinfo.Snapshot, source ask.FactSource) starter.API {
	ports := starter.APIPorts(s)
	if source == ask.FromFile || len(ports) == 0 {
		return starter.API{}
	}
	peers, err := a.Env.Host.Peers(ports)
	if err != nil {
		a.Note("not every connection to Docker's API could be seen (%v)", err)
	}
	api := starter.API{Known: err == nil || len(peers) > 0}
	for _, p := range peers {
		if ownAddr(s, p) {
			api.Clients = append(api.Clients, p.Remote)
		}
	}
	return api
}

func ownAddr(s netinfo.Snapshot, p hostnet.Peer) bool {
	return slices.ContainsFunc(s.Links, func(l netinfo.Link) bool {
		return slices.ContainsFunc(l.Addrs, func(own netip.Prefix) bool { return own.Addr() == p.Local.Addr() })
	})
}

// prove reads the text as agentd would. An error is a mistake in this program.
func prove(text string, s netinfo.Snapshot) error {
	dir, err := os.MkdirTemp("", "agentctl-init-")
	if err != nil {
		return fmt.Errorf("checking the file: %w", err)
	}
	path := filepath.Join(dir, "agent.hcl")
	err = os.WriteFile(path, []byte(text), 0o600)
	if err == nil {
		err = proveFile(path, path, s)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// proveFile loads and compiles the file at path, which is to be called name.
func proveFile(path, name string, s netinfo.Snapshot) error {
	doc, diags := config.Load(path)
	if doc == nil {
		for i, d := range diags {
			diags[i].File = strings.ReplaceAll(d.File, path, name)
			diags[i].Summary = strings.ReplaceAll(d.Summary, path, name)
		}
		return &ask.BadFile{Path: name, Diags: diags}
	}
	rs, _ := compile.Compile(doc.Policy, s)
	if err := rs.Validate(); err != nil {
		return fmt.Errorf("the compiled ruleset is not valid: %w", err)
	}
	return nil
}

func (r *initResult) Code() int { return view.Same }

func (r *initResult) Text(p *view.Printer) {
	if r.Path == "" {
		p.Printf("%s", r.Config)
		return
	}
	p.Printf("%s allows what is published now: %s.\n", p.Green(view.Printable(r.Path)), view.Count(len(r.Policies), "policy block"))
	for _, n := range r.Notes {
		p.Printf("%s %s.\n", p.Bold("Note:"), view.Printable(n))
	}
	p.Printf("Next: read it, then agentctl diff; agentctl apply puts it in force.\n")
}
