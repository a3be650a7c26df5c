package e2e_test

import (
	"net/netip"
	"testing"
	"time"

	"dockwall/test/lab"
)

// tftp is a request to which the server answers from another port of its own, as
// TFTP's do. The helper expects that answer.
type tftp struct {
	name           string
	client, server *lab.Client
	from, at       netip.Addr // of the client and the server, as each knows itself
	dial           netip.Addr // of the server, as the client knows it
	tight, wide    string
}

// answered reports whether the answer reaches the client.
func (f tftp) answered(t *testing.T) bool {
	t.Helper()
	client := f.client.ListenUDP(netip.AddrPortFrom(f.from, 0))
	server := f.server.ListenUDP(netip.AddrPortFrom(f.at, 69))
	answers := f.server.ListenUDP(netip.AddrPortFrom(f.at, 0))
	defer client.Close()
	defer server.Close()
	defer answers.Close()
	b := make([]byte, 100)
	var peer netip.AddrPort
	for tries := 0; ; tries++ {
		_, err := client.WriteToUDPAddrPort([]byte("\x00\x01file\x00octet\x00"), netip.AddrPortFrom(f.dial, 69))
		if err != nil {
			t.Fatal(err)
		}
		server.SetReadDeadline(time.Now().Add(lab.DialTimeout))
		if _, peer, err = server.ReadFromUDPAddrPort(b); err == nil {
			break
		}
		if tries == 5 {
			t.Fatalf("%s: the request does not arrive: %v", f.name, err)
		}
	}
	if _, err := answers.WriteToUDPAddrPort([]byte("\x00\x03\x00\x01data"), peer); err != nil {
		return false
	}
	client.SetReadDeadline(time.Now().Add(lab.DialTimeout))
	_, _, err := client.ReadFromUDPAddrPort(b)
	return err == nil
}

// TestExpectedDatagrams has the kernel's TFTP helper expect the server's answers.
func TestExpectedDatagrams(t *testing.T) {
	onSetups(t, func(t *testing.T, l *lab.Lab, firewall string) {
		network := six(l, 1)
		server := l.RunContainer(lab.Spec{Name: "server", Network: network, Publish: []string{"69:69/udp"}, Listen: "tcp:80"})
		client := l.RunContainer(lab.Spec{Name: "client", Network: network, Listen: "tcp:80"})
		for _, v := range []string{"iptables", "ip6tables"} {
			l.Host(v, "-t", "raw", "-A", "PREROUTING", "-p", "udp", "--dport", "69", "-j", "CT", "--helper", "tftp")
		}
		firewall += "containers \"server\" { names = [\"server\"] }\ncontainers \"client\" { names = [\"client\"] }\n"
		const published = "published \"tftp\" {\n  ports = [\"69/udp\"]\n  from  = [\"any\"]\n}\n"
		const egress = "egress \"tftp\" {\n  from  = [containers.client]\n  to    = [\"any\"]\n  ports = [\"69/udp\"]\n}\n"
		const between = "network \"net1\" { between = \"deny\" }\nbetween \"tftp\" {\n  from  = [containers.client]\n  to    = [containers.server]\n  ports = [\"69/udp\"]\n}\n"
		const back = "between \"back\" {\n  from  = [containers.server]\n  to    = [containers.client]\n}\n"
		serve, use, wan := server.Client(), client.Client(), l.Client("wan")
		cases := []tftp{
			{"published", wan, serve, l.ClientAddr("wan", 4), server.Addr(network, 4), l.HostAddr("eth0", 4), published + "defaults { egress = \"deny\" }\n", published},
			{"egress", use, wan, client.Addr(network, 4), l.ClientAddr("wan", 4), l.ClientAddr("wan", 4), egress, egress + "published \"all\" { from = [\"any\"] }\n"},
		}
		for _, family := range []int{4, 6} {
			at := server.Addr(network, family)
			cases = append(cases, tftp{"between", use, serve, client.Addr(network, family), at, at, between, between + back})
		}
		for _, c := range cases {
			for _, policy := range []string{c.tight, c.wide} {
				agent := l.Agentd(firewall + policy)
				if got := c.answered(t); got != (policy == c.wide) {
					t.Errorf("%s by %s: the answer arrives: %v, under\n%s", c.name, c.dial, got, policy)
				}
				agent.Stop()
			}
		}
	})
}
