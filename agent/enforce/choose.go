package enforce

import (
	"context"
	"fmt"

	"dockwall/rules/backend"
)

// choice is how rules are written on this host.
type choice struct {
	// chosen is nil until it is chosen, and again after the file asked for another.
	chosen backend.Backend
	// last is what was chosen last. It stays when the file asks for another.
	last backend.Backend
	// connected: the engine answered at the last pass.
	connected bool
	// untidy: a backend was chosen since the others were tidied last.
	untidy bool
	failed failedFamily
	// suspected is a family that may have to be left out; whole: both have been in force.
	suspected suspectedFamily
	whole     bool
}

// choose picks the backend: at first, after the file changed, and whenever the engine has
// come back, because it may have come back with another one. With look it does so too where
// the tools of a family are missing: they may have been installed.
func (t *writer) choose(ctx context.Context, look bool) error {
	c := &t.backend
	back := t.snapshot.Engine.Connected && !c.connected
	c.connected = t.snapshot.Engine.Connected
	if c.chosen != nil && !back && !(look && c.failed.family == 0 && c.chosen.Limits().LeftOut != 0) {
		return nil
	}
	w := backend.Wish{Backend: t.firewall.Backend, Sets: t.firewall.Sets, EngineVersion: t.snapshot.Engine.Version, NFTables: t.snapshot.Engine.NFTables()}
	if c.failed.family != 0 {
		w.LeftOut, w.Why = c.failed.family, c.failed.why
	}
	b, err := t.o.Chooser.Choose(ctx, w)
	if err != nil {
		return err
	}
	if c.last != nil && c.last.Name() != b.Name() {
		t.lift() // its table may have the name that the policy needs
	}
	if b != c.chosen {
		t.belief.forget()
		l := b.Limits()
		args := []any{"variant", b.Name(), "sets", l.SetsWord(), "guard", !l.Unguarded && !l.Native}
		if l.LeftOut != 0 {
			args = append(args, "without", fmt.Sprintf("IPv%d", l.LeftOut))
		}
		if c.failed.retry == 0 { // or each try would say so again
			t.o.Log.Info("writing to", args...)
		}
	}
	c.chosen, c.last, c.untidy = b, b, true
	return nil
}

// leaveOther removes what an earlier run wrote with another backend, once after each
// choice.
func (t *writer) leaveOther(ctx context.Context) error {
	if !t.backend.untidy || t.o.Trial {
		return nil
	}
	t.backend.untidy = false
	return t.o.Chooser.RemoveOther(ctx, t.backend.chosen.Name())
}

// inline reports whether rules name each address because there are no sets.
func (c *choice) inline() bool { return c.chosen != nil && c.chosen.Limits().Inline }
