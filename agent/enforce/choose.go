package enforce

import (
	"context"

	"dockwall/rules/backend/iptables"
)

// choice is how rules are written on this host.
type choice struct {
	// options have no Variant until it is chosen, and after the file chose another.
	options iptables.Options
	// connected: the engine answered at the last pass.
	connected bool
	// untidy: the variant was chosen since the other one was tidied last.
	untidy bool
}

// choose picks the variant: at first, after the file changed, and whenever the
// engine has come back, since it may have come back with the other one.
func (t *Target) choose(ctx context.Context) error {
	c := &t.backend
	back := t.snapshot.Engine.Connected && !c.connected
	c.connected = t.snapshot.Engine.Connected
	if c.options.Variant != "" && !back {
		return nil
	}
	v, err := t.o.Backend.Detect(ctx, t.firewall.Backend)
	if err != nil {
		return err
	}
	o, err := t.o.Backend.Options(ctx, t.firewall.Sets, v, t.snapshot.Engine.Version)
	if err != nil {
		return err
	}
	if o != c.options {
		t.belief.forget()
		t.o.Log.Info("writing to", "variant", string(v), "sets", SetsWord(o), "guard", o.Guard)
	}
	c.options, c.untidy = o, true
	return nil
}

// leaveOther removes what an earlier run wrote from the variant that is not in
// use, once after each choice.
func (t *Target) leaveOther(ctx context.Context) error {
	if !t.backend.untidy || t.o.Trial {
		return nil
	}
	t.backend.untidy = false
	return t.o.Backend.RemoveOther(ctx, t.backend.options.Variant)
}

// SetsWord is "inline" or "ipset".
func SetsWord(o iptables.Options) string {
	if o.Inline {
		return "inline"
	}
	return "ipset"
}
