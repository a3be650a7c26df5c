package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var errCut = errors.New("the power is cut")

// platter is what a disk holds in the worst case: names and contents that were
// not synced may be there or not.
type platter struct {
	t *testing.T
	// synced are the contents of temporary files that were synced.
	synced map[string]string
	// may are the contents that the file may have after a power cut now.
	may []string
	// steps is how many steps may still be taken.
	steps int
}

const torn = "torn"

// disk is the system's, which stops after some steps and notes what each of them
// makes possible.
func (p *platter) disk() disk {
	real := system()
	step := func(do func() error, done func()) error {
		if p.steps--; p.steps < 0 {
			return errCut
		}
		err := do()
		if err == nil {
			done()
		}
		return err
	}
	// named is what may be read under the new name.
	named := func(from string) string {
		if text, ok := p.synced[from]; ok {
			return text
		}
		return torn
	}
	return disk{
		create: func(folder, pattern string) (f *os.File, err error) {
			err = step(func() error { f, err = real.create(folder, pattern); return err }, func() {})
			return f, err
		},
		syncFile: func(f *os.File) error {
			return step(func() error { return real.syncFile(f) }, func() { p.synced[f.Name()] = p.read(f.Name()) })
		},
		rename: func(from, to string) error {
			return step(func() error { return real.rename(from, to) }, func() { p.may = append(p.may, named(from)) })
		},
		link: func(from, to string) error {
			return step(func() error { return real.link(from, to) }, func() { p.may = append(p.may, named(from)) })
		},
		remove: func(path string) error {
			return step(func() error { return real.remove(path) }, func() {
				if _, temporary := p.synced[path]; !temporary {
					p.may = append(p.may, "")
				}
			})
		},
		syncFolder: func(path string) error {
			return step(func() error { return real.syncFolder(path) }, func() { p.may = p.may[len(p.may)-1:] })
		},
	}
}

func (p *platter) read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.t.Fatal(err)
	}
	return string(text)
}

// TestPowerCut cuts the power after every number of steps.
func TestPowerCut(t *testing.T) {
	verbs := []struct {
		name     string
		old, new string
		do       func(disk, string) error
	}{
		{"replace", "old", "new", func(d disk, path string) error { return d.replace(path, []byte("new"), 0o600) }},
		{"replace nothing", "", "new", func(d disk, path string) error { return d.replace(path, []byte("new"), 0o600) }},
		{"place", "", "new", func(d disk, path string) error {
			draft, err := d.write(path, []byte("new"), path, 0o600)
			if err != nil {
				return err
			}
			return draft.Place()
		}},
		{"remove", "old", "", func(d disk, path string) error { return d.removeFile(path) }},
	}
	for _, v := range verbs {
		t.Run(v.name, func(t *testing.T) {
			for steps := 0; ; steps++ {
				path := filepath.Join(t.TempDir(), "file")
				if v.old != "" {
					if err := os.WriteFile(path, []byte(v.old), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				p := &platter{t: t, synced: map[string]string{}, may: []string{v.old}, steps: steps}
				err := v.do(p.disk(), path)
				for _, text := range append(slices.Clone(p.may), p.read(path)) {
					if text != v.old && text != v.new {
						t.Errorf("after %d steps the file may be %q", steps, text)
					}
				}
				if err == nil {
					if want := []string{v.new}; !slices.Equal(p.may, want) || p.read(path) != v.new {
						t.Errorf("it succeeded, and a power cut may leave %q", p.may)
					}
					break
				}
				if !errors.Is(err, errCut) {
					t.Fatal(err)
				}
			}
		})
	}
}
