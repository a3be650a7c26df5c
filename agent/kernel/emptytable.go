package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo/hostnet"
)

// ErrTableNotEmpty reports that a table holds something of another program's, and was
// left as it is.
var ErrTableNotEmpty = errors.New("the table is not empty")

const (
	batchGenID = 1 // NFNL_BATCH_GENID: the generation a batch was made for
	// emptyTableTries is how often the table is looked at again because another program
	// committed a transaction between the look and the deletion.
	emptyTableTries = 5
	// deletionAnswer bounds the wait for the kernel's answers.
	deletionAnswer = 10 * time.Second
)

// DeleteEmptyTable deletes iptables-nft's builtin table ("filter", "nat",
// "security", …) of the family, 4 or 6, if nothing is in it except builtin chains
// without rules whose policy is accept; otherwise the error is ErrTableNotEmpty and
// nothing has changed. A table that is not there is no error, nor is a kernel
// without nf_tables.
//
// Looking and deleting are one: the deletion is bound to the generation that
// was looked at, and the kernel itself refuses (NLM_F_NONREC) to delete a chain
// with rules or a table with anything in it, all in one transaction.
func DeleteEmptyTable(family int, table string) error {
	if err := uncontested(func() error { return deleteEmptyTable(family, table) }); err != nil {
		return fmt.Errorf("deleting the empty IPv%d table %s: %w", family, table, err)
	}
	return nil
}

// DeleteEmptyChains deletes those of these base chains of iptables-nft's table that hold no
// rule and whose policy is accept, as DeleteEmptyTable does. The others stay.
func DeleteEmptyChains(family int, table string, chains []string) error {
	err := uncontested(func() error { return deleteEmptyChains(family, table, chains) })
	if err != nil && !errors.Is(err, ErrTableNotEmpty) {
		return fmt.Errorf("deleting empty chains of IPv%d table %s: %w", family, table, err)
	}
	return nil
}

// uncontested deletes, and tries again if another program has written in between. A kernel
// without nf_tables has nothing to delete.
func uncontested(deletion func() error) (err error) {
	for range emptyTableTries {
		if err = deletion(); !errors.Is(err, unix.ERESTART) {
			break
		}
	}
	if errors.Is(err, hostnet.ErrNoNFTables) {
		return nil
	}
	return err
}

func deleteEmptyChains(family int, table string, chains []string) error {
	gen, err := hostnet.CurrentGeneration()
	if err != nil {
		return err
	}
	is, there, err := hostnet.ReadNFTTable(family, table)
	if err != nil || !there {
		return err
	}
	gone := slices.DeleteFunc(is.Chains, func(c hostnet.NFTChain) bool {
		return !slices.Contains(chains, c.Name) || len(c.Rules) > 0 || builtinAndOpen(c) != nil
	})
	if len(gone) == 0 {
		return nil
	}
	return commitDeletion(family, table, gone, false, gen.ID)
}

func deleteEmptyTable(family int, table string) error {
	gen, err := hostnet.CurrentGeneration()
	if err != nil {
		return err
	}
	is, there, err := hostnet.ReadNFTTable(family, table)
	if err != nil || !there {
		return err
	}
	for _, c := range is.Chains {
		if err := builtinAndOpen(c); err != nil {
			return err
		}
	}
	return commitDeletion(family, table, is.Chains, true, gen.ID)
}

// builtinAndOpen is an error unless deleting the chain, once it has no rules,
// takes nothing from another program.
func builtinAndOpen(c hostnet.NFTChain) error {
	builtin := []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}
	if !c.Base || !slices.Contains(builtin, c.Name) {
		return fmt.Errorf("%w: chain %s is another program's", ErrTableNotEmpty, c.Name)
	}
	if c.Drop {
		return fmt.Errorf("%w: the policy of %s is not accept", ErrTableNotEmpty, c.Name)
	}
	return nil
}

// commitDeletion deletes chains, and with whole the table, in one transaction on the condition
// that the generation is still gen; otherwise the error is ERESTART.
func commitDeletion(family int, table string, chains []hostnet.NFTChain, whole bool, gen uint32) error {
	batch, err := deletion(family, table, chains, whole, gen)
	if err != nil {
		return err
	}
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(deletionAnswer)); err != nil {
		return err
	}
	if _, err := conn.SendMessages(batch); err != nil {
		return err
	}
	if whole {
		return deletionResult(conn, len(chains)+1)
	}
	return deletionResult(conn, len(chains))
}

// deletion is the batch of messages that deletes the chains, in order, and then, with whole,
// the table.
func deletion(family int, table string, chains []hostnet.NFTChain, whole bool, gen uint32) ([]netlink.Message, error) {
	const only = netlink.Acknowledge | netlink.HeaderFlags(unix.NLM_F_NONREC)
	af := byte(unix.AF_INET)
	if family == 6 {
		af = unix.AF_INET6
	}
	bound, err := batchEdge(unix.NFNL_MSG_BATCH_BEGIN, netlink.Attribute{Type: batchGenID, Data: binary.BigEndian.AppendUint32(nil, gen)})
	if err != nil {
		return nil, err
	}
	batch := []netlink.Message{bound}
	for _, c := range chains {
		m, err := tableMessage(unix.NFT_MSG_DELCHAIN, only, af, nftString(unix.NFTA_CHAIN_TABLE, table), nftString(unix.NFTA_CHAIN_NAME, c.Name))
		if err != nil {
			return nil, err
		}
		batch = append(batch, m)
	}
	if whole {
		m, err := tableMessage(unix.NFT_MSG_DELTABLE, only, af, nftString(unix.NFTA_TABLE_NAME, table))
		if err != nil {
			return nil, err
		}
		batch = append(batch, m)
	}
	end, err := batchEdge(unix.NFNL_MSG_BATCH_END)
	return append(batch, end), err
}

// tableMessage is a request to nf_tables in the family.
func tableMessage(typ int, flags netlink.HeaderFlags, family byte, attrs ...netlink.Attribute) (netlink.Message, error) {
	data, err := netlink.MarshalAttributes(attrs)
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | typ), Flags: netlink.Request | flags},
		Data:   append([]byte{family, unix.NFNETLINK_V0, 0, 0}, data...),
	}, err
}

// batchEdge begins or ends a transaction of nf_tables.
func batchEdge(typ netlink.HeaderType, attrs ...netlink.Attribute) (netlink.Message, error) {
	data, err := netlink.MarshalAttributes(attrs)
	return netlink.Message{
		Header: netlink.Header{Type: typ, Flags: netlink.Request},
		Data:   append([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}, data...),
	}, err
}

func nftString(typ uint16, s string) netlink.Attribute {
	return netlink.Attribute{Type: typ, Data: append([]byte(s), 0)}
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
