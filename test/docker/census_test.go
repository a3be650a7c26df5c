package docker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dockwall/test/lab"
)

// TestCensus shows that `docker info` counts the states that the list of
// containers shows: running, paused, and all of them.
func TestCensus(t *testing.T) {
	for _, engine := range lab.Engines(t) {
		t.Run(engine, func(t *testing.T) {
			l := lab.New(t, lab.Options{Engine: engine, Args: []string{"--live-restore"}})
			counted := func(when string) {
				t.Helper()
				// One that ends and is started again may be counted otherwise for
				// a moment.
				var info, list string
				for range 20 {
					states := map[string]int{}
					for _, s := range strings.Fields(l.Docker("ps", "--all", "--format", "{{.State}}")) {
						states[s]++
						states["all"]++
					}
					list = fmt.Sprint(states["all"], states["running"], states["paused"])
					info = l.Docker("info", "--format", "{{.Containers}} {{.ContainersRunning}} {{.ContainersPaused}}")
					if info == list {
						return
					}
					time.Sleep(200 * time.Millisecond)
				}
				t.Errorf("%s: info says %s, the list %s", when, info, list)
			}
			counted("none")
			l.RunContainer(lab.Spec{Name: "runs"})
			l.RunContainer(lab.Spec{Name: "pauses"})
			l.Docker("pause", "pauses")
			l.CreateContainer(lab.Spec{Name: "created"})
			over := l.RunContainer(lab.Spec{Name: "over"})
			l.Docker("kill", "over")
			l.RunContainer(lab.Spec{Name: "again", Command: []string{"no such verb"}, Args: []string{"--restart", "always"}})
			counted("some of each")
			l.RestartDockerd("--live-restore")
			counted("dockerd restarted")
			l.Docker("unpause", "pauses")
			over.Remove()
			counted("unpaused and removed")
		})
	}
}
