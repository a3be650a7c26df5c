package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"dockwall/netinfo/hostnet"
)

// Bridges switches on, for single bridges, that their traffic is shown to
// iptables: without that, containers on one network meet no rule on their way to
// each other. It leaves the sysctls net.bridge.bridge-nf-call-iptables and
// -ip6tables alone. These are for all bridges of the host, virtual machines' among
// them, and other programs change them.
//
// It keeps in a file which bridges it has switched, so that another process can
// take that back. It may be used by several goroutines.
type Bridges struct {
	kernel *Kernel
	path   string

	mu sync.Mutex
	// isolated reports which bridges are to be shown. If it is nil, none are.
	isolated func(bridge string) bool
	// tried is why the module could not be loaded. It is nil before the first try.
	tried error
}

// Bridges returns the bridges of the kernel's namespace. path is the file that
// keeps which of them were switched; see SwitchedPath.
func (k *Kernel) Bridges(path string) *Bridges { return &Bridges{kernel: k, path: path} }

// Show has the kernel show the traffic of these bridges to iptables, those that
// are made later included: see Look. A bridge that was shown before stays so until
// Settle. nil: there are none. An error says why isolation is not in force.
func (b *Bridges) Show(isolated func(bridge string) bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.isolated = isolated
	if isolated == nil {
		return nil
	}
	if err := b.load(); err != nil {
		return err
	}
	return b.look()
}

// Look switches what another program has switched off, and what is new. It is to
// be called whenever links have changed.
func (b *Bridges) Look() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.isolated == nil {
		return nil
	}
	return b.look()
}

// Settle takes back what was switched on bridges that need not be shown any more.
// It is to be called once the rules in force do not need it.
func (b *Bridges) Settle() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err := b.takeBack(b.isolated)
	return err
}

// Switches returns, by name, the bridges that Show and Settle would switch on and off to
// isolate these. It changes nothing.
func (b *Bridges) Switches(isolated func(bridge string) bool) (on, off []string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	there, err := hostnet.Bridges()
	if errors.Is(err, hostnet.ErrNoBridgeNetfilter) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	kept, err := b.kept()
	if err != nil {
		return nil, nil, err
	}
	for _, br := range there {
		shown := isolated != nil && isolated(br.Name)
		switch {
		case shown && !(br.Call4 && br.Call6):
			on = append(on, br.Name)
		case !shown && slices.ContainsFunc(kept, func(s switched) bool { return s.is(br) }):
			off = append(off, br.Name)
		}
	}
	return on, off, nil
}

// TakeBack switches off whatever was switched on by dockwall, and reports whether
// there was any.
func (b *Bridges) TakeBack() (changed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.isolated = nil
	return b.takeBack(nil)
}

// load sees to it that br_netfilter is there.
func (b *Bridges) load() error {
	err := hostnet.BridgeNetfilter()
	if !errors.Is(err, hostnet.ErrNoBridgeNetfilter) {
		return err
	}
	if b.tried == nil {
		// The unit has it loaded at boot, and may not load modules itself.
		if _, b.tried = b.kernel.command(context.Background(), []string{"modprobe", "br_netfilter"}, ""); b.tried == nil {
			return leaveOthers()
		}
	}
	return fmt.Errorf("%w, and it could not be loaded: %w", err, b.tried)
}

// leaveOthers is called when br_netfilter was loaded for dockwall. The module comes
// with its sysctls at 1, which would show the traffic of every bridge on the host to
// iptables.
func leaveOthers() error {
	var errs []error
	for _, name := range []string{"bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables"} {
		// Not WriteFile: its O_CREATE and O_TRUNC mean nothing here.
		f, err := os.OpenFile("/proc/sys/net/bridge/"+name, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString("0")
			err = errors.Join(err, f.Close())
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("keeping other bridges' traffic from iptables: %w", err)
	}
	return nil
}

// look switches on what is to be shown and is not.
func (b *Bridges) look() error {
	if err := hostnet.BridgeNetfilter(); err != nil {
		return err
	}
	there, err := hostnet.Bridges()
	if err != nil {
		return err
	}
	off := slices.DeleteFunc(slices.Clone(there), func(br hostnet.Bridge) bool {
		return br.Call4 && br.Call6 || !b.isolated(br.Name)
	})
	if len(off) == 0 {
		return nil
	}
	// Kept first: what is switched and not kept would never be taken back. But
	// isolation matters more.
	if err := b.keep(there, off); err != nil {
		b.kernel.log.Warn("which bridges were switched cannot be kept: agentctl remove will not switch them back", "error", err)
	}
	var errs []error
	for _, br := range off {
		errs = append(errs, setCall(br.Index, br.Name, true, true))
	}
	return errors.Join(errs...)
}

// setCall sets a bridge's switches. A bridge that is gone is no error.
func setCall(index int, name string, call4, call6 bool) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	data.AddRtAttr(nl.IFLA_BR_NF_CALL_IPTABLES, flag(call4))
	data.AddRtAttr(nl.IFLA_BR_NF_CALL_IP6TABLES, flag(call6))
	req.AddData(info)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("switching whether iptables sees the traffic of bridge %s: %w", name, err)
	}
	return nil
}

func flag(on bool) []byte {
	if on {
		return nl.Uint8Attr(1)
	}
	return nl.Uint8Attr(0)
}
