package e2e_test

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dockwall/test/lab"
)

// dataPort is where FTP's data connection goes. No engine publishes it.
const dataPort = 5432

// setups are kinds of engine, iptables and sets: each value once. How rules are
// written in the other combinations is tested in test/kernel and rules/backend/iptables.
var setups = []struct{ engine, variant, sets string }{
	{"20.10", "legacy", "inline"}, {"28.5", "nft", "ipset"},
}

// onSetups runs the test on a host of each setup; firewall is the block that every
// agent.hcl begins with.
func onSetups(t *testing.T, test func(t *testing.T, l *lab.Lab, firewall string)) {
	for _, s := range setups {
		t.Run(s.variant+" "+s.sets, func(t *testing.T) {
			oneByOne(t, []string{s.engine}, func(t *testing.T, engine string) {
				l := lab.New(t, lab.Options{Engine: engine, Variant: s.variant})
				test(t, l, fmt.Sprintf("firewall {\n  sets = %q\n}\n", s.sets))
			})
		})
	}
}

// ftp is one control connection, on which a data connection is announced.
type ftp struct {
	t              *testing.T
	client, server *lab.Client
	at             netip.Addr // the server's address, as it knows it
	dial           netip.Addr // as the client knows it
	from           netip.Addr // the client's address, as it knows it
	active         bool       // the server dials the data connection
	control        uint16
	// before, if not nil, is called before the data connection is announced.
	before func()
	// with, if not nil, is called with both ends of the data connection.
	with func(dialled, accepted net.Conn)
}

// opens reports whether the data connection comes about.
func (f ftp) opens() bool {
	f.t.Helper()
	listener := f.server.ListenTCP(netip.AddrPortFrom(f.at, f.control))
	defer listener.Close()
	client, err := f.client.DialTCP(netip.AddrPortFrom(f.dial, f.control))
	for tries := 0; err != nil; tries++ {
		if tries == 5 {
			f.t.Fatalf("the control connection: %v", err)
		}
		client, err = f.client.DialTCP(netip.AddrPortFrom(f.dial, f.control))
	}
	defer client.Close()
	server, err := listener.Accept()
	if err != nil {
		f.t.Fatal(err)
	}
	defer server.Close()
	fromServer, fromClient := bufio.NewReader(client), bufio.NewReader(server)
	// The helper looks only at what follows a line's end.
	f.say(server, fromServer, "220 ready")
	f.say(client, fromClient, "USER anonymous")
	if f.before != nil {
		f.before()
	}
	if f.active {
		data := f.client.ListenTCP(netip.AddrPortFrom(f.from, dataPort))
		defer data.Close()
		return f.reached(data, f.server, endpoint(f.t, f.say(client, fromClient, port(f.from)), f.from))
	}
	data := f.server.ListenTCP(netip.AddrPortFrom(f.at, dataPort))
	defer data.Close()
	return f.reached(data, f.client, endpoint(f.t, f.say(server, fromServer, passive(f.at)), f.dial))
}

// say writes a line and returns it as the other end reads it.
func (f ftp) say(w net.Conn, r *bufio.Reader, line string) string {
	f.t.Helper()
	if _, err := fmt.Fprintf(w, "%s\r\n", line); err != nil {
		f.t.Fatal(err)
	}
	got, err := r.ReadString('\n')
	if err != nil {
		f.t.Fatalf("%q did not arrive: %v", line, err)
	}
	return got
}

// reached reports whether c can connect to the address, which is the listener's.
func (f ftp) reached(at net.Listener, c *lab.Client, to netip.AddrPort) bool {
	f.t.Helper()
	conn, err := c.DialTCP(to)
	if err != nil {
		return false
	}
	defer conn.Close()
	peer, err := at.Accept()
	if err != nil {
		f.t.Fatal(err)
	}
	defer peer.Close()
	if f.with != nil {
		f.with(conn, peer)
	}
	return true
}

func port(a netip.Addr) string {
	if a.Is6() {
		return fmt.Sprintf("EPRT |2|%s|%d|", a, dataPort)
	}
	return "PORT " + commas(a)
}

func passive(a netip.Addr) string {
	if a.Is6() {
		return fmt.Sprintf("229 Entering Extended Passive Mode (|||%d|)", dataPort)
	}
	return "227 Entering Passive Mode (" + commas(a) + ")"
}

func commas(a netip.Addr) string {
	return fmt.Sprintf("%s,%d,%d", strings.ReplaceAll(a.String(), ".", ","), dataPort>>8, dataPort&0xff)
}

var numbers = regexp.MustCompile(`(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)`)

// endpoint reads an announcement. An extended one has no address that NAT changes.
func endpoint(t *testing.T, line string, peer netip.Addr) netip.AddrPort {
	t.Helper()
	if peer.Is6() {
		return netip.AddrPortFrom(peer, dataPort)
	}
	var b [6]byte
	found := numbers.FindStringSubmatch(line)
	if found == nil {
		t.Fatalf("no address in %q", line)
	}
	for i, s := range found[1:] {
		n, err := strconv.ParseUint(s, 10, 8)
		if err != nil {
			t.Fatalf("no address in %q: %v", line, err)
		}
		b[i] = byte(n)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), uint16(b[4])<<8|uint16(b[5]))
}

// expectedCase is an exchange, a policy that allows its control connection alone,
// and one that allows the data connection too.
type expectedCase struct {
	name        string
	ftp         ftp
	tight, wide string
}

func expectedCases(t *testing.T, l *lab.Lab, net string, server, client *lab.Container) []expectedCase {
	var cases []expectedCase
	serve, use, wan, host := server.Client(), client.Client(), l.Client("wan"), l.Client("host")
	const published = "published \"ftp\" {\n  ports = [%s]\n  from  = [\"any\"]\n}\n"
	const egress = "egress \"ftp\" {\n  from  = [containers.client]\n  to    = [\"any\"]\n  ports = [%s]\n}\n"
	const services = "host \"ftp\" {\n  from  = [containers.client]\n  ports = [%s]\n}\n"
	const between = "network \"net1\" { between = \"deny\" }\nbetween \"ftp\" {\n  from  = [containers.client]\n  to    = [containers.server]\n  ports = [%s]\n}\n"
	const back = "between \"back\" {\n  from  = [containers.server]\n  to    = [containers.client]\n  ports = [\"5432/tcp\"]\n}\n"
	one, both := `"21/tcp", "2121/tcp"`, `"21/tcp", "2121/tcp", "5432/tcp"`
	add := func(name string, f ftp, tight, wide string) {
		f.t = t
		if f.control == 0 {
			f.control = 21
		}
		cases = append(cases, expectedCase{name, f, tight, wide})
	}
	in4, own4 := server.Addr(net, 4), client.Addr(net, 4)
	host4, wan4 := l.HostAddr("eth0", 4), l.ClientAddr("wan", 4)
	add("published, passive", ftp{client: wan, server: serve, at: in4, dial: host4},
		fmt.Sprintf(published, one), fmt.Sprintf(published, both))
	add("published, active", ftp{client: wan, server: serve, at: in4, dial: host4, from: wan4, active: true},
		fmt.Sprintf(published, one)+"defaults { egress = \"deny\" }\n", fmt.Sprintf(published, one))
	add("egress, active", ftp{client: use, server: wan, at: wan4, dial: wan4, from: own4, active: true},
		fmt.Sprintf(egress, one), fmt.Sprintf(egress, one)+fmt.Sprintf(published, `"5432/tcp"`))
	for _, family := range []int{4, 6} {
		inside, own, outside := server.Addr(net, family), client.Addr(net, family), l.ClientAddr("wan", family)
		gateway := l.HostAddr("eth0", family)
		v := fmt.Sprintf(", IPv%d", family)
		add("egress, passive"+v, ftp{client: use, server: wan, at: outside, dial: outside}, fmt.Sprintf(egress, one), fmt.Sprintf(egress, both))
		add("between, passive"+v, ftp{client: use, server: serve, at: inside, dial: inside}, fmt.Sprintf(between, one), fmt.Sprintf(between, both))
		add("between, active"+v, ftp{client: use, server: serve, at: inside, dial: inside, from: own, active: true},
			fmt.Sprintf(between, one), fmt.Sprintf(between, one)+back)
		add("host, passive"+v, ftp{client: use, server: host, at: gateway, dial: gateway, control: 2121}, fmt.Sprintf(services, one), fmt.Sprintf(services, both))
	}
	return cases
}

// TestExpectedConnections has the kernel's FTP helper expect data connections. They
// are RELATED, and judged like any other: the peers chose where they go.
func TestExpectedConnections(t *testing.T) {
	onSetups(t, func(t *testing.T, l *lab.Lab, firewall string) {
		net := six(l, 1)
		server := l.RunContainer(lab.Spec{Name: "server", Network: net, Publish: []string{"21:21"}, Listen: "tcp:80"})
		client := l.RunContainer(lab.Spec{Name: "client", Network: net, Listen: "tcp:80"})
		for _, v := range []string{"iptables", "ip6tables"} {
			for _, control := range []string{"21", "2121"} { // docker-proxy has the host's 21
				l.Host(v, "-t", "raw", "-A", "PREROUTING", "-p", "tcp", "--dport", control, "-j", "CT", "--helper", "ftp")
			}
			// It counts.
			l.Host(v, "-t", "mangle", "-A", "PREROUTING", "-p", "tcp", "--syn", "-m", "conntrack", "--ctstate", "RELATED")
		}
		firewall += "containers \"server\" { names = [\"server\"] }\ncontainers \"client\" { names = [\"client\"] }\n"
		for _, c := range expectedCases(t, l, net, server, client) {
			for _, policy := range []string{c.tight, c.wide} {
				agent := l.Agentd(firewall + policy)
				before := related(t, l)
				if got := c.ftp.opens(); got != (policy == c.wide) {
					t.Errorf("%s: the data connection comes about: %v, under\n%s", c.name, got, policy)
				}
				if related(t, l) == before {
					t.Errorf("%s: no connection was expected: this shows nothing", c.name)
				}
				agent.Stop()
			}
		}
	})
}

// TestExpectedConnectionsWithoutRules announces a data connection that the policy
// allows, at a moment when all rules are away and the agent cannot put them back.
// The latch drops its first packet, as that of any new connection.
func TestExpectedConnectionsWithoutRules(t *testing.T) {
	onSetups(t, func(t *testing.T, l *lab.Lab, firewall string) {
		net := six(l, 1)
		server := l.RunContainer(lab.Spec{Name: "server", Network: net, Publish: []string{"21:21"}, Listen: "tcp:80"})
		l.Host("iptables", "-t", "raw", "-A", "PREROUTING", "-p", "tcp", "--dport", "21", "-j", "CT", "--helper", "ftp")
		agent := l.Agentd(firewall + "published \"all\" { from = [\"any\"] }\n")
		f := ftp{t: t, client: l.Client("wan"), server: server.Client(), at: server.Addr(net, 4), dial: l.HostAddr("eth0", 4), control: 21}
		if !f.opens() {
			t.Fatal("the data connection does not come about")
		}
		f.before = func() {
			agent.Signal(syscall.SIGSTOP)
			l.Host("sh", "-c", flushAll)
		}
		if f.opens() {
			t.Error("the data connection comes about though no rule has seen it")
		}
		agent.Signal(syscall.SIGCONT)
	})
}

// TestExpectedConnectionIsCut tightens the policy while a data connection is open.
func TestExpectedConnectionIsCut(t *testing.T) {
	onSetups(t, func(t *testing.T, l *lab.Lab, firewall string) {
		network := six(l, 1)
		server := l.RunContainer(lab.Spec{Name: "server", Network: network, Publish: []string{"21:21"}, Listen: "tcp:80"})
		l.Host("iptables", "-t", "raw", "-A", "PREROUTING", "-p", "tcp", "--dport", "21", "-j", "CT", "--helper", "ftp")
		const published = "published \"ftp\" {\n  ports = [%s]\n  from  = [\"any\"]\n}\n"
		l.Agentd(firewall + fmt.Sprintf(published, `"21/tcp", "5432/tcp"`))
		f := ftp{t: t, client: l.Client("wan"), server: server.Client(), at: server.Addr(network, 4), dial: l.HostAddr("eth0", 4), control: 21}
		f.with = func(client, server net.Conn) {
			if !passes(server, client) {
				t.Error("nothing passes on the data connection")
			}
			l.WriteConfig(firewall + fmt.Sprintf(published, `"21/tcp"`))
			for began := time.Now(); passes(server, client); {
				if time.Since(began) > cutTime {
					t.Errorf("the data connection is open after %v", cutTime)
					return
				}
			}
		}
		if !f.opens() {
			t.Fatal("the data connection does not come about")
		}
	})
}

// passes reports whether one end receives what the other sends.
func passes(from, to net.Conn) bool {
	if _, err := from.Write([]byte{1}); err != nil {
		return false
	}
	to.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	_, err := to.Read(make([]byte, 1))
	return err == nil
}

// related counts the SYNs that were RELATED.
func related(t *testing.T, l *lab.Lab) (n int) {
	t.Helper()
	for _, v := range []string{"iptables", "ip6tables"} {
		for line := range strings.SplitSeq(l.Host(v, "-t", "mangle", "-vnxL", "PREROUTING"), "\n") {
			if words := strings.Fields(line); len(words) > 2 && strings.Contains(line, "ctstate RELATED") {
				packets, err := strconv.Atoi(words[0])
				if err != nil {
					t.Fatalf("reading %q: %v", line, err)
				}
				n += packets
			}
		}
	}
	return n
}
