package e2e_test

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dockwall/test/lab"
)

// untilVerdict dials until the verdict is as wanted and returns how long that
// took, to the beginning of the attempt that met it. An attempt that is dropped
// waits for its timeout, so attempts are begun every few milliseconds.
func untilVerdict(t testing.TB, from *lab.Client, addr netip.Addr, want bool) time.Duration {
	t.Helper()
	for began := time.Now(); time.Since(began) < inForce; {
		if took, ok := verdictWithin(began, from, addr, want); ok {
			return took
		}
	}
	t.Fatalf("after %v packets still do not meet the new policy", inForce)
	return 0
}

// verdictWithin is untilVerdict for the attempts of the next 600 ms; false if the last
// of them did not meet the verdict.
func verdictWithin(began time.Time, from *lab.Client, addr netip.Addr, want bool) (time.Duration, bool) {
	type attempt struct {
		at time.Duration
		ok bool
	}
	results := make(chan attempt, 1000)
	begun := 0
	for start := time.Now(); time.Since(start) < 600*time.Millisecond; begun++ {
		at := time.Since(began)
		go func() { results <- attempt{at, from.Dial("tcp", addr, 8080).OK} }()
		time.Sleep(20 * time.Millisecond)
	}
	all := make([]attempt, begun)
	for i := range all {
		all[i] = <-results
	}
	slices.SortFunc(all, func(a, b attempt) int { return int(a.at - b.at) })
	// The verdict is in force from the attempt on after which none differs.
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].ok != want {
			if i == len(all)-1 {
				return 0, false
			}
			return all[i+1].at, true
		}
	}
	return all[0].at, true
}

// BenchmarkStart measures, for a container that the policy allows, the time
// from Docker's event to the rules that name it, and from the start to the
// first answer that a client gets.
func BenchmarkStart(b *testing.B) {
	for _, engine := range wanted {
		if !slices.Contains(lab.Engines(b), engine) {
			continue
		}
		b.Run(engine, func(b *testing.B) { benchmarkStart(b, engine) })
	}
}

func benchmarkStart(b *testing.B, engine string) {
	l := lab.New(b, lab.Options{Engine: engine})
	// What containers change is logged one by one at this level only.
	a := l.Agentd(onlyWanToFriend + "log { level = \"debug\" }\n")
	// The rules are there before the container answers ARP; the kernel would
	// ask again only a second later, which is not what is measured.
	const mac, address = "02:42:ac:11:00:02", "172.17.0.2"
	l.Host("ip", "neigh", "replace", address, "lladdr", mac, "dev", "docker0", "nud", "permanent")
	wan, four := l.Client("wan"), l.HostAddr("eth0", 4)
	var rules, reached []time.Duration
	var ids []string
	answered := map[string]time.Time{}
	for b.Loop() {
		flood := wan.Flood("tcp", four, 8080, lab.FloodOptions{For: time.Minute, Workers: 2, Timeout: 5 * time.Millisecond})
		c := l.RunContainer(lab.Spec{Name: "friend", Publish: []string{"8080:80"}, Args: []string{"--mac-address", mac}})
		must(b, l, lab.Ask{From: wan, Proto: "tcp", Addr: four, Port: 8080}, "friend")
		if r := flood.Stop(); len(r.First) > 0 {
			answered[c.ID] = r.First[0].At
		}
		ids = append(ids, c.ID)
		c.Remove()
	}
	log := a.Log()
	for _, connected := range events(b, l, "connect") {
		if slices.Contains(ids, connected.id) {
			rules = append(rules, changedAfter(log, connected.at).Sub(connected.at))
		}
	}
	for _, started := range events(b, l, "start") {
		if at, ok := answered[started.id]; ok {
			reached = append(reached, at.Sub(started.at))
		}
	}
	report(b, rules, "event-to-rules")
	report(b, reached, "start-to-answer")
}

func report(b *testing.B, all []time.Duration, what string) {
	b.Helper()
	if len(all) == 0 {
		b.Fatalf("%s: nothing was measured", what)
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "ms-"+what+"-p50")
	b.ReportMetric(float64(all[len(all)-1].Microseconds())/1000, "ms-"+what+"-max")
}

// event is one of the engine's, about a container.
type event struct {
	at time.Time
	id string
}

// events are those of one kind: "connect", when the container has its address
// and its process has not begun, or "start", when it just has. What inspect
// calls StartedAt is long before that on newer engines.
func events(b *testing.B, l *lab.Lab, kind string) []event {
	b.Helper()
	until := strconv.FormatInt(time.Now().Add(2*time.Second).Unix(), 10) // whole seconds only
	format := "{{.TimeNano}} {{.Actor.ID}}"
	if kind == "connect" {
		format = "{{.TimeNano}} {{.Actor.Attributes.container}}"
	}
	var all []event
	printed := l.Docker("events", "--since", "5m", "--until", until, "--filter", "event="+kind, "--format", format)
	for line := range strings.Lines(printed) {
		nano, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseInt(nano, 10, 64); err == nil {
			all = append(all, event{time.Unix(0, n), id})
		}
	}
	return all
}

// changedAfter is when the agent's log says that the kernel was changed, for
// the first time after the moment, or that moment itself.
func changedAfter(log string, moment time.Time) time.Time {
	for line := range strings.Lines(log) {
		stamp, rest, _ := strings.Cut(line, " ")
		at, err := time.Parse("2006-01-02T15:04:05.000Z0700", stamp)
		if err == nil && strings.Contains(rest, "kernel changed") && at.After(moment) {
			return at
		}
	}
	return moment
}
