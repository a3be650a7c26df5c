package fault_test

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/agent/reconcile"
	"dockwall/netinfo/docker/dockertest"
	"dockwall/test/lab"
)

// onlyWan lets only wan reach every published port.
const onlyWan = `
published "web" {
  from = ["192.0.2.10", "2001:db8:1::10"]
}
firewall {
  resync = "3s"
}
`

// port is the published one.
const port = 8080

// ground is a host with an agent, a container called web, and what is needed
// to say that all is whole.
type ground struct {
	*lab.Lab
	t     *testing.T
	agent *lab.Agent
	// began is where the log of this agent begins: it follows those of others.
	began  int
	engine *dockertest.Engine // nil: a real one
	args   []string           // the agent's further arguments
	want   string             // what the agent keeps in the kernel when all is well
	kills  killing
	note   string       // what a row says beside its figures
	places []netip.Addr // of web
	guests []string     // further containers, by ID
}

// dockerGround has a real engine.
func dockerGround(t *testing.T) *ground { return realGround(t, lab.Options{}) }

// liveGround has one that leaves its containers alone when it restarts.
func liveGround(t *testing.T) *ground {
	return realGround(t, lab.Options{Args: []string{"--live-restore"}})
}

// stateGround keeps the agent's state on a disk of 128 KiB.
func stateGround(t *testing.T) *ground {
	return realGround(t, lab.Options{}, "--state", stateDir)
}

func realGround(t *testing.T, options lab.Options, args ...string) *ground {
	l := lab.New(t, options)
	l.Docker("network", "create", "--ipv6", "--subnet", "172.30.1.0/24", "--subnet", "2001:db8:101::/64", "net1")
	web := l.RunContainer(lab.Spec{Name: "web", Network: "net1", Publish: []string{"8080:80"}})
	g := &ground{Lab: l, t: t, args: args, places: []netip.Addr{web.Addr("net1", 4), web.Addr("net1", 6)}}
	if args != nil {
		l.Host("sh", "-ec", "mkdir "+stateDir+" && mount -t tmpfs -o size=128k none "+stateDir)
	}
	g.begin()
	return g
}

// standInGround has an engine without processes, for what real ones do seldom,
// and a namespace in the container's place.
func standInGround(t *testing.T) *ground {
	l := lab.New(t, lab.Options{NoDocker: true})
	g := &ground{Lab: l, t: t}
	four, six := netip.MustParsePrefix("172.30.1.1/24"), netip.MustParsePrefix("2001:db8:101::1/64")
	l.Bridge("docker0", netip.MustParsePrefix("172.17.0.1/16"))
	l.Bridge("br-net1", four, six)
	g.engine = standIn(t, l)
	g.engine.CreateNetwork(dockertest.Network{Name: "net1", Subnet: four.Masked().String(), Subnet6: six.Masked().String(),
		Options: map[string]string{"com.docker.network.bridge.name": "br-net1"}})
	g.place("web", 2, port)
	g.engine.Start(g.engine.Create(dockertest.Container{Name: "web", Image: "web", Networks: []string{"net1"},
		Ports: []dockertest.Port{{Port: "80/tcp", HostPort: fmt.Sprint(port)}}}))
	g.begin()
	return g
}

func standIn(t *testing.T, l *lab.Lab) *dockertest.Engine {
	t.Helper()
	e, err := dockertest.New(filepath.Join(l.Dir(), "run"), dockertest.Gen26)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// place puts a namespace at address n of net1 and publishes it, as Docker does.
func (g *ground) place(name string, n, port int) {
	four := netip.AddrFrom4([4]byte{172, 30, 1, byte(n)})
	six := netip.MustParseAddr(fmt.Sprintf("2001:db8:101::%x", n))
	g.Plug(name, "br-net1", netip.PrefixFrom(four, 24), netip.PrefixFrom(six, 64)).Serve(name, "tcp:80")
	for _, rule := range []string{"iptables -t nat -A PREROUTING -d %s -p tcp --dport %d -j DNAT --to-destination %s:80",
		"ip6tables -t nat -A PREROUTING -d %s -p tcp --dport %d -j DNAT --to-destination [%s]:80"} {
		family, to := 4, four
		if rule[2] == '6' {
			family, to = 6, six
		}
		g.Host("sh", "-ec", fmt.Sprintf(rule, g.HostAddr("eth0", family), port, to))
	}
	g.places = append(g.places, four, six)
}

// begin starts the agent and takes note of what is in the kernel then.
func (g *ground) begin() {
	g.t.Helper()
	g.WriteConfig(onlyWan)
	g.launch()
	g.agent.WaitState("enforcing")
	g.settled()
}

// launch starts an agent with the file that is there.
func (g *ground) launch() {
	if g.agent != nil {
		g.began = len(g.agent.Log())
	}
	g.agent = g.LaunchAgentd(g.args...)
}

// settled takes the kernel as it is for how it should be.
func (g *ground) settled() { g.want = lab.Owned(g.Save()) }

// status is the agent's answer, the zero Status while it gives none.
func (g *ground) status() reconcile.Status {
	st, err := g.agent.Status()
	if err != nil {
		return reconcile.Status{}
	}
	return st
}

// whole is nil when the agent enforces and keeps in the kernel what it should.
func (g *ground) whole() error {
	if st := g.status(); st.State != reconcile.Enforcing {
		return fmt.Errorf("the agent is %q: %v", st.State, st.Reasons)
	}
	if diff := cmp.Diff(g.want, lab.Owned(g.Save())); diff != "" {
		return fmt.Errorf("its rules are others (-want +got):\n%s", diff)
	}
	return nil
}

// reached is nil if the allowed client gets through, in both families.
func (g *ground) reached() error {
	var errs []error
	for _, family := range []int{4, 6} {
		if r := g.Client("wan").Dial("tcp", g.HostAddr("eth0", family), port); r.Server() != "web" {
			errs = append(errs, fmt.Errorf("wan over IPv%d: %s", family, r))
		}
	}
	return errors.Join(errs...)
}

// refused is nil if the client that no policy names does not get through.
func (g *ground) refused(name string) error {
	var errs []error
	for _, family := range []int{4, 6} {
		if r := g.Client(name).Dial("tcp", g.HostAddr("eth0", family), port); r.OK {
			errs = append(errs, fmt.Errorf("%s over IPv%d: %s", name, family, r))
		}
	}
	return errors.Join(errs...)
}

// until tries again until there is no error or the limit has passed; it tells
// how long that took, to the beginning of the try that succeeded.
func until(limit time.Duration, try func() error) (time.Duration, error) {
	began := time.Now()
	for {
		at := time.Since(began)
		err := try()
		if err == nil {
			return at, nil
		}
		if at > limit {
			return at, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
