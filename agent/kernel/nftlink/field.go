package nftlink

import (
	"fmt"

	"golang.org/x/sys/unix"

	"dockwall/rules/nft"
)

// fieldBytes is how many bytes a field fills in the registers; 0 if this package does not
// know the field.
func fieldBytes(f nft.Field) int {
	switch f.From {
	case nft.Meta:
		switch f.Key {
		case nft.MetaPriority:
			return 4
		case nft.MetaIIFName, nft.MetaOIFName, nft.MetaOIFKind:
			return unix.IFNAMSIZ
		case nft.MetaIIFType:
			return 2
		case nft.MetaNFProto, nft.MetaL4Proto:
			return 1
		}
	case nft.Conntrack:
		switch f.Key {
		case nft.CtState, nft.CtStatus:
			return 4
		case nft.CtDirection:
			return 1
		case nft.CtProtoDst:
			return 2
		}
	case nft.LinkHeader, nft.NetworkHeader, nft.TransportHeader:
		return int(f.Len)
	}
	return 0
}

// directed reports whether a conntrack key is one of a direction.
func directed(key uint32) bool { return key == nft.CtProtoDst }

// bases are the headers' numbers (enum nft_payload_bases), by source.
var bases = map[nft.Source]uint32{nft.LinkHeader: unix.NFT_PAYLOAD_LL_HEADER,
	nft.NetworkHeader: unix.NFT_PAYLOAD_NETWORK_HEADER, nft.TransportHeader: unix.NFT_PAYLOAD_TRANSPORT_HEADER}

// words is how many registers of four bytes that many bytes take.
func words(bytes int) int { return (bytes + 3) / 4 }

// register is the number of the register that begins with a word, as the kernel itself
// names it: one of 16 bytes if there is one, otherwise one of 4.
func register(word int) uint32 {
	if word%4 == 0 {
		return uint32(unix.NFT_REG_1 + word/4)
	}
	return uint32(unix.NFT_REG32_00 + word)
}

// maxWords is how many registers of four bytes there are.
const maxWords = 16

// load writes the expression that loads a field, and applies the mask.
func (w *writer) load(f nft.Field, mask []byte, word int) error {
	n := fieldBytes(f)
	if n == 0 || n > unix.NFT_REG_SIZE || word+words(n) > maxWords {
		return fmt.Errorf("the field %+v cannot be loaded", f)
	}
	switch f.From {
	case nft.Meta:
		w.expr("meta", func() {
			w.u32(unix.NFTA_META_KEY, f.Key)
			w.u32(unix.NFTA_META_DREG, register(word))
		})
	case nft.Conntrack:
		w.expr("ct", func() {
			w.u32(unix.NFTA_CT_KEY, f.Key)
			w.u32(unix.NFTA_CT_DREG, register(word))
			if f.Original {
				w.u8(unix.NFTA_CT_DIRECTION, 0) // IP_CT_DIR_ORIGINAL
			}
		})
	default:
		w.expr("payload", func() {
			w.u32(unix.NFTA_PAYLOAD_DREG, register(word))
			w.u32(unix.NFTA_PAYLOAD_BASE, bases[f.From])
			w.u32(unix.NFTA_PAYLOAD_OFFSET, f.Offset)
			w.u32(unix.NFTA_PAYLOAD_LEN, f.Len)
		})
	}
	if mask == nil {
		return nil
	}
	if len(mask) != n {
		return fmt.Errorf("a mask of %d bytes for a field of %d: %+v", len(mask), n, f)
	}
	w.expr("bitwise", func() {
		w.u32(unix.NFTA_BITWISE_SREG, register(word))
		w.u32(unix.NFTA_BITWISE_DREG, register(word))
		w.u32(unix.NFTA_BITWISE_LEN, uint32(n))
		w.value(unix.NFTA_BITWISE_MASK, mask)
		w.value(unix.NFTA_BITWISE_XOR, make([]byte, n))
	})
	return nil
}

// keys loads fields one behind the other, each at the beginning of a register.
func (w *writer) keys(keys []nft.Key) error {
	word := 0
	for _, k := range keys {
		if err := w.load(k.Field, k.Mask, word); err != nil {
			return err
		}
		word += words(fieldBytes(k.Field))
	}
	return nil
}
