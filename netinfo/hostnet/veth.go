package hostnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/mdlayher/netlink"
	vishvananda "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Veth is the end of a veth in this network namespace, whose other end is in
// another one: a container's.
type Veth struct {
	Index int
	// Peer is the other end's ifindex there, and Namespace the number by which
	// this namespace knows that one (ip netns list-id).
	Peer, Namespace int
	// Master is the ifindex of the bridge that it is a port of; 0 if of none.
	Master int
	// Ready reports whether both ends are up. Engines give the container's end its
	// Ethernet address before they set it up.
	Ready bool
}

func veth(a *vishvananda.LinkAttrs, kind string) (Veth, bool) {
	v := Veth{Index: a.Index, Peer: a.ParentIndex, Namespace: a.NetNsID, Master: a.MasterIndex, Ready: a.RawFlags&unix.IFF_LOWER_UP != 0}
	return v, kind == "veth" && v.Peer != 0 && v.Namespace >= 0
}

// iflaTargetNetNSID is IFLA_TARGET_NETNSID (Linux 4.20): the request is about a
// link of that namespace. CAP_NET_ADMIN in both suffices; the namespace is not
// entered.
const iflaTargetNetNSID = 46

// ifinfomsgSize is the size of struct ifinfomsg: family, padding, type, index,
// flags, change.
const ifinfomsgSize = 16

// PeerMAC asks for the Ethernet address of the other end, as the engine prints
// it: 02:42:ac:11:00:02.
func (v Veth) PeerMAC() (string, error) {
	mac, err := v.peerMAC()
	if err != nil {
		return "", fmt.Errorf("asking for the other end of the veth with index %d: %w", v.Index, err)
	}
	return mac, nil
}

func (v Veth) peerMAC() (string, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return "", err
	}
	data := make([]byte, ifinfomsgSize)
	binary.NativeEndian.PutUint32(data[4:], uint32(v.Peer))
	data = appendAttribute(data, netlink.Attribute{Type: iflaTargetNetNSID, Data: binary.NativeEndian.AppendUint32(nil, uint32(v.Namespace))})
	answer, err := conn.Execute(netlink.Message{Header: netlink.Header{Type: unix.RTM_GETLINK, Flags: netlink.Request}, Data: data})
	if err != nil {
		return "", err
	}
	if len(answer) != 1 || len(answer[0].Data) < ifinfomsgSize {
		return "", errors.New("the answer is no link")
	}
	ad, err := netlink.NewAttributeDecoder(answer[0].Data[ifinfomsgSize:])
	if err != nil {
		return "", err
	}
	for ad.Next() {
		if ad.Type() == unix.IFLA_ADDRESS {
			return net.HardwareAddr(ad.Bytes()).String(), nil
		}
	}
	return "", errors.Join(ad.Err(), errors.New("the answer has no Ethernet address"))
}
