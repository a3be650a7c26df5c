package dataplane

import (
	"testing"
	"testing/synctest"
	"time"
)

// A process ID is ours as long as its command runs and a moment longer, and
// nobody's for ever: it will be somebody else's.
func TestChildrenAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c children
		if c.has(7) || c.has(0) {
			t.Error("before anything was started there are children")
		}
		c.begun(7)
		time.Sleep(time.Hour)
		if !c.has(7) {
			t.Error("one that runs is forgotten")
		}
		c.gone(7)
		time.Sleep(childMemory)
		if !c.has(7) {
			t.Error("one that ended a moment ago is forgotten")
		}
		time.Sleep(time.Millisecond)
		if c.has(7) {
			t.Error("one that is gone is remembered")
		}
		c.begun(8)
		if len(c.ended) != 1 {
			t.Errorf("kept are %v", c.ended)
		}
	})
}
