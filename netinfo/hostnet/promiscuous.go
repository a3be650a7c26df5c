package hostnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	vishvananda "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Promiscuous returns the names of the interfaces in the network namespace of a process
// that take every frame, sorted. Ports of a bridge are left out: the kernel has each of
// them take every frame. The namespace is not entered; it has to be known here by a
// number, as that of the other end of a veth is.
func Promiscuous(pid int) ([]string, error) {
	names, err := promiscuous(pid)
	if err != nil {
		return nil, fmt.Errorf("asking for the interfaces of process %d: %w", pid, err)
	}
	return names, nil
}

func promiscuous(pid int) ([]string, error) {
	id, err := vishvananda.GetNetNsIdByPid(pid)
	if err != nil {
		return nil, err
	}
	if id < 0 {
		return nil, errors.New("its network namespace has no veth to this one")
	}
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return nil, err
	}
	data := appendAttribute(make([]byte, ifinfomsgSize), netlink.Attribute{Type: iflaTargetNetNSID, Data: binary.NativeEndian.AppendUint32(nil, uint32(id))})
	answers, err := conn.Execute(netlink.Message{Header: netlink.Header{Type: unix.RTM_GETLINK, Flags: netlink.Request | netlink.Dump}, Data: data})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range answers {
		l, err := decodeMode(m.Data)
		switch {
		case err != nil:
			return nil, err
		case l.namespace != id:
			return nil, errors.New("this kernel answers with the interfaces of another network namespace; that takes Linux 4.20")
		case l.promiscuity > 0 && !l.port:
			names = append(names, l.name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// mode is what a link says of the frames that it takes.
type mode struct {
	name        string
	namespace   int // -1 if the answer does not name it
	promiscuity uint32
	port        bool // of a bridge or bond
}

func decodeMode(b []byte) (mode, error) {
	l := mode{namespace: -1}
	if len(b) < ifinfomsgSize {
		return l, errors.New("the answer is no link")
	}
	ad, err := netlink.NewAttributeDecoder(b[ifinfomsgSize:])
	if err != nil {
		return l, err
	}
	for ad.Next() {
		switch ad.Type() {
		case unix.IFLA_IFNAME:
			l.name = ad.String()
		case unix.IFLA_PROMISCUITY:
			l.promiscuity = ad.Uint32()
		case unix.IFLA_MASTER:
			l.port = ad.Uint32() != 0
		case iflaTargetNetNSID:
			l.namespace = int(int32(ad.Uint32()))
		}
	}
	return l, ad.Err()
}
