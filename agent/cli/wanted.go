package cli

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

// snapshotFlag adds --snapshot to a verb that reads facts.
func snapshotFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "snapshot", "", "take the host's facts from this file (see agentctl snapshot)")
}

// load reads the operator's file; the error is a *badFile if it has errors. Of a bad
// addresses file it takes the last good state, as agentd does.
func (a *app) load() (*config.Document, error) {
	o := config.ReaderOptions{Once: true}
	if state := a.env.Host.State; state != "" {
		o.Folder = lastgood.Lists(state, defaultSocket)
	}
	doc, _, diags := config.NewReader(o).LoadFiles(a.config)
	if doc == nil {
		return nil, &badFile{a.config, diags}
	}
	for _, h := range doc.Held {
		a.note("%s", h)
	}
	return doc, nil
}

// factSource is where a snapshot was taken from.
type factSource string

// The sources of facts.
const (
	fromFile   factSource = "snapshot"
	fromDaemon factSource = "agentd"
	fromHost   factSource = "host"
)

// snapshot reads the facts: from the named file; otherwise from the daemon
// if it runs, otherwise from the host itself.
func (a *app) snapshot(ctx context.Context, s config.Settings, file string) (netinfo.Snapshot, factSource, error) {
	if file != "" {
		snap, err := readSnapshot(file)
		return snap, fromFile, err
	}
	snap, err := a.askDaemon(ctx, s)
	// A daemon that has only just begun knows nothing yet.
	if err == nil && len(snap.Links) > 0 {
		return snap, fromDaemon, nil
	}
	var none *control.NotRunning
	var forbidden *control.Forbidden
	if err != nil && !errors.As(err, &none) && !errors.As(err, &forbidden) {
		a.note("%v; the facts are read from the host instead", err)
	}
	snap, err = a.hostFacts(ctx, s)
	return snap, fromHost, err
}

func readSnapshot(file string) (netinfo.Snapshot, error) {
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

// wanted is what the file and the facts come to.
type wanted struct {
	doc      *config.Document
	snapshot netinfo.Snapshot
	rules    rules.Ruleset
	problems []finding.Finding
}

// wanted loads, reads the facts and compiles. What is missing for a full
// answer is told on stderr.
func (a *app) wanted(ctx context.Context, snapshotFile string) (wanted, error) {
	doc, err := a.load()
	if err != nil {
		return wanted{}, err
	}
	return a.compile(ctx, doc, snapshotFile)
}

// facts reads the host's facts, and says on stderr what is missing. A part of the
// containers is an error: the answer would be wrong about the others.
func (a *app) facts(ctx context.Context, doc *config.Document, snapshotFile string) (netinfo.Snapshot, error) {
	snap, source, err := a.snapshot(ctx, doc.Settings, snapshotFile)
	if err != nil {
		return snap, err
	}
	if away := dockerAway(snap); away != "" {
		a.note("%s", away)
	}
	return snap, a.whole(snap, source)
}

// compile is wanted for a document that was read already.
func (a *app) compile(ctx context.Context, doc *config.Document, snapshotFile string) (wanted, error) {
	snap, err := a.facts(ctx, doc, snapshotFile)
	if err != nil {
		return wanted{}, err
	}
	w := wanted{doc: doc, snapshot: snap}
	w.rules, w.problems = compile.Compile(doc.Policy, snap)
	if err := w.rules.Validate(); err != nil {
		return wanted{}, fmt.Errorf("the compiled ruleset is not valid: %w", err)
	}
	return w, nil
}

// dockerAway says what it means that the engine does not answer; empty where
// it does.
func dockerAway(s netinfo.Snapshot) string {
	switch {
	case s.Engine.Connected:
		return ""
	case s.Engine.Known:
		return fmt.Sprintf("Docker does not answer (%s): its containers and networks are taken as last seen", s.Engine.Error)
	}
	return fmt.Sprintf("Docker does not answer (%s): its containers and networks are not known", s.Engine.Error)
}

// needRoot is the error for a verb that has to be root's.
func (a *app) needRoot(verb, does string) error {
	if a.env.EUID == 0 {
		return nil
	}
	return fmt.Errorf("agentctl %s %s, which only root may: run it with sudo", verb, does)
}
