package nftlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/rules/nft"
)

// readTries is how often a table is read again because another program committed a
// transaction while it was read.
const readTries = 10

// Reading is a table as of one generation.
type Reading struct {
	Table nft.Table
	// Flags are Dormant, Owner and Persist.
	Flags uint32
	// Owner is the address (nl_pid) of the socket that owns the table; 0 if none does.
	Owner uint32
	// Generation is nftables' own: it grows with each transaction on any table.
	Generation uint32
}

// errChanged: the parts that were read belong to two generations.
var errChanged = errors.New("another program changed nftables while it was read")

// Read reads the table of family inet; ok is false if there is none.
func (c *Conn) Read(name string) (r Reading, ok bool, err error) {
	for range readTries {
		if r, ok, err = c.read(name); !errors.Is(err, errChanged) {
			break
		}
	}
	if err != nil {
		return Reading{}, false, fmt.Errorf("reading the nftables table inet %s: %w", name, err)
	}
	return r, ok, nil
}

func (c *Conn) read(name string) (r Reading, ok bool, err error) {
	if r.Generation, err = c.Generation(); err != nil {
		return r, false, err
	}
	if ok, err = c.header(name, &r); !ok || err != nil {
		return r, false, err
	}
	r.Table = nft.Table{Name: name, Dormant: r.Flags&Dormant != 0}
	if err := c.chains(&r.Table); err != nil {
		return r, false, err
	}
	if err := c.sets(&r.Table); err != nil {
		return r, false, err
	}
	return r, true, c.unchanged(r.Generation)
}

// Outline is Read without rules and sets.
func (c *Conn) Outline(name string) (r Reading, ok bool, err error) {
	ok, err = c.header(name, &r)
	if err == nil && ok {
		r.Table = nft.Table{Name: name, Dormant: r.Flags&Dormant != 0}
		_, err = c.bareChains(&r.Table)
	}
	if err != nil {
		return Reading{}, false, fmt.Errorf("looking at the nftables table inet %s: %w", name, err)
	}
	return r, ok, nil
}

// Counted is a rule with what it has matched.
type Counted struct {
	Chain          string
	Rule           nft.Rule
	Packets, Bytes uint64
}

// Counters reads the rules of the table that count.
func (c *Conn) Counters(name string) (all []Counted, err error) {
	err = c.eachRule(name, func(chain string, r rawRule) error {
		es, err := expressions(r.expressions)
		for _, e := range es {
			if v, _ := only(e.data, unix.NFTA_COUNTER_BYTES, unix.NFTA_COUNTER_PACKETS, unix.NFTA_COUNTER_PAD); e.name == "counter" {
				all = append(all, Counted{chain, ruleOf(r, es), number(v[1]), number(v[0])})
				break
			}
		}
		return err
	})
	return all, err
}

func ruleOf(r rawRule, es []expression) nft.Rule {
	return nft.Rule{Statements: statements(es), Comment: comment(r.userdata, udataRuleComment)}
}

// SetSizes counts the sets of the table, and their elements.
func (c *Conn) SetSizes(name string) (sets, elements int, err error) {
	t := nft.Table{Name: name}
	if err := c.sets(&t); err != nil {
		return 0, 0, fmt.Errorf("counting the sets of the nftables table inet %s: %w", name, err)
	}
	for _, s := range t.Sets {
		elements += len(s.Elements)
	}
	return len(t.Sets), elements, nil
}

// unchanged is errChanged if it is another generation by now.
func (c *Conn) unchanged(generation uint32) error {
	now, err := c.Generation()
	if err == nil && now != generation {
		err = errChanged
	}
	return err
}

// Generation asks the kernel for nftables' generation.
func (c *Conn) Generation() (uint32, error) {
	ms, err := c.ask(unix.NFT_MSG_GETGEN, 0, unix.AF_UNSPEC, func(*writer) {})
	if err != nil {
		return 0, fmt.Errorf("asking for nftables' generation: %w", err)
	}
	var id uint32
	for _, m := range ms {
		_ = each(m, func(typ uint16, data []byte) {
			if typ == unix.NFTA_GEN_ID {
				id = uint32(number(data))
			}
		})
	}
	return id, nil
}

// header reads the table's own flags.
func (c *Conn) header(name string, r *Reading) (ok bool, err error) {
	ms, err := c.ask(unix.NFT_MSG_GETTABLE, 0, inet, func(w *writer) { w.text(unix.NFTA_TABLE_NAME, name) })
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, m := range ms {
		err = errors.Join(err, each(m, func(typ uint16, data []byte) {
			switch typ {
			case unix.NFTA_TABLE_FLAGS:
				r.Flags = uint32(number(data))
			case tableOwner:
				r.Owner = uint32(number(data))
			}
		}))
	}
	return true, err
}

// tableOwner is NFTA_TABLE_OWNER.
const tableOwner = 7

// chains reads the chains in the kernel's order, with their rules.
func (c *Conn) chains(t *nft.Table) error {
	at, err := c.bareChains(t)
	if err != nil {
		return err
	}
	return c.eachRule(t.Name, func(chain string, r rawRule) error {
		i, known := at[chain]
		if !known {
			return errChanged
		}
		es, err := expressions(r.expressions)
		t.Chains[i].Rules = append(t.Chains[i].Rules, ruleOf(r, es))
		return err
	})
}

// bareChains reads the chains without their rules, and returns their places.
func (c *Conn) bareChains(t *nft.Table) (at map[string]int, err error) {
	ms, err := c.ask(unix.NFT_MSG_GETCHAIN, netlink.Dump, inet, func(w *writer) { w.text(unix.NFTA_CHAIN_TABLE, t.Name) })
	if err != nil {
		return nil, fmt.Errorf("listing chains: %w", err)
	}
	at = map[string]int{}
	for _, m := range ms {
		chain, other, err := parseChain(m, t.Name)
		if err != nil {
			return nil, fmt.Errorf("listing chains: %w", err)
		}
		if !other {
			at[chain.Name] = len(t.Chains)
			t.Chains = append(t.Chains, chain)
		}
	}
	return at, nil
}

// rawRule is a rule as the kernel lists it.
type rawRule struct{ expressions, userdata []byte }

// eachRule calls f with the rules of the table, those of a chain in order.
func (c *Conn) eachRule(table string, f func(chain string, r rawRule) error) error {
	ms, err := c.ask(unix.NFT_MSG_GETRULE, netlink.Dump, inet, func(w *writer) { w.text(unix.NFTA_RULE_TABLE, table) })
	if err != nil {
		return fmt.Errorf("listing rules: %w", err)
	}
	for _, m := range ms {
		var of, chain string
		var r rawRule
		err := each(m, func(typ uint16, data []byte) {
			switch typ {
			case unix.NFTA_RULE_TABLE:
				of = text(data)
			case unix.NFTA_RULE_CHAIN:
				chain = text(data)
			case unix.NFTA_RULE_EXPRESSIONS:
				r.expressions = data
			case unix.NFTA_RULE_USERDATA:
				r.userdata = data
			}
		})
		if err == nil && of == table {
			err = f(chain, r)
		}
		if err != nil {
			return fmt.Errorf("listing rules: %w", err)
		}
	}
	return nil
}

const (
	chainFlags   = 10 // NFTA_CHAIN_FLAGS
	chainOffload = 2  // NFT_CHAIN_HW_OFFLOAD
)

// parseChain reads a chain without its rules. other is set if it is not of the table.
func parseChain(b []byte, table string) (c nft.Chain, other bool, err error) {
	hook := nft.Hook{}
	policy, typ := uint64(accept), "filter"
	err = each(b, func(attr uint16, data []byte) {
		switch attr {
		case unix.NFTA_CHAIN_TABLE:
			other = text(data) != table
		case unix.NFTA_CHAIN_NAME:
			c.Name = text(data)
		case unix.NFTA_CHAIN_HOOK:
			v, ok := only(data, unix.NFTA_HOOK_HOOKNUM, unix.NFTA_HOOK_PRIORITY)
			hook = nft.Hook{Point: nft.Point(number(v[0])), Priority: int32(uint32(number(v[1])))}
			c.Hook, c.Odd = &hook, c.Odd || !ok // a device has attributes of its own
		case unix.NFTA_CHAIN_POLICY:
			policy = number(data)
		case unix.NFTA_CHAIN_TYPE:
			typ = text(data)
		case chainFlags:
			c.Odd = c.Odd || number(data)&chainOffload != 0
		}
	})
	c.Odd = c.Odd || policy != accept || typ != "filter"
	return c, other, err
}

// sets reads the sets, sorted as the kernel lists them, with their elements.
func (c *Conn) sets(t *nft.Table) error {
	ms, err := c.ask(unix.NFT_MSG_GETSET, netlink.Dump, inet, func(w *writer) { w.text(unix.NFTA_SET_TABLE, t.Name) })
	if err != nil {
		return fmt.Errorf("listing sets: %w", err)
	}
	for _, m := range ms {
		s, other, err := parseSet(m, t.Name)
		if err != nil {
			return fmt.Errorf("listing sets: %w", err)
		}
		// A set that belongs to a rule goes with the rule.
		if !other && !strings.HasPrefix(s.Name, anonymous) {
			t.Sets = append(t.Sets, s)
		}
	}
	var k keep
	for i := range t.Sets {
		if err := c.elements(t.Name, &t.Sets[i], &k); err != nil {
			return fmt.Errorf("reading the set %s: %w", t.Sets[i].Name, err)
		}
	}
	return nil
}

func (c *Conn) elements(table string, s *nft.Set, k *keep) error {
	ms, err := c.ask(unix.NFT_MSG_GETSETELEM, netlink.Dump, inet, func(w *writer) {
		w.text(unix.NFTA_SET_ELEM_LIST_TABLE, table)
		w.text(unix.NFTA_SET_ELEM_LIST_SET, s.Name)
	})
	if errors.Is(err, unix.ENOENT) {
		return errChanged
	}
	if err != nil {
		return err
	}
	for _, m := range ms {
		if err := parseElements(m, s, k); err != nil {
			return err
		}
	}
	sortElements(s.Elements)
	return nil
}

// ask sends a question, and returns the answers without their headers.
func (c *Conn) ask(typ int, flags netlink.HeaderFlags, family byte, attrs func(*writer)) ([][]byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return nil, err
	}
	w := writer{b: binary.BigEndian.AppendUint16([]byte{family, unix.NFNETLINK_V0}, 0)}
	attrs(&w)
	answers, err := c.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | typ), Flags: netlink.Request | flags},
		Data:   w.b,
	})
	if errors.Is(err, unix.EINTR) {
		return nil, errChanged
	}
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, m := range answers {
		if m.Header.Flags&netlink.DumpInterrupted != 0 {
			return nil, errChanged
		}
		if len(m.Data) < 4 {
			return nil, errShort
		}
		out = append(out, m.Data[4:])
	}
	return out, nil
}
