package hostnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ErrTableNotEmpty means that a table holds something of another program, and was
// left as it is.
var ErrTableNotEmpty = errors.New("the table is not empty")

const (
	batchGenID   = 1 // NFNL_BATCH_GENID: the generation a batch was made for
	policyAccept = 1 // NF_ACCEPT
)

// emptyTableTries is how often the table is looked at again because another program
// committed a transaction between the look and the deletion.
const emptyTableTries = 5

// nftChain is what matters of a chain here.
type nftChain struct {
	table, name string
	base        bool // it has a hook
	policy      uint32
}

// DeleteEmptyNFTTable deletes iptables-nft's builtin table ("filter", "nat",
// "security", …) of the family, 4 or 6, if nothing is in it but builtin chains
// without rules whose policy is accept; else the error is ErrTableNotEmpty and
// nothing has changed. A table that is not there is no error, nor is a kernel
// without nf_tables.
//
// Looking and deleting are one: the deletion is bound to the generation that
// was looked at, and the kernel itself refuses (NLM_F_NONREC) to delete a chain
// with rules or a table with anything in it, all in one transaction.
func DeleteEmptyNFTTable(family int, table string) error {
	af, err := nfFamily(family)
	if err != nil {
		return err
	}
	for range emptyTableTries {
		err = deleteEmptyTable(af, table)
		if !errors.Is(err, unix.ERESTART) {
			break
		}
	}
	if errors.Is(err, ErrNoNFTables) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("deleting the empty IPv%d table %s: %w", family, table, err)
	}
	return nil
}

func nfFamily(family int) (uint8, error) {
	switch family {
	case 4:
		return unix.AF_INET, nil
	case 6:
		return unix.AF_INET6, nil
	}
	return 0, fmt.Errorf("IP version %d, want 4 or 6", family)
}

func deleteEmptyTable(af uint8, table string) error {
	conn, err := dialNetfilter()
	if err != nil {
		return noNFTables(err)
	}
	defer conn.Close()
	gen, err := askGeneration(conn)
	if err != nil {
		return noNFTables(err)
	}
	chains, err := nftChains(conn, af, table)
	if err != nil {
		return err
	}
	for _, c := range chains {
		if err := c.builtinAndOpen(); err != nil {
			return err
		}
	}
	return commitDeletion(conn, af, table, chains, gen.ID)
}

// builtinAndOpen is an error unless deleting the chain, once it has no rules,
// takes nothing from anybody.
func (c nftChain) builtinAndOpen() error {
	builtin := []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}
	if !c.base || !slices.Contains(builtin, c.name) {
		return fmt.Errorf("%w: chain %s belongs to another program", ErrTableNotEmpty, c.name)
	}
	if c.policy != policyAccept {
		return fmt.Errorf("%w: the policy of %s is not accept", ErrTableNotEmpty, c.name)
	}
	return nil
}

// NFTChains names the chains of iptables-nft's table ("filter", …) of the family,
// 4 or 6. There are none where there is no such table, or no nf_tables. It
// starts no process.
func NFTChains(family int, table string) ([]string, error) {
	af, err := nfFamily(family)
	if err != nil {
		return nil, err
	}
	conn, err := dialNetfilter()
	if err == nil {
		defer conn.Close()
		var cs []nftChain
		if cs, err = nftChains(conn, af, table); err == nil {
			var names []string
			for _, c := range cs {
				names = append(names, c.name)
			}
			return names, nil
		}
	}
	if errors.Is(noNFTables(err), ErrNoNFTables) {
		return nil, nil
	}
	return nil, fmt.Errorf("listing the chains of %s: %w", table, err)
}

// nftChains lists the table's chains. Only the family is filtered by the
// kernel.
func nftChains(conn *netlink.Conn, af uint8, table string) ([]nftChain, error) {
	answer, err := conn.Execute(nfMessage(nftGetChain, netlink.Dump, af, 0))
	if err != nil {
		return nil, fmt.Errorf("listing chains: %w", err)
	}
	var chains []nftChain
	for _, m := range answer {
		c, err := parseChain(m)
		if err != nil {
			return nil, fmt.Errorf("listing chains: %w", err)
		}
		if c.table == table {
			chains = append(chains, c)
		}
	}
	return chains, nil
}

func parseChain(m netlink.Message) (nftChain, error) {
	ad, err := nfAttributes(m)
	if err != nil {
		return nftChain{}, err
	}
	var c nftChain
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_CHAIN_TABLE:
			c.table = ad.String()
		case unix.NFTA_CHAIN_NAME:
			c.name = ad.String()
		case unix.NFTA_CHAIN_HOOK:
			c.base = true
		case unix.NFTA_CHAIN_POLICY:
			c.policy = ad.Uint32()
		}
	}
	return c, ad.Err()
}

// commitDeletion deletes chains and table in one transaction on the condition
// that the generation is still gen; else the error is ERESTART.
func commitDeletion(conn *netlink.Conn, af uint8, table string, chains []nftChain, gen uint32) error {
	const only = netlink.Acknowledge | netlink.HeaderFlags(unix.NLM_F_NONREC)
	want := netlink.Attribute{Type: batchGenID, Data: binary.BigEndian.AppendUint32(nil, gen)}
	batch := []netlink.Message{
		nfMessage(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, want),
	}
	for _, c := range chains {
		batch = append(batch, nfMessage(nftDelChain, only, af, 0,
			nfString(unix.NFTA_CHAIN_TABLE, table), nfString(unix.NFTA_CHAIN_NAME, c.name)))
	}
	batch = append(batch, nfMessage(nftDelTable, only, af, 0, nfString(unix.NFTA_TABLE_NAME, table)),
		nfMessage(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES))
	if _, err := conn.SendMessages(batch); err != nil {
		return err
	}
	return deletionResult(conn, len(chains)+1)
}

// deletionResult reads one acknowledgement per deletion; the first error is
// that of the whole transaction.
func deletionResult(conn *netlink.Conn, acks int) error {
	for acks > 0 {
		answer, err := conn.Receive()
		switch {
		case errors.Is(err, unix.ENOENT):
			return nil // no such table
		case errors.Is(err, unix.EBUSY):
			return fmt.Errorf("%w: it holds rules, chains or sets", ErrTableNotEmpty)
		case err != nil:
			return err
		}
		acks -= len(answer)
	}
	return nil
}
