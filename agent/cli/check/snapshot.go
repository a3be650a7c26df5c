package check

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/view"
	"dockwall/agent/config"
	"dockwall/netinfo"
)

// Snapshot is the verb snapshot.
func Snapshot(of *ask.App) *cobra.Command {
	a := &app{of}
	return &cobra.Command{
		Use:   "snapshot",
		Short: "Print the host's facts, for --snapshot on this host or another",
		Long: `snapshot prints what is known of this host: interfaces, Docker's networks and
containers and, for root, the nat rules of other programs. The other verbs take it with --snapshot FILE and answer from it,
without root, on any machine, a year later.`,
		Args: cobra.NoArgs,
		RunE: a.Run(a.printSnapshot),
	}
}

// snapshotResult is a snapshot; its one view is the canonical JSON, since that
// is what is read again.
type snapshotResult struct{ snapshot netinfo.Snapshot }

func (a *app) printSnapshot(ctx context.Context) (view.Result, error) {
	doc, err := a.Load()
	if err != nil {
		return nil, err
	}
	return a.takeSnapshot(ctx, doc.Settings)
}

func (a *app) takeSnapshot(ctx context.Context, s config.Settings) (view.Result, error) {
	snap, _, err := a.Snapshot(ctx, s, "")
	if err != nil {
		return nil, err
	}
	if away := ask.DockerAway(snap); away != "" {
		a.Note("%s", away)
	}
	if err := a.Whole(snap, ask.FromHost); err != nil {
		a.Warn("%v", err)
	}
	a.AddTranslations(ctx, &snap)
	return &snapshotResult{snap}, nil
}

func (r *snapshotResult) Code() int { return view.Same }

func (r *snapshotResult) Text(p *view.Printer) {
	p.Fail(r.snapshot.WriteJSON(p))
}

// MarshalJSON is the canonical form, without a format_version: readers refuse
// fields that they do not know.
func (r *snapshotResult) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := r.snapshot.WriteJSON(&b); err != nil {
		return nil, err
	}
	return json.RawMessage(b.Bytes()), nil
}
