package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
	"dockwall/agent/lastgood"
	"dockwall/agent/trial"
)

const (
	goodFile = "published \"shop\" {\n  from = [\"203.0.113.0/24\"]\n}\n"
	badFile  = "published \"shop\" {\n}\n"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// kept has the file's policy kept as the last good one in a folder.
func kept(t *testing.T, file string) (state string) {
	t.Helper()
	doc, diags := config.Load(file)
	if doc == nil {
		t.Fatal(diags.Err())
	}
	state = t.TempDir()
	if err := lastgood.Save(lastgood.Path(state, ""), doc); err != nil {
		t.Fatal(err)
	}
	return state
}

// newLoader is a loader without a trial.
func newLoader(t *testing.T, file string) *loader {
	t.Helper()
	return &loader{path: file, reader: config.NewReader(config.ReaderOptions{}), named: make(chan struct{}, 1), trials: trial.Open(trial.Options{Log: hclog.NewNullLogger(), Clock: trial.SystemClock(), File: file,
		Path: filepath.Join(t.TempDir(), "trial.json")})}
}

func TestBadFileAtStartFallsBack(t *testing.T) {
	for _, spoil := range []func(string) error{
		func(f string) error { return os.WriteFile(f, []byte(badFile), 0o600) },
		os.Remove,
	} {
		file := filepath.Join(t.TempDir(), "agent.hcl")
		write(t, file, goodFile)
		state := kept(t, file)
		if err := spoil(file); err != nil {
			t.Fatal(err)
		}
		again, good := 0, 0
		l := newLoader(t, file)
		l.again, l.loaded = func() { again++ }, func(*config.Document) { good++ }
		doc, err := l.start(state)
		if err != nil {
			t.Fatal(err)
		}
		if len(doc.Policy.Published) != 1 || doc.Policy.Published[0].Name != "shop" {
			t.Errorf("the policy at the start is %+v", doc.Policy)
		}
		// The loop's first load puts it in force, its second tells the errors.
		if first, diags := l.load(); first != doc || diags.HasErrors() || again != 1 {
			t.Errorf("first load: %v, %v, asked again %d times", first, diags, again)
		}
		if second, diags := l.load(); second != nil || !diags.HasErrors() {
			t.Errorf("second load: %v, %v", second, diags)
		}
		if good != 0 {
			t.Error("the last good policy was kept anew as if the file were good")
		}
		if len(l.watched()) == 0 {
			t.Error("nobody would see the file put right")
		}
		write(t, file, goodFile)
		if third, _ := l.load(); third == nil || good != 1 {
			t.Errorf("third load: %v, %d good", third, good)
		}
	}
}

func TestNothingToEnforce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent.hcl")
	write(t, file, goodFile)
	other := kept(t, file)
	mine := filepath.Join(t.TempDir(), "agent.hcl")
	write(t, mine, badFile)
	tests := []struct{ state, want string }{
		{t.TempDir(), "none is kept at "},
		{other, "is of " + file},
	}
	for _, tt := range tests {
		doc, err := newLoader(t, mine).start(tt.state)
		var none *NoPolicy
		if doc != nil || !errors.As(err, &none) {
			t.Fatalf("start = %v, %v", doc, err)
		}
		var b strings.Builder
		none.WriteText(&b, false)
		for _, want := range []string{"at " + mine + ":1:1", tt.want, "nothing was changed"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("the message lacks %q:\n%s", want, b.String())
			}
		}
	}
}
