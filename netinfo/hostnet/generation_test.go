package hostnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"dockwall/test/nstest"
)

// needNFTables skips where the kernel has no nf_tables.
func needNFTables(t *testing.T) {
	t.Helper()
	if _, err := CurrentGeneration(); errors.Is(err, ErrNoNFTables) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

func startGenerations(t *testing.T, ns netns.NsHandle) <-chan Generation {
	t.Helper()
	seen := make(chan Generation, 100)
	goIn(t, ns, func(ctx context.Context) {
		err := Generations(ctx, inFilter, func(g Generation) { seen <- g }, func(err error) { t.Error(err) })
		if err != nil {
			t.Error(err)
		}
	})
	if g := receive(t, seen, "the first notice"); g != (Generation{}) {
		t.Errorf("the first notice is %+v, want a zero one", g)
	}
	return seen
}

func TestGenerationsTellEachTransactionOfOthers(t *testing.T) {
	ns := nstest.New(t)
	needNFTables(t)
	seen := startGenerations(t, ns)
	for i, rules := range []string{
		"*filter\n:MINE - [0:0]\n-A MINE -j RETURN\nCOMMIT\n",
		// Two tables are two transactions.
		"*filter\n-A MINE -j DROP\nCOMMIT\n*mangle\n-A FORWARD -j MARK --set-mark 1\nCOMMIT\n",
	} {
		before, err := CurrentGeneration()
		nstest.Must(t, err)
		nstest.Restore(t, 4+2*i, strings.Replace(rules, "-A MINE -j DROP", ":MINE -", 1))
		after, err := CurrentGeneration()
		nstest.Must(t, err)
		if after.ID == before.ID {
			t.Fatalf("restore %d did not move the generation from %d", i, before.ID)
		}
		for want := before.ID + 1; want != after.ID+1; want++ {
			g := receive(t, seen, fmt.Sprintf("generation %d", want))
			if g.ID != want || g.PID == 0 || !strings.Contains(g.Process, "tables") {
				t.Errorf("got %+v, want generation %d of some iptables", g, want)
			}
		}
	}
}

// What Docker does for each container that starts must not look like a change
// of what is watched.
func TestGenerationsTellWhatMatters(t *testing.T) {
	ns := nstest.New(t)
	needNFTables(t)
	seen := startGenerations(t, ns)
	for _, tc := range []struct {
		family int
		rules  string
		want   bool
	}{
		{4, "*filter\n:MINE - [0:0]\nCOMMIT\n", true},
		{4, "*nat\n:OTHER - [0:0]\n-A OTHER -j RETURN\nCOMMIT\n", false},
		{4, "*filter\n:OTHER - [0:0]\n-A OTHER -j RETURN\nCOMMIT\n", false},
		{4, "*filter\n-A OTHER -j DROP\n-A MINE -j DROP\nCOMMIT\n", true},
		{4, "*filter\n-F MINE\nCOMMIT\n", true},
		{6, "*filter\n:MINE - [0:0]\nCOMMIT\n", true},
	} {
		nstest.Restore(t, tc.family, tc.rules)
		after, err := CurrentGeneration()
		nstest.Must(t, err)
		relevant := false
		for g := (Generation{}); g.ID != after.ID; {
			g = receive(t, seen, "a generation")
			relevant = relevant || g.Relevant
		}
		if relevant != tc.want {
			t.Errorf("IPv%d %q: relevant is %v, want %v", tc.family, tc.rules, relevant, tc.want)
		}
	}
}

// inFilter watches the chain MINE of the filter tables.
func inFilter(p Place) bool {
	return p.Family != 0 && p.Table == "filter" && (p.Chain == "" || p.Chain == "MINE")
}

func TestGenerationsReopenAfterOverflow(t *testing.T) {
	ns := nstest.New(t)
	needNFTables(t)
	hold := make(chan struct{})
	events := make(chan any, 1000)
	goIn(t, ns, func(ctx context.Context) {
		err := generations(ctx, 1, inFilter, func(g Generation) { events <- g; <-hold }, func(err error) { events <- err })
		if err != nil {
			t.Error(err)
		}
	})
	receive(t, events, "the first notice")
	func() {
		defer close(hold)
		var many strings.Builder
		for i := range 30 {
			fmt.Fprintf(&many, "*filter\n:C%d - [0:0]\nCOMMIT\n", i)
		}
		nstest.Restore(t, 4, many.String())
	}()
	next := func() any { return receive(t, events, "the overflow and what follows") }
	e := next()
	for ; e != any(Generation{}); e = next() {
		if err, ok := e.(error); ok && !errors.Is(err, unix.ENOBUFS) {
			t.Errorf("the error is %v, want ENOBUFS", err)
		}
	}
	now, err := CurrentGeneration()
	nstest.Must(t, err)
	nstest.Restore(t, 4, "*filter\n:LAST - [0:0]\nCOMMIT\n")
	for g, ok := next().(Generation); !ok || g.ID != now.ID+1; {
		g, ok = next().(Generation)
	}
}

func TestGenerationsAreOfOneNamespace(t *testing.T) {
	ns := nstest.New(t)
	needNFTables(t)
	seen := startGenerations(t, ns)
	nstest.Add(t)
	nstest.Restore(t, 4, "*filter\n:OTHER - [0:0]\nCOMMIT\n")
	nstest.In(t, ns, func() { nstest.Restore(t, 4, "*filter\n:MINE - [0:0]\nCOMMIT\n") })
	var want Generation
	nstest.In(t, ns, func() {
		var err error
		want, err = CurrentGeneration()
		nstest.Must(t, err)
	})
	for g := (Generation{}); g.ID != want.ID; {
		g = receive(t, seen, "our own generation")
		if g.ID > want.ID {
			t.Fatalf("got %+v, beyond our own %d", g, want.ID)
		}
	}
}

func TestKernelWithoutNFTablesIsTold(t *testing.T) {
	for _, errno := range []error{unix.EINVAL, unix.EPROTONOSUPPORT, unix.EOPNOTSUPP} {
		wrapped := &netlink.OpError{Op: "receive", Err: os.NewSyscallError("recvmsg", errno)}
		if err := noNFTables(wrapped); !errors.Is(err, ErrNoNFTables) {
			t.Errorf("%v became %v", errno, err)
		}
	}
	if err := noNFTables(unix.EPERM); errors.Is(err, ErrNoNFTables) {
		t.Error("a refusal was taken for a kernel without nf_tables")
	}
}
