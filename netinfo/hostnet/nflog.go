package hostnet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ErrNoNFLog reports whether the kernel has no nfnetlink_log: no rule can report
// packets there.
var ErrNoNFLog = errors.New("the kernel has no nfnetlink_log")

// GroupTaken is the error where another program listens on the NFLOG group:
// the kernel gives each group to one.
type GroupTaken struct {
	Group uint16
	// PID is the other's, as the kernel numbers its socket; 0 if not known.
	PID int
}

// Error names the other program.
func (e *GroupTaken) Error() string {
	who := "another program"
	if e.PID != 0 {
		who = fmt.Sprintf("process %d", e.PID)
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", e.PID)); err == nil {
			who += " (" + strings.TrimSpace(string(name)) + ")"
		}
	}
	return fmt.Sprintf("NFLOG group %d is taken by %s: end that, or have it use another group", e.Group, who)
}

// Requests and attributes of nfnetlink_log (linux/netfilter/nfnetlink_log.h),
// which x/sys does not have.
const (
	nflogPacket = netlink.HeaderType(unix.NFNL_SUBSYS_ULOG << 8)
	nflogConfig = netlink.HeaderType(unix.NFNL_SUBSYS_ULOG<<8 | 1)

	nflogCfgCommand   = 1
	nflogCfgMode      = 2
	nflogCfgBuffer    = 3
	nflogCfgThreshold = 5

	nflogBind       = 1
	nflogCopyPacket = 2
)

const (
	// nflogCopy is how much of a packet is copied: the headers, with room for
	// IPv6 extension headers.
	nflogCopy = 128
	// nflogMessage is what the kernel sets aside for each message.
	nflogMessage = 1024
	// nflogBuffer holds some hundred packets; what does not fit is lost, and
	// the loss told as ENOBUFS.
	nflogBuffer = 1 << 20
)

// Packets calls notify for every packet that a rule reports to the NFLOG
// group, until ctx ends; then it returns nil. A subscription that overflows or
// breaks is opened again, and so is one whose group another process holds (a
// *GroupTaken); onError, which may be nil, is told why, each time.
//
// It returns ErrNoNFLog at once where the kernel has no nfnetlink_log, and
// fs.ErrPermission where it may not be asked (CAP_NET_ADMIN).
//
// It blocks, and stays in the network namespace of the calling goroutine.
// notify is called on that goroutine; while it does not return, packets are
// lost rather than kept.
func Packets(ctx context.Context, group uint16, notify func(Denied), onError func(error)) error {
	return packets(ctx, group, nflogBuffer, notify, onError)
}

func packets(ctx context.Context, group uint16, buffer int, notify func(Denied), onError func(error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var final error
	subscription{
		what: fmt.Sprintf("NFLOG group %d", group),
		open: func() (*netlink.Conn, error) {
			conn, err := dialNFLog(group, buffer)
			if errors.Is(err, ErrNoNFLog) || errors.Is(err, fs.ErrPermission) {
				final = err
				cancel()
			}
			return conn, err
		},
		opened: func() {},
		received: func(m netlink.Message) {
			if m.Header.Type != nflogPacket {
				return
			}
			d, err := parseNFLog(m, time.Now())
			if err == nil {
				notify(d)
			} else if onError != nil {
				onError(fmt.Errorf("reading a packet of NFLOG group %d: %w", group, err))
			}
		},
	}.run(ctx, onError)
	return final
}

// dialNFLog takes the group.
func dialNFLog(group uint16, buffer int) (*netlink.Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("listening on NFLOG group %d: %w", group, noNFLog(err))
	}
	err = errors.Join(conn.SetReadBuffer(buffer), conn.SetDeadline(time.Now().Add(answerTimeout)))
	if err == nil {
		err = takeGroup(conn, group)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// takeGroup binds the group and sets its mode in one message. Packets may
// arrive before the answer does; they are passed over.
func takeGroup(conn *netlink.Conn, group uint16) error {
	be32 := func(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
	m := nfMessage(nflogConfig, netlink.Acknowledge, unix.AF_UNSPEC, group,
		netlink.Attribute{Type: nflogCfgCommand, Data: []byte{nflogBind}},
		// struct nfulnl_msg_config_mode: range, mode, padding.
		netlink.Attribute{Type: nflogCfgMode, Data: append(be32(nflogCopy), nflogCopyPacket, 0)},
		netlink.Attribute{Type: nflogCfgBuffer, Data: be32(nflogMessage)},
		// Each packet is told at once, not after a second or a hundred others.
		netlink.Attribute{Type: nflogCfgThreshold, Data: be32(1)})
	sent, err := conn.Send(m)
	for err == nil {
		var answer []netlink.Message
		answer, err = conn.Receive()
		for _, a := range answer {
			if a.Header.Type == netlink.Error && a.Header.Sequence == sent.Header.Sequence {
				return nil
			}
		}
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EBUSY) {
		if pid, taken := groupHolder(group); taken {
			return &GroupTaken{Group: group, PID: pid}
		}
		if errors.Is(err, unix.EBUSY) {
			return &GroupTaken{Group: group}
		}
	}
	return fmt.Errorf("listening on NFLOG group %d: %w", group, noNFLog(err))
}

// groupHolder finds the process that listens on the group in this network namespace. The
// kernel refuses a group that is taken with the same EPERM as a caller without
// CAP_NET_ADMIN.
func groupHolder(group uint16) (pid int, taken bool) {
	b, err := os.ReadFile("/proc/thread-self/net/netfilter/nfnetlink_log")
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(b) {
		f := strings.Fields(string(line))
		if len(f) < 2 || f[0] != strconv.Itoa(int(group)) {
			continue
		}
		// A port that is no process ID is negative or enormous.
		if pid, err := strconv.Atoi(f[1]); err == nil && pid > 0 && pid < 1<<22 {
			return pid, true
		}
		return 0, true
	}
	return 0, false
}

// noNFLog reports whether the error means a kernel without nfnetlink_log.
func noNFLog(err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("%w (%v)", ErrNoNFLog, err)
	}
	return err
}
