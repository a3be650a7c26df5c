package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/audit"
	"dockwall/agent/config"
	"dockwall/netinfo"
	"dockwall/netinfo/docker"
	"dockwall/netinfo/inventory"
	rules "dockwall/rules/audit"
	"dockwall/rules/finding"
	"dockwall/rules/policy"
)

// engine is an engine with containers.
type engine struct {
	mu         sync.Mutex
	containers map[string]inventory.Container
	execs      map[string]bool // whether privileged
	events     chan docker.Happening
	hangs      bool
	reads      int
	wholes     int
}

func newEngine() *engine {
	return &engine{containers: map[string]inventory.Container{}, execs: map[string]bool{}, events: make(chan docker.Happening)}
}

func (e *engine) set(c inventory.Container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c.ID, c.Image, c.Restart = c.Name, "app:1", "no"
	e.containers[c.ID] = c
}

func (e *engine) Container(ctx context.Context, id string) (inventory.Container, bool, error) {
	e.mu.Lock()
	hangs := e.hangs
	e.reads++
	c, there := e.containers[id]
	e.mu.Unlock()
	if hangs {
		select {
		case <-ctx.Done():
		case <-time.After(answerTime):
		}
		return c, true, errors.New("no answer")
	}
	return c, there, nil
}

func (*engine) Image(context.Context, string) (inventory.Image, error) { return inventory.Image{}, nil }

func (e *engine) Privileged(_ context.Context, exec string) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.execs[exec], nil
}

func (e *engine) Follow(ctx context.Context, subscribed func(), happen func(docker.Happening)) error {
	subscribed()
	for {
		select {
		case h := <-e.events:
			if h.ID == "" {
				return errors.New("the engine went away")
			}
			happen(h)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (e *engine) List(context.Context) (all []string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id := range e.containers {
		all = append(all, id)
	}
	return all, nil
}

func (*engine) Close() error { return nil }

func (e *engine) gather(_ context.Context, o audit.Options) inventory.Inventory {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wholes++
	var all []inventory.Container
	for _, c := range e.containers {
		all = append(all, c)
	}
	return inventory.Inventory{Now: o.Now.Unix(), Containers: inventory.Known(all)}
}

// town is a watch over an engine.
type town struct {
	*engine
	w   *Watch
	log *bytes.Buffer
}

// live runs f with a watch that was running for a minute.
func live(t *testing.T, doc *config.Document, f func(*town)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e, log := newEngine(), &bytes.Buffer{}
		e.set(inventory.Container{Name: "old", HostConfig: inventory.HostConfig{Privileged: true}})
		w := New(Options{Log: hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Info}), Gather: e.gather,
			Dial: func(context.Context) (Engine, error) { return e, nil }, Process: func(*inventory.Container) {}})
		w.Use(doc)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { w.Run(ctx) })
		time.Sleep(time.Minute)
		synctest.Wait()
		f(&town{e, w, log})
		cancel()
		wg.Wait()
	})
}

func (w *town) tell(action, id, exec string) {
	w.events <- docker.Happening{Action: action, ID: id, Exec: exec}
	synctest.Wait()
}

// fails reports whether the check fails on the container.
func (w *town) fails(check, id string) bool {
	w.w.mu.Lock()
	defer w.w.mu.Unlock()
	s := w.w.record.standing[place{container, id}]
	return s != nil && slices.Contains(s.failed, check)
}

func (w *town) count(check string) int {
	for _, c := range w.w.Summary().Findings {
		if c.Check == check {
			return c.Count
		}
	}
	return 0
}

// told is how many lines of the log say this of the check and the container.
func (w *town) told(what, check, name string) int {
	n := 0
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, "]  "+what+": ") && strings.Contains(line, check) && strings.Contains(line, `subject="container `+name+`"`) {
			n++
		}
	}
	return n
}

func plain() *config.Document {
	return &config.Document{Audit: config.Audit{Every: time.Hour, FailOn: "medium"}}
}

const privileged = "container.privileged"

// A container is judged when it is created, at once; each finding is logged once when it
// comes.
func TestCreated(t *testing.T) {
	live(t, plain(), func(w *town) {
		if n := w.count(privileged); n != 1 {
			t.Fatalf("%d containers are privileged, want 1\n%s", n, w.log)
		}
		before, reads := w.wholes, w.reads
		w.set(inventory.Container{Name: "new", State: "created", HostConfig: inventory.HostConfig{Privileged: true}})
		w.tell("create", "new", "")
		if n := w.count(privileged); n != 2 || w.wholes != before || w.reads != reads+1 {
			t.Errorf("%d containers are privileged, want 2; %d judgements of the host, %d reads", n, w.wholes-before, w.reads-reads)
		}
		w.tell("start", "new", "")
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if n := w.wholes - before; n != 3 {
			t.Errorf("the host was judged %d times in 3 hours, want 3", n)
		}
		delete(w.containers, "new")
		w.tell("destroy", "new", "")
		if n := w.count(privileged); n != 1 {
			t.Errorf("%d containers are privileged, want 1", n)
		}
		// That a container which was removed has no findings any more goes without saying.
		for what, want := range map[string]int{"finding": 1, "finding gone": 0} {
			if n := w.told(what, privileged, "new"); n != want {
				t.Errorf("%d lines say %s, want %d:\n%s", n, what, want, w.log)
			}
		}
	})
}

// A failure that is accepted is not counted, and not told of.
func TestWaived(t *testing.T) {
	doc := plain()
	doc.Audit.Skips = []config.Skip{{ID: privileged, Reason: "tests"}}
	live(t, doc, func(w *town) {
		if s := w.w.Summary(); w.count(privileged) != 0 || s.Waived != 1 || w.told("finding", privileged, "old") != 0 {
			t.Errorf("got %+v\n%s", s, w.log)
		}
		w.w.Use(plain())
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := w.w.Summary(); w.count(privileged) != 1 || s.Waived != 0 || w.told("finding", privileged, "old") != 1 {
			t.Errorf("without the skip block: got %+v\n%s", s, w.log)
		}
	})
}

// A judgement logs one line for each subject and direction with the failures at or above
// fail_on, and the rest at debug; if it changes very much, one line for each check.
func TestLogged(t *testing.T) {
	var log bytes.Buffer
	w := New(Options{Log: hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Debug, DisableTime: true})})
	failures := func(ids ...string) (found []rules.Finding) {
		for _, id := range ids {
			found = append(found, rules.Finding{ID: id, State: rules.Fail})
		}
		return found
	}
	w.record.severity = map[string]finding.Severity{"a.high": finding.High, "b.medium": finding.Medium, "c.low": finding.Low}
	one := func(id string, found []rules.Finding) []change {
		return w.record.one(w.record.tick(), id, id, found)
	}
	all := failures("c.low", "b.medium", "a.high")
	for _, step := range []struct {
		changes []change
		want    string
	}{
		{one("web", all), "[WARN]  finding: subject=\"container web\" checks=\"a.high, b.medium\" severity=high\n[DEBUG] finding: subject=\"container web\" checks=c.low severity=low\n"},
		{one("web", all), ""},
		{one("web", failures("a.high")), "[INFO]  finding gone: subject=\"container web\" checks=b.medium severity=medium\n[DEBUG] finding gone: subject=\"container web\" checks=c.low severity=low\n"},
		{one("db", failures("c.low")), "[DEBUG] finding: subject=\"container db\" checks=c.low severity=low\n"},
		{w.record.remove("web"), "[DEBUG] finding gone: subject=\"container web\" checks=a.high severity=high\n"},
	} {
		log.Reset()
		if w.tell(step.changes, finding.Medium); log.String() != step.want {
			t.Errorf("got\n%swant\n%s", &log, step.want)
		}
	}
	var many []change
	for i := range 20 {
		many = append(many, one(fmt.Sprintf("c%02d", i), all)...)
	}
	log.Reset()
	w.tell(many, finding.Medium)
	if want := "[WARN]  finding: check=a.high severity=high subjects=\"container c00, container c01, container c02, container c03, container c04, container c05, 14 more\"\n"; !strings.HasPrefix(log.String(), want) || strings.Count(log.String(), "\n") != 3 {
		t.Errorf("60 changes: got\n%swant three lines, the first\n%s", &log, want)
	}
}

// docker exec --privileged is a finding from when it is asked for until it ends. What
// other docker execs there are costs no look at the container.
func TestExec(t *testing.T) {
	const check = "container.exec-privileged"
	live(t, plain(), func(w *town) {
		c := inventory.Container{Name: "app", State: "running", PID: 7}
		c.Process.Status = inventory.Known(inventory.Status{})
		c.Process.Members = inventory.Known([]inventory.Member{})
		w.set(c)
		w.tell("start", "app", "")
		reads := w.reads
		w.execs["health"] = false
		w.tell("exec_create", "app", "health")
		if w.reads != reads {
			t.Error("a docker exec without privileges had the container read")
		}
		w.execs["e1"] = true
		w.tell("exec_create", "app", "e1")
		if !w.fails(check, "app") || w.told("finding", check, "app") != 1 {
			t.Errorf("it is no finding:\n%s", w.log)
		}
		w.tell("exec_die", "app", "e1")
		if w.fails(check, "app") || w.told("finding gone", check, "app") != 1 {
			t.Errorf("it is still a finding:\n%s", w.log)
		}
	})
}

// Containers that came while there was no connection are judged when there is one, and
// those that went are forgotten.
func TestReconnected(t *testing.T) {
	live(t, plain(), func(w *town) {
		w.mu.Lock()
		w.containers = map[string]inventory.Container{}
		w.mu.Unlock()
		w.set(inventory.Container{Name: "late", HostConfig: inventory.HostConfig{Privileged: true}})
		w.events <- docker.Happening{}
		time.Sleep(firstPause + time.Millisecond)
		synctest.Wait()
		if !w.fails(privileged, "late") || w.fails(privileged, "old") {
			t.Errorf("got %+v", w.w.Summary())
		}
	})
}

// An engine that does not answer costs some reads, no storm of them, and no memory; the
// container is judged when it answers again.
func TestHangs(t *testing.T) {
	live(t, plain(), func(w *town) {
		w.mu.Lock()
		w.hangs = true
		w.mu.Unlock()
		for i := range 5000 {
			name := fmt.Sprint("c", i)
			w.set(inventory.Container{Name: name, HostConfig: inventory.HostConfig{Privileged: true}})
			w.tell("create", name, "")
		}
		w.w.mu.Lock()
		waiting := len(w.w.pending) + len(w.w.late)
		w.w.mu.Unlock()
		if waiting > 3*most {
			t.Errorf("%d containers wait", waiting)
		}
		w.mu.Lock()
		w.hangs = false
		w.mu.Unlock()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := w.count(privileged); n != 5001 {
			t.Errorf("%d of 5001 were judged", n)
		}
		if lines := strings.Count(w.log.String(), "\n"); lines > 20*most {
			t.Errorf("%d lines of log", lines)
		}
	})
}

// What cannot be read any more has not been corrected.
func TestUnknownEndsNothing(t *testing.T) {
	live(t, plain(), func(w *town) {
		c := inventory.Container{Name: "app", State: "running", PID: 7}
		c.Process.Status = inventory.Known(inventory.Status{CapBnd: 1<<41 - 1})
		w.set(c)
		w.tell("start", "app", "")
		if !w.fails("container.capabilities", "app") {
			t.Fatalf("no finding:\n%s", w.log)
		}
		c.Process.Status = inventory.Unread[inventory.Status]("permission denied")
		w.set(c)
		w.tell("update", "app", "")
		if !w.fails("container.capabilities", "app") || w.told("finding gone", "container.capabilities", "app") != 0 {
			t.Errorf("the finding is gone:\n%s", w.log)
		}
	})
}

// A container that was released stays so until it is removed, also for the next agent. What
// an earlier run found holds until containers are judged again.
func TestReleased(t *testing.T) {
	path := filepath.Join(t.TempDir(), "released.json")
	snapshot := func(w *Watch) netinfo.Container {
		s := netinfo.Snapshot{Containers: []netinfo.Container{{ID: "bad", Name: "bad"}}}
		given := s.Containers
		w.Judge(&s)
		if given[0].Judged || given[0].Released {
			t.Error("the caller's list was written to")
		}
		return s.Containers[0]
	}
	w := New(Options{Log: hclog.NewNullLogger(), Path: path})
	if c := snapshot(w); c.Judged {
		t.Error("a container counts as judged before it was")
	}
	w.Recall(netinfo.Snapshot{Containers: []netinfo.Container{{ID: "bad", Name: "bad", Judged: true, Findings: []string{privileged}}}})
	if c := snapshot(w); !c.Judged || !slices.Contains(c.Findings, privileged) || c.Released {
		t.Errorf("recalled as %+v", c)
	}
	if _, err := w.Release("worse"); err == nil {
		t.Error("a container that is not there was released")
	}
	if name, err := w.Release("bad"); name != "bad" || err != nil {
		t.Errorf("released %q, %v", name, err)
	}
	next := New(Options{Log: hclog.NewNullLogger(), Path: path})
	if c := snapshot(next); !c.Released {
		t.Error("the next agent does not know of it")
	}
	next.removed("bad")
	if c := snapshot(New(Options{Log: hclog.NewNullLogger(), Path: path})); c.Released {
		t.Error("it is remembered though the container was removed")
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := snapshot(New(Options{Log: hclog.NewNullLogger(), Path: path})); c.Released {
		t.Error("a file that cannot be read released it")
	}
}

// With a quarantine block the host is judged at once, and the loop is told of what changed.
func TestQuarantineIsTold(t *testing.T) {
	doc := plain()
	doc.Policy.Quarantines = []*policy.Quarantine{{Name: "q", On: []string{privileged}}}
	synctest.Test(t, func(t *testing.T) {
		e, told := newEngine(), make(chan string, 100)
		e.set(inventory.Container{Name: "old"})
		w := New(Options{Log: hclog.NewNullLogger(), Gather: e.gather, Dial: func(context.Context) (Engine, error) { return e, nil },
			Process: func(*inventory.Container) {}, Changed: func(cause string) { told <- cause }})
		w.Use(doc)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { w.Run(ctx) })
		synctest.Wait()
		if len(told) == 0 {
			t.Error("the first judgement was not told")
		}
		for len(told) > 0 {
			<-told
		}
		e.set(inventory.Container{Name: "new"})
		for range 2 {
			e.events <- docker.Happening{Action: "create", ID: "new"}
			synctest.Wait()
		}
		if len(told) != 1 {
			t.Errorf("told %d times of a container that was judged twice and is the same, want once", len(told))
		}
		cancel()
		wg.Wait()
	})
}
