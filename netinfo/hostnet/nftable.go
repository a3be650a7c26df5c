package hostnet

import (
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// policyAccept is NF_ACCEPT.
const policyAccept = 1

// nftChain is what matters of a chain here.
type nftChain struct {
	table, name string
	base        bool // it has a hook
	policy      uint32
}

// NFTChains names the chains of iptables-nft's table ("filter", …) of the family,
// 4 or 6. There are none if there is no such table, or no nf_tables. It
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
