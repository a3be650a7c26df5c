package kernel

import (
	"context"
	"fmt"
	"slices"

	"dockwall/rules"
	backend "dockwall/rules/backend/iptables"
)

// MakeSets makes the sets of a family that do not exist, and returns the kernel's names of
// those that it made. A set that exists stays as it is, whatever its type. It is for sets
// that saved rules name, which must exist when these are loaded.
func (k *Kernel) MakeSets(ctx context.Context, family int, sets []rules.Set) (made []string, err error) {
	if len(sets) == 0 {
		return nil, nil
	}
	have, err := dumpAllHeaders()
	if err != nil {
		return nil, fmt.Errorf("reading the sets: %w", err)
	}
	var missing []rules.Set
	for _, s := range sets {
		name := backend.KernelSets(s.Name)[0]
		if family == int(backend.V6) {
			name = backend.KernelSets(s.Name)[1]
		}
		if slices.ContainsFunc(have, func(d dumped) bool { return d.state.Name == name }) {
			continue
		}
		missing, made = append(missing, s), append(made, name)
	}
	if len(missing) == 0 {
		return nil, nil
	}
	script := backend.SetText(rules.Ruleset{Sets: missing}, backend.Family(family))
	// Another program may have made one of them since.
	if _, err := k.command(ctx, []string{"ipset", "restore", "-exist"}, script.Body); err != nil {
		return nil, fmt.Errorf("making the sets of IPv%d: %w", family, err)
	}
	return made, nil
}
