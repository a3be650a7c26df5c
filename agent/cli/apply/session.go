package apply

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"dockwall/agent/cli/ask"
	"dockwall/agent/config"
	"dockwall/agent/enforce"
	"dockwall/netinfo"
	"dockwall/rules/explain"
)

// mindSession warns of a change that would cut the SSH connection which it is
// typed in, and refuses it where it would not go back by itself.
func (a *app) mindSession(doc *config.Document, snap netinfo.Snapshot, d enforce.Difference, f applyFlags) error {
	if d.Plan.Empty() || f.unattended || a.Env.Host.Session == nil {
		return nil
	}
	cut := cuts(a.Env.Host.Session(), ask.Wanted{Doc: doc, Snapshot: snap, Rules: d.Want})
	switch {
	case cut == "":
		return nil
	case f.trial:
		a.Warn("%s. It goes back by itself after %s unless it is confirmed.", cut, f.confirm)
		return nil
	case f.force:
		a.Warn("%s.", cut)
		return nil
	}
	return errors.New(cut + "; nothing was changed: try it with --confirm 60s, or say --force")
}

// cuts says how the ruleset would cut the SSH connection; empty if it would not,
// or it cannot be known.
func cuts(connection string, w ask.Wanted) string {
	parts := strings.Fields(connection)
	if len(parts) != 4 {
		return ""
	}
	client, server := parts[0], net.JoinHostPort(parts[2], parts[3])
	r, err := explain.Ask(explain.Query{From: client, To: server, Proto: "tcp"}, w.Doc.Policy, w.Snapshot, w.Rules)
	if err != nil || r.Verdict != explain.Deny {
		return ""
	}
	would, by := "would", r.Policy.String()
	if !r.Agreed {
		would = "may" // it depends on the interface, which is not known
	}
	if r.Position != "" {
		by += ", " + r.Position
	}
	return fmt.Sprintf("this %s cut the SSH connection that you are typing in: %s may not reach %s (%s)", would, client, server, by)
}
