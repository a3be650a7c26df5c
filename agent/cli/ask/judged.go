package ask

import (
	"context"
	"slices"
	"time"

	"dockwall/agent/audit"
	"dockwall/agent/config"
	"dockwall/netinfo"
)

// judge adds what the audit finds of containers, if the file has a quarantine block and the
// facts do not say so yet: agentd has judged them already.
func (a *App) judge(ctx context.Context, doc *config.Document, s *netinfo.Snapshot, source FactSource) {
	known := !slices.ContainsFunc(s.Containers, func(c netinfo.Container) bool { return !c.Judged })
	if len(doc.Policy.Quarantines) == 0 || source == FromFile || known || a.Env.Host.Audit == nil {
		return
	}
	now := a.Env.Now()
	in := a.Env.Host.Audit(ctx, audit.Options{Docker: doc.Settings.Docker.Host, Now: now})
	if !in.Containers.Read {
		a.Note("the containers could not be judged, and are closed by quarantine blocks until they are: %s", in.Containers.Why())
	}
	audit.Judge(s, &in, audit.Settings(doc, now.Format(time.DateOnly), ""))
}
