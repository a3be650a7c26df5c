package kernel

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dockwall/netinfo/hostnet"
	contract "dockwall/rules/backend"
	backend "dockwall/rules/backend/iptables"
)

// Counters reads what dockwall's own rules of the filter table have matched.
// It starts a process, and may be called while other methods run.
func (k *programs) Counters(ctx context.Context, v backend.Variant, f backend.Family) ([]contract.Counter, error) {
	out, err := k.command(ctx, []string{saveCommand(v, f), "-c", "-t", "filter"}, "")
	if err != nil {
		return nil, err
	}
	if v == backend.NFT {
		if text, native, err := k.nativeCounters(ctx, f, out.stdout); native || err != nil {
			if err != nil {
				return nil, err
			}
			return backend.ParseChainCounters(text)
		}
	}
	return backend.ParseCounters(out.stdout)
}

// nativeCounters prints dockwall's chains of the filter table with their counters if
// iptables-save did not print them, because the table has native rules of nftables.
func (k *programs) nativeCounters(ctx context.Context, f backend.Family, saved string) (text string, native bool, err error) {
	if strings.Contains(saved, "\n*filter\n") || strings.HasPrefix(saved, "*filter\n") {
		return "", false, nil
	}
	names, err := hostnet.NFTChains(int(f), "filter")
	if err != nil {
		return "", false, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !backend.Owned(name) })
	if len(names) == 0 {
		return "", false, nil
	}
	text, err = k.printChains(ctx, f, "filter", names, true)
	return text, true, err
}

// SetSizes counts dockwall's own sets and what is in them. It starts a process,
// and may be called while other methods run.
func (k *programs) SetSizes(ctx context.Context) (sets, entries int, err error) {
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
