package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// prober asks the kernel of a namespace whether an address is in a set, by the
// messages that `ipset test` sends, which are written here once more: what is
// measured is not measured with its own code.
type prober struct{ fd int }

// inNamespace runs f on a thread that is in the namespace.
func inNamespace(path string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		ns, err := os.Open(path)
		if err != nil {
			done <- err
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("entering %s: %w", path, err)
			return
		}
		done <- f()
	}()
	return <-done
}

func newProber(t testing.TB, namespace string) *prober {
	t.Helper()
	p := &prober{}
	err := inNamespace(namespace, func() (err error) {
		p.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
		return err
	})
	if err != nil {
		t.Fatalf("asking the kernel for sets: %v", err)
	}
	t.Cleanup(func() { unix.Close(p.fd) })
	return p
}

// ipset's numbers, from linux/netfilter/ipset/ip_set.h.
const (
	ipsetTest        = 11
	attrProtocol     = 1
	attrSetname      = 2
	attrData         = 7
	attrIP           = 1
	attrIPv4         = 1
	attrPort         = 4
	attrProto        = 7
	attrLine         = 9
	nested           = 1 << 15
	netOrder         = 1 << 14
	ipsetSubsystem   = 6
	ipsetProtocol    = 6
	errExist         = 4103 // IPSET_ERR_EXIST: the element is not in the set
	netlinkHeaderLen = 16
)

func attr(kind int, payload []byte) []byte {
	b := make([]byte, 4, 4+len(payload)+3)
	binary.NativeEndian.PutUint16(b, uint16(4+len(payload)))
	binary.NativeEndian.PutUint16(b[2:], uint16(kind))
	b = append(b, payload...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// member is what is looked up: an address, and in a set of ports a TCP port.
type member struct {
	set  string
	addr netip.Addr
	port uint16 // 0: the set holds networks only
}

// has reports whether the member is in its set.
func (p *prober) has(m member) (bool, error) {
	v4 := m.addr.As4()
	data := attr(attrIP|nested, attr(attrIPv4|netOrder, v4[:]))
	if m.port != 0 {
		data = append(data, attr(attrPort|netOrder, binary.BigEndian.AppendUint16(nil, m.port))...)
		data = append(data, attr(attrProto, []byte{unix.IPPROTO_TCP})...)
	}
	data = append(data, attr(attrLine|netOrder, []byte{0, 0, 0, 0})...)
	body := []byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0}
	body = append(body, attr(attrProtocol, []byte{ipsetProtocol})...)
	body = append(body, attr(attrSetname, append([]byte(m.set), 0))...)
	body = append(body, attr(attrData|nested, data)...)
	msg := make([]byte, netlinkHeaderLen, netlinkHeaderLen+len(body))
	binary.NativeEndian.PutUint32(msg, uint32(netlinkHeaderLen+len(body)))
	binary.NativeEndian.PutUint16(msg[4:], ipsetSubsystem<<8|ipsetTest)
	binary.NativeEndian.PutUint16(msg[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	if err := unix.Sendto(p.fd, append(msg, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return false, err
	}
	var answer [4096]byte
	n, _, err := unix.Recvfrom(p.fd, answer[:], 0)
	if err != nil {
		return false, err
	}
	if n < netlinkHeaderLen+4 {
		return false, errors.New("a netlink answer that is too short")
	}
	switch code := -int32(binary.NativeEndian.Uint32(answer[netlinkHeaderLen:])); code {
	case 0:
		return true, nil
	case errExist:
		return false, nil
	default:
		return false, fmt.Errorf("ipset test: %w", unix.Errno(code))
	}
}

// await waits until the members are all there, and tells how long that took.
func (p *prober) await(t testing.TB, ms []member, begun time.Time) time.Duration {
	t.Helper()
	for len(ms) > 0 {
		there, err := p.has(ms[len(ms)-1])
		switch {
		case err != nil:
			t.Fatalf("asking the kernel for %v: %v", ms[len(ms)-1], err)
		case there:
			ms = ms[:len(ms)-1]
		case time.Since(begun) > 20*time.Second:
			t.Fatalf("%v is not in the kernel after %s", ms[len(ms)-1], time.Since(begun))
		default:
			time.Sleep(pollPause)
		}
	}
	return time.Since(begun)
}

// run runs a shell script in the namespace of the calling thread.
func run(script string) error {
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", script, err, out)
	}
	return nil
}
