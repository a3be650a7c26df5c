package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"

	"dockwall/netinfo/hostnet"
	backend "dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
)

// jumpTries is how often jumps are placed again because a rule that was read is gone.
const jumpTries = 5

// setJumps makes these the only jumps of dockwall's in the chain. A rule is deleted by its
// handle, which no other rule of the table ever gets: what another program writes at the
// same time stays.
func (k *Kernel) setJumps(ctx context.Context, a plan.SetJumps) (err error) {
	for range jumpTries {
		if err = k.trySetJumps(ctx, a); !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("placing dockwall's jumps in the chain %s of table %s, IPv%d: %w", a.Chain, a.Table, a.Family, err)
	}
	return nil
}

func (k *Kernel) trySetJumps(ctx context.Context, a plan.SetJumps) error {
	t, _, err := hostnet.ReadNFTTable(a.Family, a.Table)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(t.Chains, func(c hostnet.NFTChain) bool { return c.Name == a.Chain })
	if at < 0 && len(a.Jumps) == 0 {
		return nil
	}
	if at < 0 {
		return k.makeWithJumps(ctx, a)
	}
	var have, rest []string
	var handles, ours []uint64
	for _, r := range t.Chains[at].Rules {
		text := nativeRuleOf(r).Text()
		have = append(have, text)
		if backend.OurJump(text) {
			ours = append(ours, r.Handle)
			continue
		}
		rest, handles = append(rest, text), append(handles, r.Handle)
	}
	if slices.Equal(have, backend.Place(rest, a.Jumps)) {
		return nil
	}
	return k.replaceJumps(a, ours, handles)
}

// makeWithJumps has iptables' tool make its base chain, with the jumps in it.
func (k *programs) makeWithJumps(ctx context.Context, a plan.SetJumps) error {
	var b strings.Builder
	fmt.Fprintf(&b, "*%s\n", a.Table)
	for i, rule := range backend.Place(nil, a.Jumps) {
		fmt.Fprintf(&b, "-I %s %d %s\n", a.Chain, i+1, rule)
	}
	b.WriteString("COMMIT\n")
	_, err := k.command(ctx, []string{familyCommand(backend.NFT, backend.Family(a.Family)) + "-restore", "--noflush"}, b.String())
	return err
}

// replaceJumps deletes rules and adds jumps among the others, in one transaction.
func (k *Kernel) replaceJumps(a plan.SetJumps, ours, rest []uint64) error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	table := &nftables.Table{Name: a.Table, Family: nftables.TableFamilyIPv4}
	if a.Family == 6 {
		table.Family = nftables.TableFamilyIPv6
	}
	chain := &nftables.Chain{Name: a.Chain, Table: table}
	for _, handle := range ours {
		if err := conn.DelRule(&nftables.Rule{Table: table, Chain: chain, Handle: handle}); err != nil {
			return err
		}
	}
	order := places(len(rest), a.Jumps)
	for i, j := range order {
		if j.jump < 0 {
			continue
		}
		r := &nftables.Rule{Table: table, Chain: chain, Exprs: jumpExprs(a.Jumps[j.jump])}
		next := slices.IndexFunc(order[i:], func(p place) bool { return p.jump < 0 })
		switch {
		case next < 0:
			conn.AddRule(r)
		case order[i+next].rest == 0 && i == 0:
			conn.InsertRule(r) // first of all, whatever else has come first by now
		default:
			r.Position = rest[order[i+next].rest]
			conn.InsertRule(r)
		}
	}
	return conn.Flush()
}

// place is a rule of the chain as it is to be: one of the jumps, or if that is -1 one of
// the others.
type place struct{ jump, rest int }

func places(rest int, jumps []plan.Jump) []place {
	var out []place
	for i := range rest {
		out = append(out, place{-1, i})
	}
	for i, j := range jumps {
		out = slices.Insert(out, min(j.At, len(out)), place{jump: i})
	}
	return out
}

// jumpExprs is the rule as iptables-nft writes it.
func jumpExprs(j plan.Jump) []expr.Any {
	var es []expr.Any
	if j.Comment != "" {
		comment := xt.Comment(j.Comment)
		es = append(es, &expr.Match{Name: "comment", Info: &comment})
	}
	return append(es, &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictJump, Chain: j.Target})
}
