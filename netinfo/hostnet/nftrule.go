package hostnet

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	nftGetTable = netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETTABLE)
	nftGetRule  = netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE)

	// tableDormant is NFT_TABLE_F_DORMANT: no packet meets the table's chains.
	tableDormant = 1
)

// readTries is how often a table is read again because another program committed a
// transaction while it was read.
const readTries = 5

// NFTTable is one of iptables-nft's tables ("filter", …), as nftables holds it.
type NFTTable struct {
	// Dormant: the table's flag that switches all its chains off is set.
	Dormant bool
	Chains  []NFTChain
}

// NFTChain is a chain of a table, with its rules in order.
type NFTChain struct {
	Name string
	// Base: it has a hook, so that packets meet it without a jump.
	Base bool
	// Drop: it is a base chain whose policy is drop.
	Drop  bool
	Rules []NFTRule
}

// NFTRule is a rule of any program.
type NFTRule struct {
	// Handle is the rule's number, which no other rule of the table ever has.
	Handle uint64
	Exprs  []NFTExpr
}

// NFTExpr is an expression of a rule, such as "ct" or "match".
type NFTExpr struct {
	Name string
	// Data are the expression's own attributes, as the kernel encodes them.
	Data []byte
}

// ReadNFTTable reads a table of the family, 4 or 6, of one generation of nftables. ok is
// false if there is no such table, or no nf_tables. It starts no process.
func ReadNFTTable(family int, table string) (t NFTTable, ok bool, err error) {
	af, err := nfFamily(family)
	if err != nil {
		return NFTTable{}, false, err
	}
	for range readTries {
		t, ok, err = readTable(af, table)
		if !errors.Is(err, errNFTChanged) {
			break
		}
	}
	if errors.Is(noNFTables(err), ErrNoNFTables) {
		return NFTTable{}, false, nil
	}
	if err != nil {
		return NFTTable{}, false, fmt.Errorf("reading the IPv%d table %s: %w", family, table, err)
	}
	return t, ok, nil
}

// errNFTChanged: the parts that were read belong to two generations.
var errNFTChanged = errors.New("another program changed nftables while it was read")

func readTable(af uint8, table string) (t NFTTable, ok bool, err error) {
	conn, err := dialNetfilter()
	if err != nil {
		return t, false, err
	}
	defer conn.Close()
	before, err := askGeneration(conn)
	if err != nil {
		return t, false, err
	}
	if ok, err = t.readHeader(conn, af, table); !ok || err != nil {
		return t, false, err
	}
	chains, err := nftChains(conn, af, table)
	if err != nil {
		return t, false, err
	}
	rules, err := nftRules(conn, af, table)
	if err != nil {
		return t, false, err
	}
	for _, c := range chains {
		t.Chains = append(t.Chains, NFTChain{Name: c.name, Base: c.base, Drop: c.base && c.policy != policyAccept, Rules: rules[c.name]})
	}
	after, err := askGeneration(conn)
	if err == nil && after.ID != before.ID {
		err = errNFTChanged
	}
	return t, err == nil, err
}

// readHeader looks for the table among the family's, and reads its flags.
func (t *NFTTable) readHeader(conn *netlink.Conn, af uint8, table string) (ok bool, err error) {
	answer, err := conn.Execute(nfMessage(nftGetTable, netlink.Dump, af, 0))
	if err != nil {
		return false, fmt.Errorf("listing tables: %w", err)
	}
	for _, m := range answer {
		ad, err := nfAttributes(m)
		if err != nil {
			return false, fmt.Errorf("listing tables: %w", err)
		}
		name, flags := "", uint32(0)
		for ad.Next() {
			switch ad.Type() {
			case unix.NFTA_TABLE_NAME:
				name = ad.String()
			case unix.NFTA_TABLE_FLAGS:
				flags = ad.Uint32()
			}
		}
		if err := ad.Err(); err != nil {
			return false, fmt.Errorf("listing tables: %w", err)
		}
		if name == table {
			t.Dormant = flags&tableDormant != 0
			return true, nil
		}
	}
	return false, nil
}

// nftRules lists the table's rules by chain. Older kernels do not filter by table.
func nftRules(conn *netlink.Conn, af uint8, table string) (map[string][]NFTRule, error) {
	answer, err := conn.Execute(nfMessage(nftGetRule, netlink.Dump, af, 0, nfString(unix.NFTA_RULE_TABLE, table)))
	if err != nil {
		return nil, fmt.Errorf("listing rules: %w", err)
	}
	all := map[string][]NFTRule{}
	for _, m := range answer {
		of, chain, r, err := parseRule(m)
		if err != nil {
			return nil, fmt.Errorf("listing rules: %w", err)
		}
		if of == table {
			all[chain] = append(all[chain], r)
		}
	}
	return all, nil
}

func parseRule(m netlink.Message) (table, chain string, r NFTRule, err error) {
	ad, err := nfAttributes(m)
	if err != nil {
		return "", "", NFTRule{}, err
	}
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_RULE_TABLE:
			table = ad.String()
		case unix.NFTA_RULE_CHAIN:
			chain = ad.String()
		case unix.NFTA_RULE_HANDLE:
			r.Handle = ad.Uint64()
		case unix.NFTA_RULE_EXPRESSIONS:
			ad.Nested(func(list *netlink.AttributeDecoder) error {
				for list.Next() {
					list.Nested(func(e *netlink.AttributeDecoder) error {
						r.Exprs = append(r.Exprs, parseExpr(e))
						return nil
					})
				}
				return nil
			})
		}
	}
	return table, chain, r, ad.Err()
}

func parseExpr(ad *netlink.AttributeDecoder) (e NFTExpr) {
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_EXPR_NAME:
			e.Name = ad.String()
		case unix.NFTA_EXPR_DATA:
			e.Data = ad.Bytes()
		}
	}
	return e
}

// NFTVerdict is the value of the verdict that an "immediate" expression gives, such as
// unix.NFT_JUMP or 1 for accept, and the chain that it names. ok is false if the
// expression gives no verdict.
func NFTVerdict(e NFTExpr) (code int32, chain string, ok bool) {
	if e.Name != "immediate" {
		return 0, "", false
	}
	_ = nested(e.Data, func(ad *netlink.AttributeDecoder) {
		if ad.Type() != unix.NFTA_IMMEDIATE_DATA {
			return
		}
		_ = nested(ad.Bytes(), func(ad *netlink.AttributeDecoder) {
			if ad.Type() != unix.NFTA_DATA_VERDICT {
				return
			}
			_ = nested(ad.Bytes(), func(ad *netlink.AttributeDecoder) {
				switch ad.Type() {
				case unix.NFTA_VERDICT_CODE:
					code, ok = int32(ad.Uint32()), true
				case unix.NFTA_VERDICT_CHAIN:
					chain = ad.String()
				}
			})
		})
	})
	return code, chain, ok
}

// NFTExtension is the name and the parameters of the iptables extension in an expression
// "match" or "target".
func NFTExtension(e NFTExpr) (name string, info []byte) {
	// Both have the same numbers: 1 name, 2 revision, 3 info.
	_ = nested(e.Data, func(ad *netlink.AttributeDecoder) {
		switch ad.Type() {
		case unix.NFTA_MATCH_NAME:
			name = ad.String()
		case unix.NFTA_MATCH_INFO:
			info = ad.Bytes()
		}
	})
	return name, info
}

// NFTVerdictMap reports whether the expression looks a verdict up in a map, whose members
// may say accept as well as drop.
func NFTVerdictMap(e NFTExpr) (is bool) {
	if e.Name != "lookup" {
		return false
	}
	_ = nested(e.Data, func(ad *netlink.AttributeDecoder) {
		if ad.Type() == unix.NFTA_LOOKUP_DREG {
			is = ad.Uint32() == unix.NFT_REG_VERDICT
		}
	})
	return is
}

// nested calls each with every attribute of the data, in nfnetlink's byte order.
func nested(data []byte, each func(*netlink.AttributeDecoder)) error {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return err
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		each(ad)
	}
	return ad.Err()
}
