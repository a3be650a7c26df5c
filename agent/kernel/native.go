package kernel

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"dockwall/netinfo/hostnet"
	backend "dockwall/rules/backend/iptables"
)

// withNative replaces the tables that iptables-save did not print in full. It says of a
// table with native rules of nftables that it is incompatible, prints nothing of it and
// exits with 0. A base chain with another priority than its own it prints as empty, and
// says that the table contains incompatible base chains. What it says differs by version,
// so its answer is compared with the chains in the kernel too.
func (k *programs) withNative(ctx context.Context, f backend.Family, said string, printed []backend.Table) ([]backend.Table, error) {
	for _, name := range ownTables {
		chains, err := hostnet.NFTChains(int(f), name)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(printed, func(t backend.Table) bool { return t.Name == name })
		if len(chains) == 0 || at >= 0 && !incompatible(said, name) && containsChains(printed[at], chains) {
			if at >= 0 {
				printed[at].MarkAbsent(chains)
			}
			continue
		}
		t, there, err := k.nativeTable(ctx, f, name)
		if err != nil {
			return nil, err
		}
		if at >= 0 {
			printed = slices.Delete(printed, at, at+1)
		}
		if there {
			printed = append(printed, t)
		}
	}
	return printed, nil
}

// incompatible reports whether iptables-save says that it did not print all of the table.
func incompatible(said, table string) bool {
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "#") && strings.Contains(line, "incompatible") && strings.Contains(line, table) {
			return true
		}
	}
	return false
}

func containsChains(t backend.Table, names []string) bool {
	for _, name := range names {
		if !slices.ContainsFunc(t.Chains, func(c backend.Chain) bool { return c.Name == name }) {
			return false
		}
	}
	return true
}

// nativeTable reads a table through netlink. dockwall's own chains are printed by iptables'
// tool, which still prints single chains.
func (k *programs) nativeTable(ctx context.Context, f backend.Family, name string) (t backend.Table, there bool, err error) {
	raw, there, err := hostnet.ReadNFTTable(int(f), name)
	if err != nil || !there {
		return backend.Table{}, false, err
	}
	t.Name = name
	for _, c := range raw.Chains {
		out := backend.Chain{Name: c.Name, Policy: "-", Native: true}
		switch {
		case c.Drop:
			out.Policy = "DROP"
		case c.Base:
			out.Policy = "ACCEPT"
		}
		for _, r := range c.Rules {
			out.Rules = append(out.Rules, nativeRuleOf(r).Text())
		}
		t.Chains = append(t.Chains, out)
	}
	if err := k.printOwn(ctx, f, &t); err != nil {
		return backend.Table{}, false, err
	}
	return backend.WithBuiltins(t), true, nil
}

// printOwn replaces the rules of dockwall's chains by what iptables prints for them. A
// chain that it does not print holds a native rule: it stays as it was read, and differs
// from every chain that dockwall writes.
func (k *programs) printOwn(ctx context.Context, f backend.Family, t *backend.Table) error {
	var own []string
	for _, c := range t.Chains {
		if backend.Owned(c.Name) {
			own = append(own, c.Name)
		}
	}
	if len(own) == 0 {
		return nil
	}
	printed, err := k.printChains(ctx, f, t.Name, own, false)
	if err != nil {
		printed = ""
		for _, name := range own {
			one, err := k.printChains(ctx, f, t.Name, []string{name}, false)
			if ctx.Err() != nil {
				return err
			}
			if err == nil {
				printed += one
			}
		}
	}
	rules, err := backend.ParseChains(printed)
	if err != nil {
		return fmt.Errorf("reading the chains of %s: %w", t.Name, err)
	}
	for i := range t.Chains {
		if of, ok := rules[t.Chains[i].Name]; ok {
			t.Chains[i].Rules, t.Chains[i].Native = of, false
		}
	}
	return nil
}

// printChains prints chains as iptables -S does, all by one process that changes nothing.
func (k *programs) printChains(ctx context.Context, f backend.Family, table string, chains []string, counters bool) (string, error) {
	verb := "-S "
	if counters {
		verb = "-v -S "
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%s\n", table)
	for _, name := range chains {
		b.WriteString(verb + name + "\n")
	}
	b.WriteString("COMMIT\n")
	out, err := k.command(ctx, []string{familyCommand(backend.NFT, f) + "-restore", "--noflush"}, b.String())
	return out.stdout, err
}

// nativeRuleOf names what a rule of another program does.
func nativeRuleOf(r hostnet.NFTRule) backend.NativeRule {
	out := backend.NativeRule{Handle: r.Handle}
	for _, e := range r.Exprs {
		switch code, chain, verdict := hostnet.NFTVerdict(e); {
		case verdict:
			out.Target, out.Goto = verdictTarget(code, chain), code == unix.NFT_GOTO
		case e.Name == "counter":
		case e.Name == "target":
			out.Target, _ = hostnet.NFTExtension(e)
		case e.Name == "match":
			name, info := hostnet.NFTExtension(e)
			if name != "comment" {
				out.Conditions = append(out.Conditions, name)
				break
			}
			text, _, _ := bytes.Cut(info, []byte{0})
			out.Comment = string(text)
		case hostnet.NFTVerdictMap(e):
			out.Conditions, out.Target = append(out.Conditions, "vmap"), "vmap"
		case e.Name == "reject" || e.Name == "queue":
			out.Target = strings.ToUpper(e.Name)
		default:
			out.Conditions = append(out.Conditions, e.Name)
		}
	}
	return out
}

// verdictTarget is a verdict in iptables' words.
func verdictTarget(code int32, chain string) string {
	switch code {
	case 0:
		return "DROP"
	case 1:
		return "ACCEPT"
	case unix.NFT_RETURN:
		return "RETURN"
	case unix.NFT_JUMP, unix.NFT_GOTO:
		return chain
	case unix.NFT_CONTINUE:
		return ""
	}
	return "QUEUE"
}
