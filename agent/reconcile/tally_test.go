package reconcile

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// lines is a log that tests read.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// TestContainersAreOneLineAMinute has a container come and go every ten seconds for ten
// minutes: the log counts these changes once a minute, and writes a change of the file
// at once.
func TestContainersAreOneLineAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, log := newMachine(), &lines{}
		m.log = hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Info})
		l := m.start(t)
		<-l.Ready()
		synctest.Wait()
		if first := log.take(); !strings.Contains(first, "kernel changed: ") {
			t.Errorf("the start is not logged:\n%s", first)
		}
		for n := range 60 {
			address := "172.17.0.9"
			if n%2 == 1 {
				address = "172.17.0.10"
			}
			m.locked(func() { m.snapshot = hostWithContainer(address) })
			l.Poke(DueFacts, "container start web")
			time.Sleep(10 * time.Second)
		}
		synctest.Wait()
		text := log.take()
		if n := strings.Count(text, "\n"); n < 8 || n > 10 || strings.Count(text, "changes=") != n {
			t.Errorf("%d lines in ten minutes:\n%s", n, text)
		}
		if !strings.Contains(text, `last_cause="container start web"`) {
			t.Errorf("the cause is not named:\n%s", text)
		}
	})
}
