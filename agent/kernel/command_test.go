package kernel

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
		c.begun(7, "iptables-save")
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
		c.begun(8, "ipset")
		if len(c.all) != 1 {
			t.Errorf("kept are %v", c.all)
		}
	})
}

func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k Kernel
		k.children.begun(7, "iptables-legacy-restore")
		if s := k.Busy(); s != "" {
			t.Errorf("at once: %q", s)
		}
		time.Sleep(2 * time.Second)
		k.children.begun(8, "ipset")
		if s := k.Busy(); s != "dockwall waits for iptables-legacy-restore, which has been running for 2s: another program may hold /run/xtables.lock" {
			t.Errorf("after two seconds: %q", s)
		}
		k.children.gone(7)
		if s := k.Busy(); s != "" {
			t.Errorf("after its end: %q", s)
		}
	})
}
