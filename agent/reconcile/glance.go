package reconcile

import (
	"context"
	"slices"
	"time"

	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/compile"
)

// maxGlance is at how many sets a glance looks: the kernel takes some microseconds
// for each.
const maxGlance = 16

// glanced remembers which sets are looked at, for one ruleset.
type glanced struct {
	of   *rules.Ruleset
	sets []string
}

// nextGlance is when to look again at the sets whose loss opens something; nil:
// there are none.
func (c *cycle) nextGlance() <-chan time.Time {
	if !c.known || c.wanted == nil || c.options.Inline {
		return nil
	}
	if c.glanced.of != c.wanted {
		c.glanced = glanced{c.wanted, compile.Unguarded(*c.wanted)}
	}
	if len(c.glanced.sets) == 0 {
		return nil
	}
	return time.After(glanceSpacer)
}

// glance looks at these sets alone.
func (c *cycle) glance(ctx context.Context, _ bool) (changed bool, err error) {
	if !c.known {
		return false, nil
	}
	// As nftables': no digest of the legacy tables is made.
	some := iptables.State{Variant: iptables.NFT}
	for _, s := range c.state.Sets {
		if len(some.Sets) < maxGlance && slices.ContainsFunc(c.glanced.sets, func(name string) bool {
			names := iptables.KernelSets(name)
			return slices.Contains(names[:], s.Name)
		}) {
			some.Sets = append(some.Sets, s)
		}
	}
	return c.o.Kernel.Probe(ctx, some, false)
}
