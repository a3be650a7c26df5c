package apply

import (
	"context"

	"dockwall/agent/config"
	"dockwall/agent/enforce"
	"dockwall/netinfo"
)

// compare compares the kernel with the document, without the kinds of rules that
// this host lacked last.
func (a *app) compare(ctx context.Context, t *enforce.Target, doc *config.Document, snap netinfo.Snapshot) (enforce.Difference, error) {
	t.Load(doc.Policy, doc.Settings.Firewall)
	if err := t.Recall(); err != nil {
		a.Note("%v", err)
	}
	return t.Compare(ctx, snap)
}
