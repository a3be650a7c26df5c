package hostnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/test/nstest"
)

const testGroup = 4790

// listening starts Packets in the namespace and returns what it tells, once
// the group is taken.
func listening(t *testing.T, ns netns.NsHandle) <-chan Denied {
	t.Helper()
	seen := make(chan Denied, 100)
	goIn(t, ns, func(ctx context.Context) {
		err := Packets(ctx, testGroup, func(d Denied) { seen <- d }, func(err error) { t.Error(err) })
		if err != nil {
			t.Error(err)
		}
	})
	untilTaken(t)
	return seen
}

// untilTaken waits until somebody listens on the group.
func untilTaken(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if _, taken := groupHolder(testGroup); taken {
			return
		}
		if time.Now().After(end) {
			t.Fatal("nobody listens on the group")
		}
	}
}

// send sends one UDP packet from the thread's namespace.
func send(t *testing.T, to string) {
	t.Helper()
	conn, err := net.Dial("udp", to)
	nstest.Must(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("hello"))
	nstest.Must(t, err)
}

// A router refuses what one of its neighbours sends, to itself and through it.
func TestPacketsTellWhoWasRefused(t *testing.T) {
	router := nstest.New(t)
	client := nstest.Add(t)
	nstest.Must(t, netns.Set(router))
	mac := "02:00:00:00:00:05"
	nstest.IP(t, "link add lan0 type veth peer name eth0", "link add wan0 type bridge",
		"addr add 192.0.2.1/24 dev lan0", "addr add 2001:db8::1/64 dev lan0 nodad",
		"addr add 198.51.100.1/24 dev wan0", "link set lan0 up", "link set wan0 up")
	peer, err := netlink.LinkByName("eth0")
	nstest.Must(t, err)
	nstest.Must(t, netlink.LinkSetNsFd(peer, int(client)))
	nstest.Run(t, "", "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
	nstest.In(t, client, func() {
		nstest.IP(t, "link set eth0 address "+mac, "addr add 192.0.2.5/24 dev eth0", "addr add 2001:db8::5/64 dev eth0 nodad",
			"link set eth0 up", "route add default via 192.0.2.1")
	})
	for family, tool := range map[int]string{4: "iptables-nft-restore", 6: "ip6tables-nft-restore"} {
		nstest.Run(t, fmt.Sprintf("*filter\n-A INPUT -p udp --dport 53 -j NFLOG --nflog-prefix dockwall:input%d --nflog-group %d\n"+
			"-A INPUT -p udp -j DROP\n-A FORWARD -j NFLOG --nflog-prefix dockwall:forward --nflog-group %[2]d\n-A FORWARD -j DROP\nCOMMIT\n",
			family, testGroup), tool)
	}
	seen := listening(t, router)
	index := func(name string) int {
		l, err := netlink.LinkByName(name)
		nstest.Must(t, err)
		return l.Attrs().Index
	}
	lan, wan := index("lan0"), index("wan0")
	for _, tt := range []struct {
		to   string
		want Denied
	}{
		{"192.0.2.1:53", Denied{Prefix: "dockwall:input4", Hook: HookInput, In: lan, MAC: mac,
			Src: netip.MustParseAddr("192.0.2.5"), Dst: netip.MustParseAddr("192.0.2.1"), Proto: netinfo.UDP, DstPort: 53}},
		{"[2001:db8::1]:53", Denied{Prefix: "dockwall:input6", Hook: HookInput, In: lan, MAC: mac,
			Src: netip.MustParseAddr("2001:db8::5"), Dst: netip.MustParseAddr("2001:db8::1"), Proto: netinfo.UDP, DstPort: 53}},
		{"198.51.100.9:99", Denied{Prefix: "dockwall:forward", Hook: HookForward, In: lan, Out: wan, MAC: mac,
			Src: netip.MustParseAddr("192.0.2.5"), Dst: netip.MustParseAddr("198.51.100.9"), Proto: netinfo.UDP, DstPort: 99}},
	} {
		before := time.Now()
		nstest.In(t, client, func() { send(t, tt.to) })
		got := receive(t, seen, "the packet to "+tt.to)
		if d := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Denied{}, "At", "SrcPort"), cmpopts.EquateComparable(netip.Addr{})); d != "" {
			t.Errorf("to %s (-want +got):\n%s", tt.to, d)
		}
		if got.SrcPort == 0 || got.At.Before(before.Add(-time.Second)) || got.At.After(time.Now().Add(time.Second)) {
			t.Errorf("to %s: source port %d, at %v", tt.to, got.SrcPort, got.At)
		}
	}
}

// logLoopback reports what goes to a port of this namespace.
func logLoopback(t *testing.T) {
	t.Helper()
	nstest.Run(t, fmt.Sprintf("*filter\n-A INPUT -p udp --dport 53 -j NFLOG --nflog-group %d\n-A INPUT -p udp -j DROP\nCOMMIT\n", testGroup), "iptables-nft-restore")
}

func TestPacketsOfAGroupThatIsTaken(t *testing.T) {
	ns := nstest.New(t)
	logLoopback(t)
	ctx, release := context.WithCancel(context.Background())
	released := make(chan struct{})
	goIn(t, ns, func(context.Context) {
		defer close(released)
		_ = Packets(ctx, testGroup, func(Denied) {}, nil)
	})
	untilTaken(t)
	errs, seen := make(chan error, 100), make(chan Denied, 100)
	goIn(t, ns, func(ctx context.Context) {
		err := Packets(ctx, testGroup, func(d Denied) { seen <- d }, func(err error) { errs <- err })
		if err != nil {
			t.Error(err)
		}
	})
	err := receive(t, errs, "the error")
	var taken *GroupTaken
	if !errors.As(err, &taken) || taken.Group != testGroup {
		t.Errorf("the error is %v, want a *GroupTaken", err)
	}
	// Once the other has gone the group is ours.
	release()
	receive(t, released, "the other to end")
	untilTaken(t)
	send(t, "127.0.0.1:53")
	receive(t, seen, "a packet")
}

func TestPacketsReopenAfterOverflow(t *testing.T) {
	ns := nstest.New(t)
	logLoopback(t)
	hold, errs, seen := make(chan struct{}), make(chan error, 100), make(chan Denied, 5000)
	goIn(t, ns, func(ctx context.Context) {
		err := packets(ctx, testGroup, 1, func(d Denied) { seen <- d; <-hold }, func(err error) { errs <- err })
		if err != nil {
			t.Error(err)
		}
	})
	untilTaken(t)
	for range 100 {
		send(t, "127.0.0.1:53")
	}
	close(hold)
	if err := receive(t, errs, "the overflow"); !errors.Is(err, unix.ENOBUFS) {
		t.Errorf("the error is %v, want ENOBUFS", err)
	}
	// The socket that overflowed may have the group still, and takes packets with it.
	for end := time.Now().Add(patience); ; {
		send(t, "127.0.0.2:53")
		select {
		case d := <-seen:
			if d.Dst == netip.MustParseAddr("127.0.0.2") {
				return
			}
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatal("no packet after the overflow")
		}
	}
}

func TestKernelWithoutNFLogIsTold(t *testing.T) {
	if err := noNFLog(os.NewSyscallError("recvmsg", unix.EINVAL)); !errors.Is(err, ErrNoNFLog) {
		t.Errorf("EINVAL became %v", err)
	}
	if err := noNFLog(unix.EPERM); errors.Is(err, ErrNoNFLog) {
		t.Error("a refusal was taken for a kernel without nfnetlink_log")
	}
}

func TestGroupTakenSaysByWhom(t *testing.T) {
	err := &GroupTaken{Group: 7, PID: os.Getpid()}
	if s := err.Error(); !strings.Contains(s, fmt.Sprintf("NFLOG group 7 is taken by process %d (", os.Getpid())) {
		t.Errorf("the error says %q", s)
	}
}
