package kernel

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	contract "dockwall/rules/backend"
	backend "dockwall/rules/backend/iptables"
)

// Counters reads what dockwall's own rules of the filter table have matched.
// It starts a process, and may be called while other methods run.
func (k *Kernel) Counters(ctx context.Context, v backend.Variant, f backend.Family) ([]contract.Counter, error) {
	out, err := k.command(ctx, []string{saveCommand(v, f), "-c", "-t", "filter"}, "")
	if err != nil {
		return nil, err
	}
	return backend.ParseCounters(out.stdout)
}

// SetSizes counts dockwall's own sets and what is in them. It starts a process,
// and may be called while other methods run.
func (k *Kernel) SetSizes(ctx context.Context) (sets, entries int, err error) {
	out, err := k.command(ctx, []string{"ipset", "list", "-t"}, "")
	if err != nil {
		return 0, 0, err
	}
	own := false
	for line := range strings.Lines(out.stdout) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "Name":
			own = strings.HasPrefix(value, "dockwall4-") || strings.HasPrefix(value, "dockwall6-")
			if own {
				sets++
			}
		case "Number of entries":
			n, err := strconv.Atoi(value)
			if err != nil {
				return 0, 0, fmt.Errorf("ipset list: %w", err)
			}
			if own {
				entries += n
			}
		}
	}
	return sets, entries, nil
}
