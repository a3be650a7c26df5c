package saved

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"dockwall/rules/finding"
)

const own = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n"

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestFindings(t *testing.T) {
	for name, tt := range map[string]struct {
		path, text string
		line       int
		fix        string
	}{
		"a set":              {"etc/iptables/rules.v4", own + "-A X -m set --match-set dockwall4-h-published dst,dst -j DROP\n", 5, "iptables-save | grep -vi dockwall > /etc/iptables/rules.v4"},
		"a chain":            {"etc/iptables/rules.v6", "*filter\n:DOCKWALL-INPUT - [0:0]\nCOMMIT\n", 2, "ip6tables-save | grep -vi dockwall > /etc/iptables/rules.v6"},
		"Red Hat's":          {"etc/sysconfig/ip6tables", "*filter\n:DOCKWALL-INPUT - [0:0]\nCOMMIT\n", 2, "ip6tables-save | grep"},
		"nft's chain":        {"etc/nftables.conf", "flush ruleset\ntable ip filter {\n\tchain DOCKWALL-INPUT {\n\t}\n}\n", 3, "Take dockwall's tables and chains out of it, and the jumps"},
		"nft's table":        {"etc/nftables.conf", "table inet dockwall-cut {\n}\n", 1, "Take dockwall's tables"},
		"an included file":   {"etc/nftables.d/all.nft", "table inet dockwall {\n}\n", 1, "Take dockwall's"},
		"the host's own":     {"etc/iptables/rules.v4", own, 0, ""},
		"a comment":          {"etc/iptables/rules.v4", "# saved without DOCKWALL- chains\n" + own, 0, ""},
		"a table like it":    {"etc/nftables.conf", "table inet dockwalled {\n}\n", 0, ""},
		"nothing":            {"etc/iptables/rules.v4", "", 0, ""},
		"another file there": {"etc/iptables/notes", "DOCKWALL-INPUT", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := In(fstest.MapFS{tt.path: file(tt.text)}).Findings()
			if len(got) != min(tt.line, 1) {
				t.Fatalf("the findings are %+v", got)
			}
			if tt.line == 0 {
				return
			}
			f := got[0]
			if f.Code != finding.SavedRules || f.Subject != "/"+tt.path || !strings.Contains(f.Message, tt.fix) {
				t.Errorf("the finding is %+v", f)
			}
			if want := "line " + string(rune('0'+tt.line)) + ","; !strings.Contains(f.Message, want) {
				t.Errorf("%q does not name %s", f.Message, want)
			}
		})
	}
}

// A file that was corrected is no finding any more, and one that did not change is not
// read again.
func TestFilesAreReadAgainWhenTheyChange(t *testing.T) {
	root := fstest.MapFS{"etc/iptables/rules.v4": file(":DOCKWALL-INPUT - [0:0]\n")}
	files := In(root)
	for range 2 {
		if len(files.Findings()) != 1 {
			t.Fatal("the file is not found")
		}
	}
	if files.seen["etc/iptables/rules.v4"].line != 1 {
		t.Errorf("%+v", files.seen)
	}
	root["etc/iptables/rules.v4"] = &fstest.MapFile{Data: []byte(own), ModTime: time.Unix(1, 0)}
	if got := files.Findings(); len(got) != 0 {
		t.Errorf("after the file was corrected: %+v", got)
	}
}
