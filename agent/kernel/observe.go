package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	backend "dockwall/rules/backend/iptables"
)

// ownTables are the tables that dockwall writes to.
var ownTables = []string{"filter", "raw", "security"}

// Observe reads what is in the kernel now: the tables that dockwall writes to,
// in both families, and its sets. All at once: as long as it looks, what
// another program broke stays broken.
//
// The save commands read rules first and then the sets that they look at. Where
// another process takes these away in between they fail, and are run again.
func (k *Kernel) Observe(ctx context.Context, v backend.Variant) (backend.State, error) {
	return k.observeBut(ctx, v, 0)
}

// observeBut is Observe without the tables of a family.
func (k *Kernel) observeBut(ctx context.Context, v backend.Variant, leftOut backend.Family) (backend.State, error) {
	return observed(ctx, func() (backend.State, error) { return k.observe(ctx, v, leftOut, k.sets) })
}

// observeTables is Observe without the sets. Families of which the variant has no tools
// are left out.
func (k *Kernel) observeTables(ctx context.Context, v backend.Variant) (backend.State, error) {
	none := func() ([]backend.SetState, error) { return nil, nil }
	var leftOut backend.Family
	for _, f := range []backend.Family{backend.V4, backend.V6} {
		if k.usableIn(v, f) != nil {
			leftOut = f
		}
	}
	return observed(ctx, func() (backend.State, error) { return k.observe(ctx, v, leftOut, none) })
}

func observed(ctx context.Context, observe func() (backend.State, error)) (st backend.State, err error) {
	worth := func(err error) bool { return !errors.Is(err, exec.ErrNotFound) }
	err = again(ctx, observeTries, observePause, worth, func() (err error) {
		st, err = observe()
		return err
	})
	return st, err
}

const (
	observeTries = 3
	observePause = 20 * time.Millisecond
)

func (k *Kernel) observe(ctx context.Context, v backend.Variant, leftOut backend.Family, sets func() ([]backend.SetState, error)) (backend.State, error) {
	st := backend.State{Variant: v}
	var err error
	if v == backend.Legacy {
		// Before reading: what changes while reading is then seen by the next Probe.
		if k.digest, err = k.legacyDigest(); err != nil {
			return backend.State{}, err
		}
	}
	// The same goes for nftables, and legacy tables have no generation.
	if k.generation, err = generation(v); err != nil {
		return backend.State{}, err
	}
	begin := func(f backend.Family) func() ([]backend.Table, error) {
		if f == leftOut {
			return func() ([]backend.Table, error) { return nil, nil }
		}
		end := k.beginTables(ctx, v, f)
		return func() ([]backend.Table, error) {
			ts, err := end()
			return ts, familyError(f, err)
		}
	}
	v4, v6 := begin(backend.V4), begin(backend.V6)
	var errs [3]error
	st.Sets, errs[0] = sets()
	st.V4, errs[1] = v4()
	st.V6, errs[2] = v6()
	if errs[1] != nil && errs[2] != nil {
		return backend.State{}, fmt.Errorf("%v; %w", errs[1], errors.Unwrap(errs[2])) // it is about no family alone
	}
	if err := errors.Join(errs[:]...); err != nil {
		return backend.State{}, err
	}
	k.leading.note(st)
	return st, nil
}

// failedFamily is an error about one family.
type failedFamily struct {
	family backend.Family
	error
}

func familyError(f backend.Family, err error) error {
	if err == nil {
		return nil
	}
	return &failedFamily{f, err}
}

func (e *failedFamily) Unwrap() error { return e.error }

// FailedFamily returns the family; see plan.FailedFamily.
func (e *failedFamily) FailedFamily() (int, bool) { return int(e.family), true }

// beginTables begins to read the own tables of a family, and returns what ends
// it. A table that is not there is not in the answer, and is not made by asking.
func (k *programs) beginTables(ctx context.Context, v backend.Variant, f backend.Family) func() ([]backend.Table, error) {
	if v == backend.Legacy {
		return func() ([]backend.Table, error) { return k.legacyTables(ctx, f) }
	}
	// Without -t only the tables that exist are printed; with it an absent one
	// looks like an empty one.
	r := k.begin(ctx, []string{saveCommand(v, f)}, "")
	return func() ([]backend.Table, error) {
		out, err := r.end()
		if err != nil {
			return nil, err
		}
		ts, err := k.parseOwn(out.stdout, v, f)
		if err != nil {
			return nil, err
		}
		return k.withNative(ctx, f, out.stdout+out.stderr, ts)
	}
}

func (k *programs) legacyTables(ctx context.Context, f backend.Family) ([]backend.Table, error) {
	there, err := k.legacyNames(f)
	if err != nil {
		return nil, err
	}
	var all []backend.Table
	for _, t := range ownTables {
		if !slices.Contains(there, t) {
			continue
		}
		out, err := k.command(ctx, []string{saveCommand(backend.Legacy, f), "-t", t}, "")
		if err != nil {
			return nil, err
		}
		ts, err := k.parseOwn(out.stdout, backend.Legacy, f)
		if err != nil {
			return nil, err
		}
		all = append(all, ts...)
	}
	return all, nil
}

// legacyNames lists the legacy tables that exist in this namespace.
func (k *programs) legacyNames(f backend.Family) ([]string, error) {
	name := "ip_tables_names"
	if f == backend.V6 {
		name = "ip6_tables_names"
	}
	b, err := os.ReadFile(filepath.Join(k.proc, "thread-self/net", name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // the kernel has no legacy tables loaded
	}
	if err != nil {
		return nil, fmt.Errorf("listing the legacy tables: %w", err)
	}
	return strings.Fields(string(b)), nil
}

func (k *programs) parseOwn(text string, v backend.Variant, f backend.Family) ([]backend.Table, error) {
	ts, err := backend.ParseSave(text)
	if err != nil {
		return nil, fmt.Errorf("reading what %s printed: %w", saveCommand(v, f), err)
	}
	return slices.DeleteFunc(ts, func(t backend.Table) bool { return !slices.Contains(ownTables, t.Name) }), nil
}

// sets reads dockwall's own sets.
func (k *Kernel) sets() ([]backend.SetState, error) {
	all, err := dumpSets()
	if err != nil {
		return nil, err
	}
	k.digests, k.unread = make(map[string]uint64, len(all)), 0
	var out []backend.SetState
	for i := range all {
		s, err := k.members(&all[i])
		if err != nil {
			return nil, fmt.Errorf("reading set %s: %w", all[i].state.Name, err)
		}
		k.digests[s.Name] = all[i].digest
		all[i].chunks = nil
		out = append(out, s)
	}
	clear(k.filled)
	slices.SortFunc(out, func(a, b backend.SetState) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// members are the set with its members, sorted.
func (k *Kernel) members(d *dumped) (backend.SetState, error) {
	s := d.state
	s.Members = k.filled[s.Name]
	if same, err := d.holds(&s); !same || err != nil || len(s.Members) == 0 {
		return d.read()
	}
	s.Members = slices.Clone(s.Members) // what is seen may be edited, the ruleset's may not
	return s, nil
}

func saveCommand(v backend.Variant, f backend.Family) string {
	return familyCommand(v, f) + "-save"
}

func familyCommand(v backend.Variant, f backend.Family) string {
	if f == backend.V6 {
		return strings.Replace(string(v), "iptables", "ip6tables", 1)
	}
	return string(v)
}

// hasIPSet reports whether rules can look addresses up in sets here: the command
// is there and the kernel answers it.
func (k *programs) hasIPSet() bool {
	if _, err := exec.LookPath("ipset"); err != nil {
		return false
	}
	return ipsetAnswers()
}
