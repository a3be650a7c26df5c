package hostnet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ErrNoNFTables reports whether the kernel has no nf_tables: there are no
// generations to ask for or to watch.
var ErrNoNFTables = errors.New("the kernel has no nf_tables")

// generationBuffer holds the notices of a transaction of some ten thousand
// rules; a larger one overflows it, which counts as a change of everything.
const generationBuffer = 8 << 20

// Generation is the state of nftables after one committed transaction, in this
// network namespace, of anybody: nft, iptables-nft, Docker, firewalld.
type Generation struct {
	// ID grows by one with each transaction, and wraps around.
	ID uint32
	// PID and Process are the process that committed it; in CurrentGeneration's answer they
	// are the asking process itself, and mean nothing.
	PID     int
	Process string
	// Socket is the address (nl_pid) of the netlink socket that it came by.
	Socket int
	// Relevant: something changed that the watcher said matters to it.
	Relevant bool
}

// Place is where something of nftables changed. Chain is empty where a whole
// table came or went.
type Place struct {
	Family       int // 4, 6, BridgeFamily or InetFamily; 0 stands for every other family
	Table, Chain string
}

// BridgeFamily is the Family of nftables' own tables for bridges.
const BridgeFamily = unix.NFPROTO_BRIDGE

// InetFamily is the Family of nftables' own tables for IPv4 and IPv6.
const InetFamily = unix.NFPROTO_INET

// CurrentGeneration asks the kernel for the generation. It starts no process
// and takes some ten microseconds. The error is ErrNoNFTables where there is
// no nf_tables.
func CurrentGeneration() (Generation, error) {
	conn, err := dialNetfilter()
	if err != nil {
		return Generation{}, fmt.Errorf("asking for the nftables generation: %w", noNFTables(err))
	}
	defer conn.Close()
	gen, err := askGeneration(conn)
	if err != nil {
		return Generation{}, fmt.Errorf("asking for the nftables generation: %w", noNFTables(err))
	}
	return gen, nil
}

func askGeneration(conn *netlink.Conn) (Generation, error) {
	answer, err := conn.Execute(nfMessage(nftGetGen, 0, unix.AF_UNSPEC, 0))
	if err != nil {
		return Generation{}, err
	}
	if len(answer) != 1 {
		return Generation{}, fmt.Errorf("%d answers, want 1", len(answer))
	}
	return parseGeneration(answer[0])
}

// Generations calls notify for every nftables transaction that is committed,
// until ctx ends; then it returns nil. relevant is asked of the places that a
// transaction changed, until it says yes to one. It calls notify with a zero Generation
// each time the subscription has been opened, the first time too: what came
// before may have been missed, what comes after is not. A subscription that
// breaks or overflows is opened again; onError, which may be nil, is told why.
//
// It returns ErrNoNFTables at once where the kernel has no nf_tables, and
// fs.ErrPermission where it may not be asked (CAP_NET_ADMIN).
//
// It blocks, and stays in the network namespace of the calling goroutine.
func Generations(ctx context.Context, relevant func(Place) bool, notify func(Generation), onError func(error)) error {
	return generations(ctx, generationBuffer, relevant, notify, onError)
}

func generations(ctx context.Context, buffer int, relevant func(Place) bool, notify func(Generation), onError func(error)) error {
	if _, err := CurrentGeneration(); errors.Is(err, ErrNoNFTables) || errors.Is(err, fs.ErrPermission) {
		return err
	}
	touched := false
	subscription{
		what:   "nftables generations",
		open:   func() (*netlink.Conn, error) { return dialGenerations(buffer) },
		opened: func() { touched = false; notify(Generation{}) },
		received: func(m netlink.Message) {
			// The kernel reports what a transaction changed, then its generation.
			if m.Header.Type != nftNewGen {
				if !touched {
					p, ok := parsePlace(m)
					touched = ok && relevant(p)
				}
				return
			}
			gen, err := parseGeneration(m)
			if err != nil && onError != nil {
				onError(fmt.Errorf("reading an nftables generation: %w", err))
			}
			gen.Relevant = touched || err != nil
			touched = false
			notify(gen)
		},
	}.run(ctx, onError)
	return nil
}

// dialGenerations joins the nftables group.
func dialGenerations(buffer int) (*netlink.Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, err
	}
	err = conn.SetReadBuffer(buffer)
	if err == nil {
		err = conn.JoinGroup(unix.NFNLGRP_NFTABLES)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// parsePlace reads where a table, chain or rule came or went. Sets and their
// elements are no place in iptables' tables, which have none; in nftables' own
// the place of an element is its table.
func parsePlace(m netlink.Message) (p Place, ok bool) {
	if len(m.Data) < nfgenSize {
		return p, false
	}
	switch m.Data[0] {
	case unix.NFPROTO_IPV4:
		p.Family = 4
	case unix.NFPROTO_IPV6:
		p.Family = 6
	case unix.NFPROTO_BRIDGE:
		p.Family = BridgeFamily
	case unix.NFPROTO_INET:
		p.Family = InetFamily
	}
	chain := uint16(0)
	switch m.Header.Type & 0xff {
	case unix.NFT_MSG_NEWTABLE, unix.NFT_MSG_DELTABLE:
	case unix.NFT_MSG_NEWCHAIN, unix.NFT_MSG_DELCHAIN:
		chain = unix.NFTA_CHAIN_NAME
	case unix.NFT_MSG_NEWRULE, unix.NFT_MSG_DELRULE:
		chain = unix.NFTA_RULE_CHAIN
	case unix.NFT_MSG_NEWSET, unix.NFT_MSG_DELSET, unix.NFT_MSG_NEWSETELEM, unix.NFT_MSG_DELSETELEM:
		if p.Family != BridgeFamily && p.Family != InetFamily {
			return p, false
		}
	default:
		return p, false
	}
	ad, err := nfAttributes(m)
	if err != nil {
		return p, false
	}
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_TABLE_NAME: // of chains, rules, sets and elements too
			p.Table = ad.String()
		case chain:
			if chain != 0 {
				p.Chain = ad.String()
			}
		}
	}
	return p, true
}

func parseGeneration(m netlink.Message) (Generation, error) {
	ad, err := nfAttributes(m)
	if err != nil {
		return Generation{}, err
	}
	gen := Generation{Socket: int(m.Header.PID)}
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_GEN_ID:
			gen.ID = ad.Uint32()
		case unix.NFTA_GEN_PROC_PID:
			gen.PID = int(ad.Uint32())
		case unix.NFTA_GEN_PROC_NAME:
			gen.Process = ad.String()
		}
	}
	return gen, ad.Err()
}

// noNFTables reports whether the error means a kernel without nf_tables: nfnetlink
// answers EINVAL for a subsystem it does not have, and is not there at all
// where nothing of netfilter is.
func noNFTables(err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("%w (%v)", ErrNoNFTables, err)
	}
	return err
}
