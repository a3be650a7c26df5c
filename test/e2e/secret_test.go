package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dockwall/test/lab"
)

// TestSecretsStayOutOfTheLog has the operator's file name a list that another program
// has linked to a file with secrets. Neither the log nor status nor check shows a part
// of it, and all say which line of which file is wrong.
func TestSecretsStayOutOfTheLog(t *testing.T) {
	l := lab.New(t, lab.Options{})
	good := "addresses \"feed\" {\n  file = \"feed.cidr\"\n}\npublished \"p\" {\n  from = [addresses.feed]\n}\n"
	feed := filepath.Join(filepath.Dir(l.ConfigPath()), "feed.cidr")
	secret := filepath.Join(t.TempDir(), "shadow")
	for path, text := range map[string]string{feed: "192.0.2.10\n", secret: "root:$6$s4lt$hunter2:19000:0:99999:7:::\nhunter2\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	agent := l.Agentd(good)
	if err := os.Remove(feed); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, feed); err != nil {
		t.Fatal(err)
	}
	agent.WaitState("degraded")
	shown := agent.Log()
	for _, verb := range [][]string{{"check"}, {"check", "--json"}, {"status"}, {"status", "--json"}, {"diff"}} {
		out, errs, _ := l.Agentctl(verb...)
		if !strings.Contains(out+errs, "feed.cidr") {
			t.Errorf("%v does not name the file:\n%s%s", verb, out, errs)
		}
		shown += out + errs
	}
	for _, word := range []string{"hunter2", "s4lt", "19000"} {
		if strings.Contains(shown, word) {
			t.Errorf("%q is shown:\n%s", word, shown)
		}
	}
	if want := fmt.Sprintf("%s:1:1", feed); !strings.Contains(shown, want) {
		t.Errorf("%s is not named:\n%s", want, shown)
	}
}
