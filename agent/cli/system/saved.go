package system

import (
	"context"
	"errors"

	"dockwall/agent/kernel"
	"dockwall/agent/saved"
	"dockwall/rules"
)

// savedSets makes the sets that the saved rules name. A family that fails leaves the other
// one its sets.
func savedSets(files *saved.Files, runner *kernel.Kernel) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		named := files.Sets()
		var all []string
		var errs []error
		for _, family := range []int{4, 6} {
			var sets []rules.Set
			for _, s := range named {
				if s.Family == family {
					sets = append(sets, rules.Set{Name: s.Name, Type: s.Type})
				}
			}
			made, err := runner.MakeSets(ctx, family, sets)
			all, errs = append(all, made...), append(errs, err)
		}
		return all, errors.Join(errs...)
	}
}
