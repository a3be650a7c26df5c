package ask

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"dockwall/agent/config"
	"dockwall/agent/control"
	"dockwall/agent/lastgood"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/finding"
)

// factsTimeout is how long a one-shot command waits for Docker without an answer.
const factsTimeout = 5 * time.Second

// SnapshotFlag adds --snapshot to a verb that reads facts.
func SnapshotFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "snapshot", "", "take the host's facts from this file (see agentctl snapshot)")
}

// Load reads the operator's file; the error is a *badFile if it has errors. Of a bad
// addresses file it takes the last good state, as agentd does.
func (a *App) Load() (*config.Document, error) {
	o := config.ReaderOptions{Once: true}
	if state := a.Env.Host.State; state != "" {
		o.Folder = lastgood.Lists(state, DefaultSocket)
	}
	doc, _, diags := config.NewReader(o).LoadFiles(a.Config)
	if doc == nil {
		return nil, &BadFile{a.Config, diags}
	}
	for _, h := range doc.Held {
		a.Note("%s", h)
	}
	return doc, nil
}

// FactSource is where a snapshot was taken from.
type FactSource string

// The sources of facts.
const (
	FromFile   FactSource = "snapshot"
	fromDaemon FactSource = "agentd"
	FromHost   FactSource = "host"
)

// Snapshot reads the facts: from the named file; otherwise from the daemon
// if it runs, otherwise from the host itself.
func (a *App) Snapshot(ctx context.Context, s config.Settings, file string) (netinfo.Snapshot, FactSource, error) {
	if file != "" {
		snap, err := ReadSnapshot(file)
		return snap, FromFile, err
	}
	snap, err := a.askDaemon(ctx, s)
	// A daemon that has only just begun knows nothing yet.
	if err == nil && len(snap.Links) > 0 {
		return snap, fromDaemon, nil
	}
	var none *control.NotRunning
	var forbidden *control.Forbidden
	if err != nil && !errors.As(err, &none) && !errors.As(err, &forbidden) {
		a.Note("%v; the facts are read from the host instead", err)
	}
	snap, err = a.hostFacts(ctx, s)
	return snap, FromHost, err
}

// ReadSnapshot reads facts that `agentctl snapshot` has written.
func ReadSnapshot(file string) (netinfo.Snapshot, error) {
	f, err := os.Open(file)
	if err != nil {
		return netinfo.Snapshot{}, fmt.Errorf("opening the snapshot: %w", err)
	}
	defer f.Close()
	s, err := netinfo.ReadJSON(f)
	if err != nil {
		return netinfo.Snapshot{}, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// Wanted is what the file and the facts come to.
type Wanted struct {
	Doc      *config.Document
	Snapshot netinfo.Snapshot
	Rules    rules.Ruleset
	problems []finding.Finding
}

// Wanted loads, reads the facts and compiles. What is missing for a full
// answer is told on stderr.
func (a *App) Wanted(ctx context.Context, snapshotFile string) (Wanted, error) {
	doc, err := a.Load()
	if err != nil {
		return Wanted{}, err
	}
	return a.compile(ctx, doc, snapshotFile)
}

// Facts reads the host's facts, and says on stderr what is missing. A part of the
// containers is an error: the answer would be wrong about the others.
func (a *App) Facts(ctx context.Context, doc *config.Document, snapshotFile string) (netinfo.Snapshot, error) {
	snap, source, err := a.Snapshot(ctx, doc.Settings, snapshotFile)
	if err != nil {
		return snap, err
	}
	a.judge(ctx, doc, &snap, source)
	if away := DockerAway(snap); away != "" {
		a.Note("%s", away)
	}
	return snap, a.Whole(snap, source)
}

// compile is wanted for a document that was read already.
func (a *App) compile(ctx context.Context, doc *config.Document, snapshotFile string) (Wanted, error) {
	snap, err := a.Facts(ctx, doc, snapshotFile)
	if err != nil {
		return Wanted{}, err
	}
	w := Wanted{Doc: doc, Snapshot: snap}
	w.Rules, w.problems = compile.Compile(doc.Policy, snap)
	if err := w.Rules.Validate(); err != nil {
		return Wanted{}, fmt.Errorf("the compiled ruleset is not valid: %w", err)
	}
	return w, nil
}

// DockerAway says what it means that the engine does not answer; empty where
// it does.
func DockerAway(s netinfo.Snapshot) string {
	switch {
	case s.Engine.Connected:
		return ""
	case s.Engine.Known:
		return fmt.Sprintf("Docker does not answer (%s): its containers and networks are taken as last seen", s.Engine.Error)
	}
	return fmt.Sprintf("Docker does not answer (%s): its containers and networks are not known", s.Engine.Error)
}

// NeedRoot is the error for a verb that has to be root's.
func (a *App) NeedRoot(verb, does string) error {
	if a.Env.EUID == 0 {
		return nil
	}
	return fmt.Errorf("agentctl %s %s, which only root may: run it with sudo", verb, does)
}
