package cli

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"dockwall/agent/config"
	"dockwall/netinfo"
)

func (a *app) snapshotCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "snapshot",
		Short: "Print the host's facts, for --snapshot on this host or another",
		Long: `snapshot prints what is known of this host: interfaces, Docker's networks and
containers and, for root, the nat rules of other programs. The other verbs take it with --snapshot FILE and answer from it,
without root, on any machine, a year later.`,
		Args: cobra.NoArgs,
		RunE: a.run(a.printSnapshot),
	}
}

// snapshotResult is a snapshot; its one view is the canonical JSON, since that
// is what is read again.
type snapshotResult struct{ snapshot netinfo.Snapshot }

func (a *app) printSnapshot(ctx context.Context) (result, error) {
	doc, err := a.load()
	if err != nil {
		return nil, err
	}
	return a.takeSnapshot(ctx, doc.Settings)
}

func (a *app) takeSnapshot(ctx context.Context, s config.Settings) (result, error) {
	snap, _, err := a.snapshot(ctx, s, "")
	if err != nil {
		return nil, err
	}
	if away := dockerAway(snap); away != "" {
		a.note("%s", away)
	}
	if err := a.whole(snap, fromHost); err != nil {
		a.warn("%v", err)
	}
	a.addTranslations(ctx, &snap)
	return &snapshotResult{snap}, nil
}

func (r *snapshotResult) code() int { return exitSame }

func (r *snapshotResult) text(p *printer) {
	p.fail(r.snapshot.WriteJSON(p))
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
