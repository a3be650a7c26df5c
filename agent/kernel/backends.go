package kernel

import (
	"context"
	"fmt"

	contract "dockwall/rules/backend"
	backend "dockwall/rules/backend/iptables"
)

// Backends is a Kernel for callers that know only the contract of the backends.
type Backends struct{ *Kernel }

// Backends returns the kernel behind the contract of the backends.
func (k *Kernel) Backends() Backends { return Backends{k} }

// Choose returns the backend to write with here: the one that the settings name, or the
// one that Docker writes with.
func (b Backends) Choose(ctx context.Context, w contract.Wish) (contract.Backend, error) {
	v, err := b.Detect(ctx, w.Backend)
	if err != nil {
		return nil, err
	}
	o, err := b.Options(ctx, w.Sets, v, w.EngineVersion)
	if err != nil {
		return nil, err
	}
	o.LeftOut, o.Why = b.leftOut(v, w)
	return backend.New(o), nil
}

// leftOut is the family that cannot be written, and why; 0 if there is none. One of the two
// can be written, or there is no variant.
func (b Backends) leftOut(v backend.Variant, w contract.Wish) (backend.Family, string) {
	for _, f := range []backend.Family{backend.V4, backend.V6} {
		if err := b.usableIn(v, f); err != nil {
			return f, err.Error()
		}
	}
	return backend.Family(w.LeftOut), w.Why
}

// Assumed returns the backend that the settings name, and the most common one for auto. It
// does not look at the kernel.
func (Backends) Assumed(w contract.Wish) contract.Backend {
	o := backend.Options{Variant: backend.NFT, Inline: w.Sets == "inline", Guard: true}
	if w.Backend == string(backend.Legacy) {
		o.Variant = backend.Legacy
	}
	return backend.New(o)
}

// Observe reads what the kernel holds in the backend's language.
func (b Backends) Observe(ctx context.Context, in contract.Backend) (contract.State, error) {
	of, ok := in.(backend.Backend)
	if !ok {
		return nil, fmt.Errorf("reading the kernel: there is no reader for %s", in.Name())
	}
	st, err := b.observeBut(ctx, of.Options.Variant, of.Options.LeftOut)
	if err != nil {
		return nil, err
	}
	return st, nil
}

// Probe is Kernel.Probe.
func (b Backends) Probe(ctx context.Context, s contract.State, all bool) (bool, error) {
	st, ok := s.(backend.State)
	if !ok {
		return false, fmt.Errorf("looking at the kernel: there is no reader for a %T", s)
	}
	return b.Kernel.Probe(ctx, st, all)
}

// Holds is Kernel.Holds. Of a state that it cannot read it reports false: Observe tells.
func (b Backends) Holds(ctx context.Context, s contract.State) (bool, error) {
	st, ok := s.(backend.State)
	if !ok {
		return false, nil
	}
	return b.Kernel.Holds(ctx, st)
}

// RemoveOther removes dockwall's rules from the variants except the one of this name.
func (b Backends) RemoveOther(ctx context.Context, inUse string) error {
	return b.Kernel.RemoveOther(ctx, backend.Variant(inUse))
}

// Counters reads what dockwall's own rules of the family have matched.
func (b Backends) Counters(ctx context.Context, in contract.Backend, family int) ([]contract.Counter, error) {
	if in.Limits().LeftOut == family {
		return nil, nil
	}
	return b.Kernel.Counters(ctx, backend.Variant(in.Name()), backend.Family(family))
}
