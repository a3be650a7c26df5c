package hostnet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ErrNoBridgeNetfilter says that the kernel does not have br_netfilter loaded:
// traffic between two ports of one bridge never meets iptables.
var ErrNoBridgeNetfilter = errors.New("the kernel does not have br_netfilter loaded")

// bridgeNetfilter is there while br_netfilter is loaded.
const bridgeNetfilter = "/proc/sys/net/bridge/bridge-nf-call-iptables"

// Bridge is a bridge with its own switches, nf_call_iptables and
// nf_call_ip6tables. They show the bridge's traffic to iptables even if the
// sysctls of these names, which are for all bridges, are 0.
type Bridge struct {
	Index        int
	Name         string
	Call4, Call6 bool
}

// BridgeNetfilter returns ErrNoBridgeNetfilter if br_netfilter is not loaded.
func BridgeNetfilter() error { return bridgeNetfilterAt(bridgeNetfilter) }

func bridgeNetfilterAt(path string) error {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoBridgeNetfilter
	}
	if err != nil {
		return fmt.Errorf("looking for br_netfilter: %w", err)
	}
	return nil
}

// Bridges lists the bridges of this network namespace in order of name. A kernel
// that was built without bridge netfilter has no such switches: then the error is
// ErrNoBridgeNetfilter if there is a bridge.
//
// It asks by netlink: /sys shows the namespace in which it was mounted.
func Bridges() ([]Bridge, error) {
	return dump("bridges", func() ([]Bridge, error) {
		req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
		info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
		req.AddData(info)
		answers, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
		if err != nil {
			return nil, err
		}
		var all []Bridge
		for _, m := range answers {
			b, is, err := decodeBridge(m)
			if err != nil {
				return nil, err
			}
			if is {
				all = append(all, b)
			}
		}
		slices.SortFunc(all, func(a, b Bridge) int { return strings.Compare(a.Name, b.Name) })
		return all, nil
	})
}

// decodeBridge reads a link's message; false if the link is no bridge, as on a
// kernel that does not know how to list one kind only.
func decodeBridge(m []byte) (b Bridge, is bool, err error) {
	if len(m) < unix.SizeofIfInfomsg {
		return b, false, fmt.Errorf("reading a link: %d bytes are too few", len(m))
	}
	b.Index = int(nl.DeserializeIfInfomsg(m).Index)
	attrs, err := nl.ParseRouteAttrAsMap(m[unix.SizeofIfInfomsg:])
	if err != nil {
		return b, false, fmt.Errorf("reading a link: %w", err)
	}
	b.Name = terminated(attrs[unix.IFLA_IFNAME].Value)
	info, err := nl.ParseRouteAttrAsMap(attrs[unix.IFLA_LINKINFO].Value)
	if err != nil || terminated(info[nl.IFLA_INFO_KIND].Value) != "bridge" {
		return b, false, err
	}
	data, err := nl.ParseRouteAttrAsMap(info[nl.IFLA_INFO_DATA].Value)
	if err != nil {
		return b, false, fmt.Errorf("reading bridge %s: %w", b.Name, err)
	}
	call4, ok4 := data[nl.IFLA_BR_NF_CALL_IPTABLES]
	call6, ok6 := data[nl.IFLA_BR_NF_CALL_IP6TABLES]
	if !ok4 || !ok6 || len(call4.Value) == 0 || len(call6.Value) == 0 {
		return b, false, ErrNoBridgeNetfilter
	}
	b.Call4, b.Call6 = call4.Value[0] != 0, call6.Value[0] != 0
	return b, true, nil
}

// terminated is a string as the kernel sends it, with a zero byte at its end.
func terminated(b []byte) string { return strings.TrimRight(string(b), "\x00") }
