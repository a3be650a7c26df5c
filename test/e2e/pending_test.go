package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dockwall/agent/reconcile"
	"dockwall/rules/finding"
	"dockwall/test/lab"
)

// TestWhatIsNotInForceIsSaid has another program hold the lock of iptables-legacy
// while the file is tightened, and while a container starts: a second later status
// says that the change is not in force, although the loop is waiting for a program,
// and that it is once it is.
func TestWhatIsNotInForceIsSaid(t *testing.T) {
	l := lab.New(t, lab.Options{Variant: "legacy"})
	l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
	open := `published "web" { from = ["any"] }` + "\n"
	l.Agentd(open)
	must(t, l, lab.Ask{From: l.Client("wan2"), Proto: "tcp", Addr: l.HostAddr("eth0", 4), Port: 8080}, "web")

	release := holdLock(t, l)
	l.WriteConfig("# no policy\n")
	began := time.Now()
	st := awaitReason(t, l, "pending", true)
	t.Logf("after %v: %s", time.Since(began).Round(time.Millisecond), st)
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("status says so after %v, when the change was not late yet", took)
	}
	time.Sleep(2 * time.Second) // it goes on saying so
	awaitReason(t, l, "pending", true)
	if r := l.Client("wan2").Dial("tcp", l.HostAddr("eth0", 4), 8080); !r.OK {
		t.Errorf("the change was in force all the time: %s", r)
	}
	release()
	awaitReason(t, l, "pending", false)
	if r := l.Client("wan2").Dial("tcp", l.HostAddr("eth0", 4), 8080); r.OK {
		t.Errorf("status says that the change is in force: %s", r)
	}
}

// holdLock takes the lock that iptables-legacy takes, until the returned function is
// called.
func holdLock(t *testing.T, l *lab.Lab) (release func()) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(filepath.Dir(l.ControlSocket()), "..", "xtables.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return func() { f.Close() }
}

// awaitReason asks for the state until it has the reason, or has it no more.
func awaitReason(t *testing.T, l *lab.Lab, code string, has bool) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, errs, _ := l.Agentctl("status", "--json")
		var st reconcile.Status
		if err := json.Unmarshal([]byte(out), &st); err != nil {
			t.Fatalf("status: %v\n%s%s", err, out, errs)
		}
		i := slices.IndexFunc(st.Reasons, func(r finding.Finding) bool { return string(r.Code) == code })
		switch {
		case has && i >= 0 && st.State == reconcile.Degraded:
			return st.Reasons[i].Message
		case !has && st.State == reconcile.Enforcing:
			return ""
		case time.Now().After(deadline):
			t.Fatalf("the reason %s is to be %v, and status is %+v", code, has, st)
		}
	}
}
