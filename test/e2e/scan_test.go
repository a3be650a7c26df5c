package e2e_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"dockwall/test/lab"
)

// TestScan has a container try many addresses that it may not reach, and another try one
// address as often: the audit names the first alone.
func TestScan(t *testing.T) {
	oneByOne(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		h := watchHost{l, t, l.Agentd("defaults {\n  egress = \"deny\"\n}\n")}
		scanner, quiet := l.RunContainer(lab.Spec{Name: "scanner"}), l.RunContainer(lab.Spec{Name: "quiet"})
		wan := l.ClientAddr("wan", 4)
		const check = "container.scan"
		dial := func(from *lab.Container, port func(n int) uint16) {
			var wg sync.WaitGroup
			client := from.Client()
			for n := range 25 {
				wg.Go(func() { client.Dial("tcp", wan, port(n)) })
			}
			wg.Wait()
		}
		dial(quiet, func(int) uint16 { return 443 })
		// The rule reports ten packets a second, whoever sends them.
		next := 1000
		for deadline := time.Now().Add(30 * time.Second); h.logged("finding", check, "scanner") == 0; next += 25 {
			dial(scanner, func(n int) uint16 { return uint16(next + n) })
			if time.Now().After(deadline) {
				t.Fatalf("the scan was not found\n%s", h.agent.Log())
			}
		}
		if h.logged("finding", check, "quiet") > 0 {
			t.Errorf("a container that tries one port again is said to scan")
		}
		// The page names the most severe findings alone; the JSON counts all.
		if text, _, _ := l.Agentctl("status", "--json"); !strings.Contains(text, `"`+check+`"`) {
			t.Errorf("status does not count it\n%s", text)
		}
	})
}
