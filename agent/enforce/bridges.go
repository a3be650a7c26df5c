package enforce

import "dockwall/rules/compile"

// ensureIsolation has bridged packets meet the rules if the policy isolates
// containers on one network. If that is impossible, everything else is enforced.
func (t *writer) ensureIsolation() {
	if t.o.Bridges == nil {
		return
	}
	err := t.o.Bridges.Show(compile.Isolated(t.policy, t.snapshot))
	if err != nil && t.belief.isolation == nil && !t.o.Once {
		t.o.Log.Error("isolation between containers of one network is not in force", "error", err)
	}
	t.belief.isolation = err
}

// settleBridges is called once the rules in force isolate what the policy says and
// no more.
func (t *writer) settleBridges() {
	if t.o.Bridges == nil {
		return
	}
	if err := t.o.Bridges.Settle(); err != nil {
		t.o.Log.Warn("a bridge is shown to the rules although no policy isolates containers on it any more", "error", err)
	}
}

// BridgeSwitches returns the bridges that a pass would show to the rules, and those that it
// would not show any more. It changes nothing.
func (t *writer) BridgeSwitches() (on, off []string, err error) {
	s, ok := t.o.Bridges.(Switcher)
	if !ok {
		return nil, nil, nil
	}
	return s.Switches(compile.Isolated(t.policy, t.snapshot))
}
