package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dockwall/netinfo/docker/dockertest"
)

// dialers is how many connections are opened at a time.
const dialers = 2

// dockersRules is what Docker writes for one container on docker0 that
// publishes the port, as far as a new connection meets it.
func dockersRules(port uint16) string {
	return fmt.Sprintf(`*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport %d -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
`, port)
}

// lastPublished is the number of the last policy about published ports.
func lastPublished(policies int) int {
	for i := policies - 1; i > 0; i-- {
		if i%10 < 7 {
			return i
		}
	}
	return 0
}

// publish makes the lan client a container behind docker0, whose server is
// reached through the port of the last policy, and returns that port.
func (w *town) publish(t testing.TB, policies int) uint16 {
	t.Helper()
	i := lastPublished(policies)
	port := uint16(servedPort + i)
	w.Host("sh", "-ec", "ip link add docker0 type bridge; ip addr flush dev eth1; ip link set eth1 master docker0; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up")
	err := inNamespace(w.NamespacePath("lan"), func() error {
		return run("ip addr flush dev eth0 scope global; ip addr add 172.17.0.2/16 dev eth0; ip route replace default via 172.17.0.1")
	})
	if err != nil {
		t.Fatal(err)
	}
	w.HostInput(dockersRules(port), "iptables-restore")
	id := w.engine.Create(dockertest.Container{Name: "served", Image: "app:1", Labels: map[string]string{"tier": tier(i % groups)},
		Networks: []string{"bridge"}, Ports: []dockertest.Port{{Port: "80/tcp", HostPort: fmt.Sprint(port)}}})
	w.engine.Start(id)
	if a := w.address(t, id); a != netip.MustParseAddr("172.17.0.2") {
		t.Fatalf("the container has the address %s", a)
	}
	return port
}

// serve accepts connections in the lan namespace and closes each after one byte.
func (w *town) serve(t testing.TB) {
	t.Helper()
	var fd int
	err := inNamespace(w.NamespacePath("lan"), func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.Bind(fd, &unix.SockaddrInet4{Port: 80}), unix.Listen(fd, 4096))
	})
	if err != nil {
		t.Fatalf("listening: %v", err)
	}
	var done sync.WaitGroup
	for range dialers {
		done.Go(func() {
			for {
				c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
				if err != nil {
					return
				}
				_, _ = unix.Write(c, []byte{1})
				unix.Close(c)
			}
		})
	}
	t.Cleanup(func() {
		_ = unix.Shutdown(fd, unix.SHUT_RDWR) // ends the accepting
		done.Wait()
		unix.Close(fd)
	})
}

// perSecond is how many connections a second are opened, answered and closed
// through the port.
func (w *town) perSecond(t testing.TB, port uint16, d time.Duration) float64 {
	t.Helper()
	host := w.HostAddr("eth0", 4).As4()
	var count atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	begun := time.Now()
	for range dialers {
		wg.Go(func() {
			err := inNamespace(w.NamespacePath("wan"), func() error {
				for time.Since(begun) < d {
					if err := dialOnce(host, port); err != nil {
						return err
					}
					count.Add(1)
				}
				return nil
			})
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		t.Fatalf("dialling after %d connections: %v", count.Load(), *err)
	}
	return float64(count.Load()) / time.Since(begun).Seconds()
}

func dialOnce(host [4]byte, port uint16) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// A reset leaves no port behind that cannot be used for a minute.
	// A limit in time would have the runtime's signals interrupt the call; one in
	// tries does not.
	if err := errors.Join(unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_SYNCNT, 3)); err != nil {
		return err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: host, Port: int(port)}); err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	var b [1]byte
	if n, err := unix.Read(fd, b[:]); n != 1 {
		return fmt.Errorf("no answer: %w", err)
	}
	return nil
}

// linearRules are the rules that an administrator writes without sets, of which the
// connection meets all: blocked sources, then what is allowed.
func linearRules(n int, port uint16) string {
	var b strings.Builder
	b.WriteString("*filter\n:LINEAR - [0:0]\n-A LINEAR -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN\n")
	for _, p := range prefixes(n) {
		fmt.Fprintf(&b, "-A LINEAR -s %s -j DROP\n", p)
	}
	fmt.Fprintf(&b, "-A LINEAR -s 192.0.2.0/24 -o docker0 -p tcp -m conntrack --ctstate DNAT --ctorigdstport %d --ctdir ORIGINAL -j RETURN\n", port)
	b.WriteString("-A LINEAR -o docker0 -j DROP\n-I DOCKER-USER 1 -j LINEAR\nCOMMIT\n")
	return b.String()
}

// measureConnections is what a new connection through a published port costs.
func measureConnections(t *testing.T, size sizes) *figure {
	f := &figure{name: "New connections through a published port",
		how: fmt.Sprintf("TCP connections from one namespace through the host's DNAT, as Docker writes it, to a server behind docker0: opened, answered with a byte, and reset, %d at a time. "+
			"dockwall: %s containers, %s blocked CIDRs, %d policies, of which the last is the one that allows it; linear: blocked sources as single rules. "+
			"%d rounds of %s each, in which the ways take turns; the medians, and of none in the same round.", dialers, number(size.many), number(size.cidrs), size.policies, size.rounds, size.dial),
		head: []string{"rules", "connections a second", "of none"}}
	w := newTown(t, size.many)
	w.writeList(t, size.cidrs)
	w.WriteConfig(policyText(size.policies, true))
	port := w.publish(t, size.policies)
	w.serve(t)
	type way struct {
		name     string
		on, off  func()
		measured []float64
	}
	ways := []*way{
		{name: "none", on: func() {}, off: func() {}},
		{name: "dockwall", on: func() { w.ctl(t, 0, "apply") }, off: func() { w.ctl(t, 0, "remove") }},
	}
	for _, n := range size.linear {
		ways = append(ways, &way{name: "linear, " + number(n),
			on: func() { w.HostInput(linearRules(n, port), "iptables-restore", "--noflush") },
			off: func() {
				w.Host("sh", "-ec", "iptables -D DOCKER-USER -j LINEAR; iptables -F LINEAR; iptables -X LINEAR")
			}})
	}
	w.perSecond(t, port, size.dial/4)
	for range size.rounds {
		for _, y := range ways {
			y.on()
			y.measured = append(y.measured, w.perSecond(t, port, size.dial))
			y.off()
		}
	}
	median := func(fs []float64) float64 { return slices.Sorted(slices.Values(fs))[len(fs)/2] }
	// Of none in the same round: the machine is not always the same.
	ofNone := func(y *way) float64 {
		var shares []float64
		for i, n := range y.measured {
			shares = append(shares, n/ways[0].measured[i])
		}
		return median(shares)
	}
	for _, y := range ways {
		f.add(y.name, number(int(median(y.measured))), fmt.Sprintf("%.2f", ofNone(y)))
	}
	share := ofNone(ways[1])
	f.want(share >= 0.9, fmt.Sprintf("%.2f", share), "with dockwall at least 0.9 of none")
	return f
}
