package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	backend "dockwall/rules/backend/iptables"
)

// Translations reads the nat rules of other programs that change where incoming
// packets go: iptables' in the table nat, and native nftables rules. It changes
// nothing. A tool that is not installed has no rules.
func (k *programs) Translations(ctx context.Context) ([]netinfo.Translation, error) {
	before, after, err := nativeTranslations()
	all, errs := before, []error{err}
	for _, v := range []backend.Variant{backend.NFT, backend.Legacy} {
		for _, f := range []backend.Family{backend.V4, backend.V6} {
			ts, err := k.translations(ctx, v, f)
			all, errs = append(all, ts...), append(errs, err)
		}
	}
	return append(all, after...), errors.Join(errs...)
}

func (k *programs) translations(ctx context.Context, v backend.Variant, f backend.Family) ([]netinfo.Translation, error) {
	if k.usableIn(v, f) != nil {
		return nil, nil
	}
	args := []string{saveCommand(v, f)}
	if v == backend.Legacy {
		// Asking for a table that is not there would make it.
		there, err := k.legacyNames(f)
		if err != nil || !slices.Contains(there, "nat") {
			return nil, err
		}
		args = append(args, "-t", "nat")
	}
	out, err := k.command(ctx, args, "")
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading nat rules: %w", err)
	}
	tables, err := backend.ParseSave(out.stdout)
	if err != nil {
		return nil, fmt.Errorf("reading what %s printed: %w", args[0], err)
	}
	return backend.Translations(tables, f), nil
}

// nativeTranslations returns the native rules that packets meet before iptables' nat
// table, and those that they meet after it.
func nativeTranslations() (before, after []netinfo.Translation, err error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, nil, fmt.Errorf("reading native nat rules: %w", err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
			return nil, nil, nil // this kernel has no nftables
		}
		return nil, nil, fmt.Errorf("reading native nat rules: %w", err)
	}
	for _, base := range chains {
		if !isForeignNAT(base) {
			continue
		}
		first := base.Priority != nil && *base.Priority < *nftables.ChainPriorityNATDest
		for _, c := range chains {
			if c.Table.Name != base.Table.Name || c.Table.Family != base.Table.Family || c.Name != base.Name && c.Hooknum != nil {
				continue
			}
			rules, err := conn.GetRules(c.Table, c)
			if err != nil {
				return nil, nil, fmt.Errorf("reading native nat rules: %w", err)
			}
			for _, r := range rules {
				ts := nativeRule(c, r.Exprs, c.Name == base.Name)
				if first {
					before = append(before, ts...)
					continue
				}
				for i := range ts {
					ts[i].AfterDocker = true
				}
				after = append(after, ts...)
			}
		}
	}
	return before, after, nil
}

// isForeignNAT reports whether it is a nat chain for incoming packets that neither
// iptables nor Docker wrote.
func isForeignNAT(c *nftables.Chain) bool {
	if c.Type != nftables.ChainTypeNAT || c.Hooknum == nil || *c.Hooknum != *nftables.ChainHookPrerouting {
		return false
	}
	switch c.Table.Family {
	case nftables.TableFamilyIPv4, nftables.TableFamilyIPv6:
		iptables := c.Table.Name == "nat" && c.Name == "PREROUTING"
		return !iptables && c.Table.Name != "docker-bridges"
	case nftables.TableFamilyINet:
		return true
	}
	return false
}

// nativeRule is the rule as a translation, once for each family; nothing if it
// translates nothing.
func nativeRule(c *nftables.Chain, es []expr.Any, direct bool) []netinfo.Translation {
	t := netinfo.Translation{Rule: fmt.Sprintf("nft: table %s, chain %s", c.Table.Name, c.Name), Unclear: !direct}
	read := nativeReader{t: &t, words: map[uint32][]byte{}}
	for _, e := range es {
		read.expr(e)
	}
	if !read.nat {
		return nil
	}
	var all []netinfo.Translation
	for _, v6 := range []bool{false, true} {
		other := c.Table.Family == nftables.TableFamilyIPv4 && v6 || c.Table.Family == nftables.TableFamilyIPv6 && !v6
		if other || t.To.IsValid() && t.To.Is6() != v6 {
			continue
		}
		t.V6 = v6
		all = append(all, t)
	}
	return all
}

// nativeReader reads the expressions of nft's simplest rules: the protocol, the
// destination's port, and the new address and port.
type nativeReader struct {
	t     *netinfo.Translation
	words map[uint32][]byte // what a register was loaded with
	meta  expr.MetaKey
	port  bool
	nat   bool
}

func (r *nativeReader) expr(e expr.Any) {
	switch e := e.(type) {
	case *expr.Meta:
		r.meta, r.port = e.Key, false
		r.t.Unclear = r.t.Unclear || e.Key != expr.MetaKeyL4PROTO && e.Key != expr.MetaKeyNFPROTO
	case *expr.Payload:
		r.port, r.meta = e.Base == expr.PayloadBaseTransportHeader && e.Offset == 2 && e.Len == 2, 0
		r.t.Unclear = r.t.Unclear || !r.port
	case *expr.Cmp:
		switch {
		case e.Op == expr.CmpOpEq && r.port && len(e.Data) == 2:
			r.t.Lo = binary.BigEndian.Uint16(e.Data)
			r.t.Hi = r.t.Lo
		case e.Op == expr.CmpOpEq && r.meta == expr.MetaKeyL4PROTO && len(e.Data) == 1:
			r.t.Proto = netinfo.Protocol(e.Data[0])
		case r.meta == expr.MetaKeyNFPROTO:
		default:
			r.t.Unclear = true
		}
	case *expr.Immediate:
		r.words[e.Register] = e.Data
	case *expr.Redir:
		r.nat, r.t.Redirect = true, true
		r.t.ToPort = wordOf(r.words[e.RegisterProtoMin])
	case *expr.NAT:
		r.nat = e.Type == expr.NATTypeDestNAT
		r.t.To, _ = netip.AddrFromSlice(r.words[e.RegAddrMin])
		r.t.ToPort = wordOf(r.words[e.RegProtoMin])
		r.t.Unclear = r.t.Unclear || e.RegAddrMin != 0 && !r.t.To.IsValid() || e.RegAddrMax != e.RegAddrMin && e.RegAddrMax != 0
	case *expr.Counter:
	default:
		r.t.Unclear = true
	}
}

func wordOf(b []byte) uint16 {
	if len(b) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(b)
}
