package finding

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/rules"
)

func TestTableIsWhole(t *testing.T) {
	seen := map[Code]bool{}
	for _, k := range Kinds() {
		switch {
		case seen[k.Code]:
			t.Errorf("%s stands twice in the table", k.Code)
		case !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(string(k.Code)):
			t.Errorf("%s is not a word of small letters", k.Code)
		case k.Means == "" || k.Fix == "":
			t.Errorf("%s does not say what it means and what to do", k.Code)
		case k.Severity != Low && k.Severity != Medium && k.Severity != High:
			t.Errorf("%s has the severity %q", k.Code, k.Severity)
		case k.Effect != Warns && k.Effect != Degrades && k.Effect != NotInForce:
			t.Errorf("%s has the effect %q", k.Code, k.Effect)
		case k.Pass != "" && k.Effect != NotInForce:
			t.Errorf("%s: a pass that fails leaves something not in force", k.Code)
		case k.Severity == High && !k.Degrades():
			t.Errorf("%s is high, but the state would be enforcing", k.Code)
		}
		seen[k.Code] = true
	}
}

func TestUnknownCode(t *testing.T) {
	if k := KindOf("from_tomorrow"); k.Degrades() || k.FailedPass() || k.Code != "from_tomorrow" {
		t.Errorf("an unknown code is %+v, want a warning", k)
	}
}

func TestNewReadsTheTable(t *testing.T) {
	at := rules.Origin{File: "agent.hcl", Line: 3}
	f := New(Backend, "no tool").About("host").At(at).WithFix()
	want := Finding{Code: "backend", Severity: High, Subject: "host", Message: "no tool", Fix: KindOf(Backend).Fix, Origin: at}
	if d := cmp.Diff(want, f); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestSort(t *testing.T) {
	at := func(line int) rules.Origin { return rules.Origin{File: "agent.hcl", Line: line} }
	a, b, c := New(NICMissing, "a").At(at(1)), New(NICMissing, "b").At(at(1)), New(Config, "x").At(at(9))
	host := New(NoLatch, "host")
	if d := cmp.Diff([]Finding{host, a, b, c}, Sort([]Finding{c, b, host, a, b})); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestWith(t *testing.T) {
	if With([]Finding{New(Pending, ""), New(DockerAway, "")}, Kind.FailedPass) {
		t.Error("pending and docker_away are no failed pass")
	}
	if !With([]Finding{New(DockerAway, ""), New(ContestedRules, "")}, Kind.FailedPass) {
		t.Error("contested is a failed pass")
	}
}
