package iptables

import (
	"slices"
	"strings"

	"dockwall/rules/plan"
)

// Variant is one of the two iptables: they keep their rules apart.
type Variant string

// The variants, named like the commands (iptables-nft-restore).
const (
	NFT    Variant = "iptables-nft"
	Legacy Variant = "iptables-legacy"
)

// Family is an IP version.
type Family int

// The families.
const (
	V4 Family = 4
	V6 Family = 6
)

// Options shape the rendering.
type Options struct {
	Variant Variant
	// Inline writes sets out as rules, for kernels without ipset.
	Inline bool
	// Guard repeats the denials in the security table.
	Guard bool
	// LeftOut is the family that is neither read nor written, and Why is the reason; 0 if
	// there is none.
	LeftOut Family
	Why     string
}

// families are those that are written.
func (o Options) families() []Family {
	return slices.DeleteFunc([]Family{V4, V6}, func(f Family) bool { return f == o.LeftOut })
}

// Names that dockwall gives to things in the kernel.
const (
	tableFilter = "filter"
	tableGuard  = "security"
	tableEarly  = "raw"

	ownChains  = "DOCKWALL-"
	ownComment = "dockwall:"
	jumpNote   = ownComment + "jump"
	dockerUser = "DOCKER-USER"
	// plainJump is Docker's own rule in FORWARD.
	plainJump = "-j " + dockerUser
	// markUser says that DOCKER-USER is our making.
	markUser = "DOCKWALL-MADE-USER"
	// markTable says that the table is our making (nft only).
	markTable = "DOCKWALL-MADE-TABLE"
)

func owned(chain string) bool { return strings.HasPrefix(chain, ownChains) }

// restore is the action that runs a script for the family. legacy waits for the lock
// that Docker's own calls take; nft has none.
func (v Variant) restore(f Family, s plan.Script) plan.RestoreTable {
	return plan.RestoreTable{Tool: v.Tool(f), Wait: v == Legacy, Script: s}
}

// Tool is the variant's command for the family: iptables-nft, ip6tables-legacy.
func (v Variant) Tool(f Family) string {
	if f == V6 {
		return "ip6tables" + strings.TrimPrefix(string(v), "iptables")
	}
	return string(v)
}

func (f Family) String() string {
	if f == V6 {
		return "6"
	}
	return "4"
}
