package kernel

import (
	"context"
	"errors"
	"fmt"

	contract "dockwall/rules/backend"
	backend "dockwall/rules/backend/iptables"
	native "dockwall/rules/backend/nftables"
)

// Backends is a Kernel for callers that know only the contract of the backends.
type Backends struct{ *Kernel }

// Backends returns the kernel behind the contract of the backends.
func (k *Kernel) Backends() Backends { return Backends{k} }

// Choose returns the backend to write with here: the one that the settings name. With auto
// it is nftables where Docker's own rules are in it, or where something is missing that
// iptables needs; otherwise the variant of iptables that Docker writes with.
func (b Backends) Choose(ctx context.Context, w contract.Wish) (contract.Backend, error) {
	in, err := b.choose(ctx, w)
	if err == nil {
		b.writing = in.Name()
	}
	return in, err
}

func (b Backends) choose(ctx context.Context, w contract.Wish) (contract.Backend, error) {
	switch {
	case w.Backend == native.Name:
		if err := b.hasNFTables(); err != nil {
			return nil, fmt.Errorf(`firewall.backend = "nftables": %w`, err)
		}
		return b.native(), nil
	case auto(w.Backend) && w.NFTables && b.hasNFTables() == nil:
		return b.native(), nil
	}
	v, err := b.Detect(ctx, w.Backend)
	if auto(w.Backend) {
		if lack := b.lacks(v, w, err); lack != nil && b.hasNFTables() == nil {
			b.log.Info("iptables cannot be used in full, so rules are written to nftables", "because", lack)
			return b.native(), nil
		}
	}
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

func auto(setting string) bool { return setting == "" || setting == "auto" }

// lacks is why the variant cannot write all of a policy here; nil if it can. failed is why
// there is no variant. Where the settings say how iptables is to keep members, only that
// counts.
func (b Backends) lacks(v backend.Variant, w contract.Wish, failed error) error {
	if failed != nil {
		return failed
	}
	if !auto(w.Sets) {
		return nil
	}
	for _, f := range []backend.Family{backend.V4, backend.V6} {
		if err := b.usableIn(v, f); err != nil && hasSocket(f) {
			return err
		}
	}
	if !b.hasIPSet() {
		return errors.New("the ipset command is missing, or the kernel does not answer it")
	}
	if v == backend.NFT {
		return missingExtension()
	}
	return nil
}

// hasNFTables is why the kernel cannot have dockwall's own table; nil if it can.
func (b Backends) hasNFTables() error {
	err := b.policy.able()
	if err != nil && noNFTables(err) {
		return fmt.Errorf("this kernel has no nftables for both families (CONFIG_NF_TABLES_INET): %w", err)
	}
	return nil
}

// ownTable is the nftables backend as this process writes with it.
type ownTable struct {
	native.Backend
	owned bool
}

// Limits says that there is neither guard nor ipset, and whether the table can be flushed.
func (o ownTable) Limits() contract.Limits {
	l := o.Backend.Limits()
	l.Native, l.Owned = true, o.owned
	return l
}

func (b Backends) native() contract.Backend { return ownTable{native.Backend{}, b.policy.owned()} }

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
	if w.Backend == native.Name || auto(w.Backend) && w.NFTables {
		return ownTable{}
	}
	o := backend.Options{Variant: backend.NFT, Inline: w.Sets == "inline", Guard: true}
	if w.Backend == string(backend.Legacy) {
		o.Variant = backend.Legacy
	}
	return backend.New(o)
}

// Observe reads what the kernel holds in the backend's language.
func (b Backends) Observe(ctx context.Context, in contract.Backend) (contract.State, error) {
	if _, ok := in.(ownTable); ok {
		return b.observeTable()
	}
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

// observeTable reads the nftables backend's table.
func (b Backends) observeTable() (contract.State, error) {
	table, generation, err := b.policy.read()
	if err != nil {
		return nil, err
	}
	b.generation = generation
	return native.NewState(table), nil
}

// Probe is Kernel.Probe. The kernel gives notice of each change of nftables: only with all
// it is compared whether there was any.
func (b Backends) Probe(ctx context.Context, s contract.State, all bool) (bool, error) {
	if _, ok := s.(native.State); ok {
		if !all {
			return false, nil
		}
		now, err := generation(backend.NFT)
		return err == nil && now != b.generation, err
	}
	st, ok := s.(backend.State)
	if !ok {
		return false, fmt.Errorf("looking at the kernel: there is no reader for a %T", s)
	}
	return b.Kernel.Probe(ctx, st, all)
}

// Holds is Kernel.Holds. Of a state that it cannot read it reports false: Observe tells.
func (b Backends) Holds(ctx context.Context, s contract.State) (bool, error) {
	if _, ok := s.(native.State); ok {
		now, err := generation(backend.NFT)
		return err == nil && now == b.generation, err
	}
	st, ok := s.(backend.State)
	if !ok {
		return false, nil
	}
	return b.Kernel.Holds(ctx, st)
}

// Counters reads what dockwall's own rules of the family have matched.
func (b Backends) Counters(ctx context.Context, in contract.Backend, family int) ([]contract.Counter, error) {
	if _, ok := in.(ownTable); ok {
		return b.policy.counters(family)
	}
	if in.Limits().LeftOut == family {
		return nil, nil
	}
	return b.Kernel.Counters(ctx, backend.Variant(in.Name()), backend.Family(family))
}

// SetSizes counts dockwall's own sets and what is in them. It may be called while other
// methods run.
func (b Backends) SetSizes(ctx context.Context, in contract.Backend) (sets, entries int, err error) {
	if _, ok := in.(ownTable); ok {
		return b.policy.setSizes()
	}
	return b.Kernel.SetSizes(ctx)
}
