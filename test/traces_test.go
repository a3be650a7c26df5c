package test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// trace is something that a file of this repository has no reason to name.
type trace struct {
	pattern *regexp.Regexp
	why     string
}

// traces. They are spelt so that this file does not hold them itself.
func traces() []trace {
	return []trace{
		{regexp.MustCompile(`(?m)(^|[^\w./%}\])-])/(` + `work/\w|root/(\.|go/)|Users/\w|home/\w+/[\w.])`),
			"a path of one machine works on no other, and tells about its owner"},
		{regexp.MustCompile(`\b(` + `registry-1\.docker|index\.docker)\.io\b|\b(` + `ghcr|quay|gcr)\.io\b|\b(` + `proxy|sum)\.golang\.org\b|\b(` +
			`deb|security|snapshot)\.debian\.org\b|\bregistry\.npmjs\b|\bpypi\.org\b|\bcrates\.io\b`),
			"where packages come from is the machine's setting, not this repository's"},
	}
}

// TestNoTraces holds every file to what is true anywhere.
func TestNoTraces(t *testing.T) {
	for _, path := range files(t) {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatalf("reading the repository: %v", err)
		}
		if bytes.IndexByte(text, 0) >= 0 {
			continue // no text
		}
		for _, tr := range traces() {
			for _, at := range tr.pattern.FindAllIndex(text, -1) {
				line := 1 + bytes.Count(text[:at[0]], []byte("\n"))
				t.Errorf("%s:%d: %q: %s", path, line, text[at[0]:at[1]], tr.why)
			}
		}
	}
}

// TestTraces shows what is one and what is not.
func TestTraces(t *testing.T) {
	for line, want := range map[string]bool{
		`cd ` + `/wo` + `rk/main`:                 true,
		`"` + `/ro` + `ot/.config"`:               true,
		`see ` + `/ho` + `me/anna/x`:              true,
		`from gh` + `cr.io/a/b`:                   true,
		`GOPROXY=https://pro` + `xy.golang.org`:   true,
		`http://deb.deb` + `ian.org/debian`:       true,
		`/proc/1/root/proc`:                       false,
		`cp x /root/install.sh`:                   false,
		`a/work/b`:                                false,
		`docker.io is Debian's package of Docker`: false,
		`registry.example/shop/web`:               false,
		`golang.org/x/sys`:                        false,
	} {
		got := false
		for _, tr := range traces() {
			got = got || tr.pattern.MatchString(line)
		}
		if got != want {
			t.Errorf("%q is a trace: %v, want %v", line, got, want)
		}
	}
}
