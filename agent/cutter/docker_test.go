package cutter_test

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/vishvananda/netns"

	"dockwall/agent/config"
	"dockwall/agent/cutter"
	"dockwall/agent/kernel"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/test/lab"
)

// within is how soon what is no longer allowed must have ended.
const within = time.Second

// The files, from loose to tight.
const (
	loose    = `published "all" { from = ["any"] }` + "\n"
	friends  = `published "all" { from = ["192.0.2.20", "2001:db8:1::20", "198.51.100.0/24", "2001:db8:2::/64"] }` + "\n"
	noEgress = friends + `defaults { egress = "deny" }` + "\n"
)

// line is a live connection.
type line struct {
	name   string
	stream *lab.Stream
	// cut is the file under which it ends; empty if none.
	cut string
	// last is when it last echoed, worst the longest that an echo took, which
	// began at worstAt.
	last, worstAt time.Time
	worst         time.Duration
	fate          string
}

// TestTightening has real connections of every kind through real Docker, and
// tightens the policy under them.
func TestTightening(t *testing.T) {
	for _, engine := range lab.Engines(t) {
		if engine != "20.10" && engine != "28.5" {
			continue
		}
		for name, c := range map[string]*cutter.Cutter{
			engine:                      cutter.New(hclog.NewNullLogger()),
			engine + ", with a barrier": cutter.New(hclog.NewNullLogger()).With(&kernel.Barrier{}),
		} {
			t.Run(name, func(t *testing.T) {
				l := lab.New(t, lab.Options{Engine: engine})
				lines := open(t, l, loose)
				for _, file := range []string{friends, noEgress} {
					tighten(t, l, c, file, lines)
					lines = slices.DeleteFunc(lines, func(x *line) bool { return x.fate != "" })
				}
			})
		}
	}
}

// TestFirstPolicy has the first policy of all come while connections are open
// and idle: the kernel may track none of them in IPv6 yet.
func TestFirstPolicy(t *testing.T) {
	l := lab.New(t, lab.Options{Engine: lab.DefaultEngine})
	lines := open(t, l, "")
	l.WriteConfig(friends)
	rs, s := compiled(t, l)
	apply(t, l)
	applied := time.Now()
	cut(t, l, cutter.New(hclog.NewNullLogger()), rs, s)
	stop := make(chan struct{})
	close(stop)
	for _, x := range lines {
		x.last = applied
		x.echo(stop) // once
		x.check(t, friends, applied)
	}
}

// open starts containers and opens connections under the file; without one,
// where there is no policy at all.
func open(t *testing.T, l *lab.Lab, file string) []*line {
	t.Helper()
	web := l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80", "8080:80/udp", "80:80", "80:80/udp"}})
	l.Client("wan").Serve("outside", "tcp:7000,udp:7000")
	l.Client("host").Serve("host", "tcp:7001")
	if file != "" {
		l.WriteConfig(file)
		apply(t, l)
	}
	four, six := l.HostAddr("eth0", 4), l.HostAddr("eth0", 6)
	var lines []*line
	add := func(c *lab.Client, proto string, to netip.Addr, port uint16, cut string) {
		lines = append(lines, &line{name: fmt.Sprintf("%s %s %s", c.Name(), proto, netip.AddrPortFrom(to, port)),
			stream: c.Stream(proto, to, port), cut: cut})
	}
	for _, proto := range []string{"tcp", "udp"} {
		for _, to := range []netip.Addr{four, six} { // DNAT, docker-proxy
			for _, port := range []uint16{8080, 80} {
				add(l.Client("wan"), proto, to, port, friends)
				add(l.Client("wan2"), proto, to, port, "")
			}
		}
		// docker-proxy 20.10 answers UDP from the address of the NIC it leaves by.
		add(l.Client("lan"), proto, l.HostAddr("eth1", 4), 8080, "")
		add(l.Client("lan"), proto, l.HostAddr("eth1", 6), 8080, "")
		add(web.Client(), proto, l.ClientAddr("wan", 4), 7000, noEgress)
	}
	add(l.Client("wan"), "tcp", l.HostLinkLocal(), 8080, friends)
	add(l.Client("wan"), "tcp", four, 7001, "")
	add(l.Client("host"), "tcp", l.ClientAddr("wan", 4), 7000, "")
	return lines
}

func apply(t *testing.T, l *lab.Lab) {
	t.Helper()
	if out, errs, code := l.Agentctl("apply"); code > 1 {
		t.Fatalf("agentctl apply: exit code %d\n%s%s", code, out, errs)
	}
}

// compiled is what the agent on the lab's host would have in the kernel.
func compiled(t *testing.T, l *lab.Lab) (rules.Ruleset, netinfo.Snapshot) {
	t.Helper()
	doc, diags := config.Load(l.ConfigPath())
	if doc == nil {
		t.Fatal(diags.Err())
	}
	out, errs, code := l.Agentctl("snapshot")
	if code != 0 {
		t.Fatalf("agentctl snapshot: exit code %d\n%s", code, errs)
	}
	s, err := netinfo.ReadJSON(strings.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	rs, _ := compile.Compile(doc.Policy, s)
	return rs, s
}

// onHost runs f in the network namespace of the lab's host.
func onHost(t *testing.T, l *lab.Lab, f func()) {
	t.Helper()
	var wait sync.WaitGroup
	wait.Go(func() {
		runtime.LockOSThread() // not unlocked: the thread ends here
		ns, err := netns.GetFromPath(l.NamespacePath("host"))
		if err == nil {
			defer ns.Close()
			err = netns.Set(ns)
		}
		if err != nil {
			t.Error(err)
			return
		}
		f()
	})
	wait.Wait()
}

// tighten puts the file in force while every line is busy.
func tighten(t *testing.T, l *lab.Lab, c *cutter.Cutter, file string, lines []*line) {
	t.Helper()
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for _, x := range lines {
		busy.Go(func() { x.echo(stop) })
	}
	l.WriteConfig(file)
	rs, s := compiled(t, l)
	apply(t, l)
	applied := time.Now()
	cut(t, l, c, rs, s)
	close(stop)
	busy.Wait()
	for _, x := range lines {
		x.check(t, file, applied)
	}
}

func cut(t *testing.T, l *lab.Lab, c *cutter.Cutter, rs rules.Ruleset, s netinfo.Snapshot) {
	t.Helper()
	onHost(t, l, func() {
		r, err := c.Cut(context.Background(), rs, s)
		t.Logf("cut: %+v, %v", r, err)
		if err != nil {
			t.Error(err)
		}
	})
}

// echo goes on until the line is dead or all is over.
func (x *line) echo(stop chan struct{}) {
	x.worst = 0
	for {
		begun := time.Now()
		fate := x.stream.Echo()
		if fate != "ok" {
			x.fate = fate
			return
		}
		x.last = time.Now()
		if took := x.last.Sub(begun); took > x.worst {
			x.worst, x.worstAt = took, begun
		}
		select {
		case <-stop:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (x *line) check(t *testing.T, file string, applied time.Time) {
	t.Helper()
	if x.cut != file {
		if x.fate != "" {
			t.Errorf("%s is allowed, and ended: %s", x.name, x.fate)
			return
		}
		t.Logf("%s lives, slowest echo %v, begun %v after the rules", x.name,
			x.worst.Round(time.Millisecond), x.worstAt.Sub(applied).Round(time.Millisecond))
		return
	}
	if x.fate == "" || x.last.Sub(applied) > within {
		t.Errorf("%s went on for %v (%s)", x.name, x.last.Sub(applied), x.fate)
		return
	}
	if again := x.stream.Echo(); again == "ok" {
		t.Errorf("%s came back", x.name)
	}
	t.Logf("%s ended by %s, last echo %v after the rules", x.name, x.fate, x.last.Sub(applied).Round(time.Millisecond))
}
