package kernel

import (
	"errors"
	"fmt"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"dockwall/rules"
	"dockwall/rules/backend"
)

// FrameCounters reads what the table of the bridges has dropped on behalf of the policy:
// one counter for each kind of refusal. Frames that were held, or that no policy is
// about, are not among them. It may be called from any goroutine.
func FrameCounters() ([]backend.Counter, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, err
	}
	table := &nftables.Table{Name: FrameTable, Family: nftables.TableFamilyBridge}
	chain := &nftables.Chain{Name: chainSpoofed, Table: table}
	found, err := conn.GetRules(table, chain)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // nothing asks for it
	}
	if err != nil {
		return nil, fmt.Errorf("reading the counters of nftables table bridge %s: %w", FrameTable, err)
	}
	var all []backend.Counter
	for _, r := range found {
		for _, e := range r.Exprs {
			if c, ok := e.(*expr.Counter); ok {
				all = append(all, backend.Counter{Chain: chain.Name, ID: string(rules.KindSpoof), Policy: string(rules.KindSpoof), Verdict: rules.Drop, Packets: c.Packets, Bytes: c.Bytes})
			}
		}
	}
	return all, nil
}
