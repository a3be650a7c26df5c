package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/test/lab"
)

// TestReadme does on a lab what README tells to do on a host: its quickstart,
// and the commands that remove the rules without agentctl.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	for _, variant := range []string{"nft", "legacy"} {
		t.Run(variant, func(t *testing.T) {
			l := lab.New(t, lab.Options{Variant: variant})
			l.RunContainer(lab.Spec{Name: "web-1", Publish: []string{"80:80"}})
			l.RunContainer(lab.Spec{Name: "db-1", Publish: []string{"5432:5432"}, Listen: "tcp:5432"})
			fresh := l.Save()
			l.WriteConfig(block(t, readme, "hcl"))
			for _, step := range []struct {
				verb string
				code int
			}{{"check", 0}, {"diff", 1}, {"apply", 0}, {"diff", 0}} {
				if stdout, stderr, code := l.Agentctl(step.verb); code != step.code {
					t.Fatalf("agentctl %s: exit code %d, want %d\n%s%s", step.verb, code, step.code, stdout, stderr)
				}
			}
			quickstart(t, l)
			l.Host("sh", "-ec", block(t, readme, "by-hand"))
			// README says that this one may stay.
			bare := "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:DOCKER-USER - [0:0]\nCOMMIT\n"
			if diff := cmp.Diff(fresh, strings.Replace(l.Save(), bare, "", 1)); diff != "" {
				t.Errorf("removed by hand, the rules are otherwise than before (-before +after):\n%s", diff)
			}
		})
	}
}

// quickstart asks which clients reach which ports under README's policy.
func quickstart(t *testing.T, l *lab.Lab) {
	t.Helper()
	for _, family := range []int{4, 6} {
		for _, c := range []struct {
			from string
			port uint16
			want bool
		}{{"lan", 80, true}, {"wan", 80, false}, {"lan", 5432, false}, {"wan", 5432, false}} {
			r := l.Client(c.from).Dial("tcp", l.HostAddr("eth0", family), c.port)
			if r.OK != c.want {
				t.Errorf("%s to port %d over IPv%d: %s; README's policy says %v", c.from, c.port, family, r, c.want)
			}
		}
	}
}

// block is README's first code block of a language; "by-hand" is the one that
// follows the words "by hand".
func block(t *testing.T, readme, language string) string {
	t.Helper()
	if language == "by-hand" {
		_, after, found := strings.Cut(readme, "by hand")
		if !found {
			t.Fatal(`README does not say "by hand"`)
		}
		readme, language = after, "sh"
	}
	m := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(readme)
	if m == nil {
		t.Fatalf("README has no block of %s", language)
	}
	return m[1]
}
