package e2e_test

import (
	"fmt"
	"sync"
	"testing"

	"dockwall/test/lab"
)

const onlyWanToFriend = `
containers "friend" {
  names = ["friend*"]
}
published "friend" {
  to   = [containers.friend]
  from = ["192.0.2.10", "2001:db8:1::10"]
}
`

// TestStarts starts containers again and again under floods from a client that
// no policy names and from one that is allowed to other containers only.
func TestStarts(t *testing.T) {
	oneByOne(t, wanted[:], func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		a := l.Agentd(onlyWanToFriend)
		friend := l.RunContainer(lab.Spec{Name: "friend", Publish: []string{"8000:80"}})
		must(t, l, lab.Ask{From: l.Client("wan"), Proto: "tcp", Addr: l.HostAddr("eth0", 4), Port: 8000}, "friend")
		friend.Remove()
		var floods []*lab.Flood
		for _, client := range []string{"wan", "wan2"} {
			for _, family := range []int{4, 6} {
				floods = append(floods, l.Client(client).Flood("tcp", l.HostAddr("eth0", family), 8080, gentleOnes))
			}
		}
		for i := range 12 {
			l.RunContainer(lab.Spec{Name: fmt.Sprintf("other%d", i), Publish: []string{"8080:80"}}).Remove()
		}
		through(t, 0, floods...)
		if t.Failed() {
			t.Logf("agentd:\n%s", a.Log())
		}
	})
}

// TestAddressReuse gives the address and the port of a container that a client
// may reach to one that it may not, under its flood. The first does not answer
// on that port, so every answer is the second's.
func TestAddressReuse(t *testing.T) {
	oneByOne(t, wanted[:], func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		network := six(l, 1)
		l.Agentd(onlyWanToFriend)
		wan := l.Client("wan")
		for i := range 4 {
			friend := l.RunContainer(lab.Spec{Name: "friend", Network: network, Publish: []string{"8080:80", "8081:81"}, Listen: "tcp:81"})
			for _, family := range []int{4, 6} {
				must(t, l, lab.Ask{From: wan, Proto: "tcp", Addr: l.HostAddr("eth0", family), Port: 8081}, "friend")
			}
			address := friend.Addr(network, 4)
			four := wan.Flood("tcp", l.HostAddr("eth0", 4), 8080, gentleOnes)
			under := wan.Flood("tcp", l.HostAddr("eth0", 6), 8080, gentleOnes)
			friend.Remove()
			heir := l.RunContainer(lab.Spec{Name: fmt.Sprintf("heir%d", i), Network: network, Publish: []string{"8080:80"}})
			if got := heir.Addr(network, 4); got != address {
				t.Fatalf("the heir got %v, and not its predecessor's address %v", got, address)
			}
			must(t, l, lab.Ask{From: l.Client("host"), Proto: "tcp", Addr: address, Port: 80}, heir.Name)
			through(t, 0, four, under)
			heir.Remove()
		}
	})
}

// TestConcurrentWriters starts many containers at once while somebody else
// writes rules too. In the end everybody is where the policy wants him.
func TestConcurrentWriters(t *testing.T) {
	l := lab.New(t, lab.Options{})
	a := l.Agentd(onlyWanToFriend)
	l.Host("iptables", "-N", "somebody")
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			l.TryHost("sh", "-c", "iptables -A somebody -s 203.0.113.1 -j RETURN; iptables -F somebody")
		}
	})
	const many = 20
	var starts sync.WaitGroup
	for i := range many {
		starts.Go(func() {
			l.TryDocker("run", "--detach", "--name", fmt.Sprintf("friend%d", i), "--publish", fmt.Sprintf("%d:80", 8100+i),
				lab.Image, "serve", "-name", fmt.Sprintf("friend%d", i), "-listen", "tcp:80")
		})
	}
	starts.Wait()
	close(stop)
	writer.Wait()
	for i := range many {
		ask := lab.Ask{From: l.Client("wan"), Proto: "tcp", Addr: l.HostAddr("eth0", 4), Port: uint16(8100 + i)}
		must(t, l, ask, fmt.Sprintf("friend%d", i))
		if r := l.Client("wan2").Dial(ask.Proto, ask.Addr, ask.Port); r.OK {
			t.Errorf("wan2 to friend%d: %s", i, r)
		}
	}
	a.WaitState("enforcing")
	l.Host("iptables", "-X", "somebody")
}
