package trial

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/agent/enforce"
	"dockwall/rules/plan"
)

func TestUndoIsKept(t *testing.T) {
	path := UndoPath(filepath.Join(t.TempDir(), "agent.sock"))
	if u, err := ReadUndo(path); u != nil || err != nil {
		t.Fatalf("ReadUndo of nothing = %+v, %v", u, err)
	}
	me, err := ProcessOf(os.Getpid())
	if err != nil || !me.Alive() {
		t.Fatalf("ProcessOf(this) = %+v, %v", me, err)
	}
	want := &Undo{ID: "x", File: "/etc/dockwall/agent.hcl", Deadline: NewDeadline(SystemClock(), time.Minute), Rest: enforce.Rest{Variant: "nft"}, Waiting: me,
		Steps: []plan.Step{{Action: plan.RestoreTable{Tool: "iptables-nft", Script: plan.Script{Body: "*filter\nCOMMIT\n"}}, Why: "go back", MayFail: true}}}
	if err := want.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadUndo(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if left := got.Deadline.Left(SystemClock()); left <= 50*time.Second || left > time.Minute {
		t.Errorf("of a minute there are %s left", left)
	}
	if err := ForgetUndo(path); err != nil {
		t.Fatal(err)
	}
	if u, err := ReadUndo(path); u != nil || err != nil {
		t.Errorf("ReadUndo after ForgetUndo = %+v, %v", u, err)
	}
}

func TestProcessEnds(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := ProcessOf(cmd.Process.Pid)
	if err != nil || !p.Alive() {
		t.Errorf("a process that runs: %+v, %v", p, err)
	}
	later := p
	later.Started++
	if later.Alive() {
		t.Error("another process of the same number is taken for the one")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if p.Alive() {
		t.Error("a process that was killed is taken to run")
	}
}

func TestUndoLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "undo.json")
	release, err := LockUndo(path)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan struct{})
	go func() {
		release, err := LockUndo(path)
		if err == nil {
			release()
		}
		close(got)
	}()
	select {
	case <-got:
		t.Fatal("two have the lock")
	case <-time.After(50 * time.Millisecond):
	}
	release()
	<-got
}
