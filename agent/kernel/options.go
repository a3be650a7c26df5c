package kernel

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	backend "dockwall/rules/backend/iptables"
)

// Options says how the ruleset is to be written here: with sets or without,
// and with the guard or without.
func (k *programs) Options(_ context.Context, sets string, v backend.Variant, engineVersion string) (backend.Options, error) {
	o := backend.Options{Variant: v}
	switch sets {
	case "inline":
		o.Inline = true
	case "ipset":
		if !k.hasIPSet() {
			return o, errors.New(`firewall.sets = "ipset", but the ipset command is missing or the kernel does not answer it: install the package ipset, or write "auto"`)
		}
	default:
		o.Inline = !k.hasIPSet()
	}
	guard, err := k.guard(v, engineVersion)
	o.Guard = guard
	return o, err
}

// guard reports whether the security table is written to as well. A legacy table
// that was once used cannot be taken away again in this namespace, so there it
// is written only where it is needed (Docker 28 and later lifts its chain above
// DOCKER-USER while it restarts) or was in use already. Elsewhere FORWARD itself
// has a second jump, which is enough against what earlier engines do.
func (k *programs) guard(v backend.Variant, engineVersion string) (bool, error) {
	if v == backend.NFT {
		return true, nil
	}
	if major, err := strconv.Atoi(strings.SplitN(engineVersion, ".", 2)[0]); err == nil && major >= 28 {
		return true, nil
	}
	there, err := k.legacyNames(backend.V4)
	return slices.Contains(there, "security"), err
}
