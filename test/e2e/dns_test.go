package e2e_test

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"dockwall/test/lab"
)

// jailed may reach nothing but 443/tcp outside, and nothing of the host or of each other.
const jailed = `
containers "all" { names = ["*"] }
defaults { between = "deny" }
egress "https" {
  from  = [containers.all]
  to    = ["0.0.0.0/0", "::/0"]
  ports = ["443/tcp"]
}
host "none" {
  from  = [containers.all]
  ports = []
}
`

// TestNameServers has containers ask their name servers from their own network, as
// Docker's resolver does on some engines: another host, the host itself, a container.
// One also asks Docker's resolver.
func TestNameServers(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		const wan = "192.0.2.10"
		l := lab.New(t, lab.Options{Engine: engine, Args: []string{"--dns", wan}})
		for _, name := range []string{"wan", "wan2", "host"} {
			l.Client(name).Serve(name+"-dns", "tcp:53,udp:53,tcp:443")
		}
		n := nameServers{l, six(l, 1)}
		server := l.RunContainer(lab.Spec{Name: "server", Network: n.net, Listen: "tcp:53,udp:53"}).Addr(n.net, 4)
		host, wan2 := l.HostAddr("eth0", 4), l.ClientAddr("wan2", 4)
		usual := l.RunContainer(lab.Spec{Name: "usual", Network: n.net}).Client()
		old := l.RunContainer(lab.Spec{Name: "old"}).Client() // its resolv.conf names the servers
		own := l.RunContainer(lab.Spec{Name: "own", Network: n.net, Args: []string{"--dns", host.String(),
			"--dns", l.ClientAddr("wan2", 6).String(), "--dns", server.String()}}).Client()
		first := l.ClientAddr("wan", 4)
		allowed := append(asks(usual, first), asks(old, first)...)
		allowed = append(allowed, asks(own, host, l.ClientAddr("wan2", 6), server)...)
		denied := append(asks(usual, wan2, host, server), asks(own, first, wan2)...)
		denied = append(denied, lab.Ask{From: usual, Proto: "tcp", Addr: first, Port: 7000})

		a := l.Agentd(jailed)
		n.all(t, true, allowed)
		n.all(t, false, denied)
		asked, inside := n.resolves(usual, "before")
		t.Logf("Docker's resolver asked from the container's network: %v", inside)
		if !asked {
			t.Error("a question to Docker's resolver did not get to the name server")
		}
		a.Stop()
		l.Agentd(jailed + "network \"bridge\" { dns = \"deny\" }\nnetwork \"" + n.net + "\" { dns = \"deny\" }\n")
		n.all(t, false, allowed)
		n.all(t, true, []lab.Ask{{From: usual, Proto: "tcp", Addr: first, Port: 443}})
		if asked, inside := n.resolves(usual, "after"); asked && inside {
			t.Error("dns is denied, and a question to Docker's resolver left the container's network")
		}
	})
}

// nameServers is a lab with a network whose containers ask.
type nameServers struct {
	*lab.Lab
	net string
}

// asks are a container's questions to name servers.
func asks(from *lab.Client, servers ...netip.Addr) (all []lab.Ask) {
	for _, server := range servers {
		for _, proto := range []string{"tcp", "udp"} {
			all = append(all, lab.Ask{From: from, Proto: proto, Addr: server, Port: 53})
		}
	}
	return all
}

// all reports attempts that do not end as wanted. One that is to get through has some
// tries, since a busy machine loses packets.
func (n nameServers) all(t *testing.T, want bool, attempts []lab.Ask) {
	t.Helper()
	for i, r := range n.DialAll(attempts) {
		for range 3 {
			if ask := attempts[i]; want && !r.OK {
				r = ask.From.Dial(ask.Proto, ask.Addr, ask.Port)
			}
		}
		if r.OK != want {
			t.Errorf("%s: %s, want it to get through: %v", attempts[i], r, want)
		}
	}
}

// resolves asks Docker's resolver in the container for the name, and reports whether the
// question got to the name server, and whether it left by the container's own NIC.
func (n nameServers) resolves(from *lab.Client, name string) (asked, inside bool) {
	nic, server := from.Wire("eth0"), n.Client("wan").Wire("eth0")
	text := gopacket.NewSerializeBuffer()
	q := layers.DNS{ID: 7, RD: true, Questions: []layers.DNSQuestion{{Name: []byte(name + ".example.com"), Type: layers.DNSTypeA, Class: layers.DNSClassIN}}}
	from.Do(func() error {
		if err := q.SerializeTo(text, gopacket.SerializeOptions{FixLengths: true}); err != nil {
			return err
		}
		conn, err := net.Dial("udp", "127.0.0.11:53")
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write(text.Bytes())
		return err
	})
	isIt := func(p gopacket.Packet) bool {
		udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		return ok && udp.DstPort == 53 && bytes.Contains(udp.Payload, []byte(name))
	}
	asked = server.Sees(2*time.Second, isIt)
	return asked, nic.Sees(100*time.Millisecond, isIt)
}
