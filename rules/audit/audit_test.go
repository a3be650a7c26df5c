package audit

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

func TestChecksAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Checks() {
		kinds := 0
		for _, is := range []bool{c.host != nil, c.container != nil, c.image != nil} {
			if is {
				kinds++
			}
		}
		switch {
		case seen[c.ID]:
			t.Errorf("%s stands twice", c.ID)
		case !regexp.MustCompile(`^[a-z]+\.[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(c.ID):
			t.Errorf("%s is no ID", c.ID)
		case c.Title == "" || c.Why == "" || c.Decides == "" || c.Fix == "":
			t.Errorf("%s lacks a text", c.ID)
		case !slices.Contains(Groups(), c.Group) || c.Severity.Weight() < 0:
			t.Errorf("%s has the group %q and the severity %q", c.ID, c.Group, c.Severity)
		case kinds > 1 || kinds == 0 && c.dockerfile == nil && c.content == nil:
			t.Errorf("%s has %d functions", c.ID, kinds)
		}
		for _, n := range append(slices.Clone(c.CIS.V16), c.CIS.V18...) {
			if !regexp.MustCompile(`^[1-7](\.\d+)+$`).MatchString(n) {
				t.Errorf("%s has the number %q", c.ID, n)
			}
		}
		seen[c.ID] = true
	}
	if len(seen) < 90 {
		t.Errorf("there are %d checks, want at least 90", len(seen))
	}
}

// The base is what all fixtures start from.
func TestBasePasses(t *testing.T) {
	in := hardened()
	for _, f := range Judge(&in, Settings{}).Findings {
		if f.State == Fail || f.State == Unknown {
			t.Errorf("%s: %s, %s", f.ID, f.State, f.Detail)
		}
	}
}

// Nothing that was read is never a pass, nor a failure.
func TestNothingRead(t *testing.T) {
	s := Settings{API: &API{Opens: func(uint16) bool { return true }}}
	for _, f := range Judge(&inventory.Inventory{}, s).Findings {
		if f.State != Unknown && f.State != Note && !strings.HasPrefix(f.ID, "audit.") { // without a skip block, there is nothing to read
			t.Errorf("%s: %s, %s", f.ID, f.State, f.Detail)
		}
	}
}

// Of a running container the kernel was asked in vain: the API's promise is no proof.
func TestUnreadProcess(t *testing.T) {
	in := hardened()
	in.Containers.Value[0].Process = inventory.Process{}
	unproven := []string{"container.exec-privileged", "container.capabilities", "container.net-raw", "container.seccomp", "container.apparmor", "container.no-new-privileges",
		"container.root", "container.host-network", "container.host-pid", "container.host-ipc", "container.host-uts", "container.host-cgroup", "container.host-users",
		"container.mount-propagation", "container.read-only", "container.memory", "container.pids", "container.ulimits", "container.sshd", "container.packet-socket", "container.promiscuous", "container.one-service", "container.published-idle"}
	for _, f := range Judge(&in, Settings{}).Findings {
		if want := slices.Contains(unproven, f.ID); (f.State == Unknown) != want {
			t.Errorf("%s: %s, %s", f.ID, f.State, f.Detail)
		}
	}
}

// Each fact alone that cannot be read leaves at least one check unknown, none failed,
// and the reason is in the detail.
func TestEachFactUnread(t *testing.T) {
	n := 0
	for path := range factsIn(reflect.ValueOf(ptr(hardened())).Elem(), "") {
		in := hardened()
		if path == "/Engine/Swarm/Autolock" { // only of a manager
			in.Engine.Value.Swarm.Active, in.Engine.Value.Swarm.Manager, in.Engine.Value.Swarm.Managers = true, true, 3
		}
		fact := factsIn(reflect.ValueOf(&in).Elem(), "")[path]
		fact.FieldByName("Read").SetBool(false)
		fact.FieldByName("Reason").SetString("the reason")
		changed := false
		for _, f := range Judge(&in, Settings{}).Findings {
			if f.State == Fail {
				t.Errorf("without %s, %s fails: %s", path, f.ID, f.Detail)
			}
			changed = changed || f.State == Unknown && strings.Contains(f.Detail, "the reason")
		}
		if !changed {
			t.Errorf("no check is unknown without %s", path)
		}
		n++
	}
	if n < 25 {
		t.Errorf("only %d facts were found", n)
	}
}

func ptr[T any](v T) *T { return &v }

// factsIn are the facts in a value by their path. Facts in lists and maps are those of
// the first element.
func factsIn(v reflect.Value, path string) map[string]reflect.Value {
	all := map[string]reflect.Value{}
	add := func(v reflect.Value, path string) {
		for p, f := range factsIn(v, path) {
			all[p] = f
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.Type().PkgPath() == "dockwall/netinfo/inventory" && strings.HasPrefix(v.Type().Name(), "Fact[") {
			if v.FieldByName("Read").Bool() {
				all[path] = v
			}
			add(v.FieldByName("Value"), path)
			return all
		}
		for i := range v.NumField() {
			add(v.Field(i), path+"/"+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		if v.Len() > 0 {
			add(v.Index(0), path)
		}
	}
	return all
}

func TestCode(t *testing.T) {
	of := func(states ...State) Report {
		var r Report
		for _, s := range states {
			r.Findings = append(r.Findings, Finding{State: s, Severity: finding.Medium})
		}
		return r
	}
	for _, c := range []struct {
		r    Report
		on   finding.Severity
		want int
	}{
		{of(), finding.Low, 0}, {of(Pass, Waived, Note, NotApplicable), finding.Low, 0}, {of(Pass, Fail, Unknown), finding.Medium, 1},
		{of(Fail), finding.High, 0}, {of(Unknown), finding.High, 0}, {of(Pass, Unknown), finding.Low, 2},
	} {
		if got := c.r.Code(c.on); got != c.want {
			t.Errorf("%+v on %s is %d, want %d", c.r, c.on, got, c.want)
		}
	}
}

func TestOneContainer(t *testing.T) {
	in := hardened()
	other := web()
	other.ID, other.Name = "c2", "db"
	in.Containers.Value = append(in.Containers.Value, other)
	for _, f := range Judge(&in, Settings{Container: "db"}).Findings {
		if f.Subject.ID != "c2" {
			t.Errorf("%s is about %v", f.ID, f.Subject)
		}
	}
}

func TestReference(t *testing.T) {
	for s, want := range map[string]reference{
		"nginx": {"docker.io", "", ""}, "nginx:1": {"docker.io", "1", ""}, "user/app": {"docker.io", "", ""}, "localhost/app:x": {"localhost", "x", ""},
		"r.example:5000/a/b": {"r.example:5000", "", ""}, "r.example:5000/a@sha256:ff": {"r.example:5000", "", "sha256:ff"}, "a:1@sha256:ff": {"docker.io", "1", "sha256:ff"},
	} {
		if got, bare := parseReference(s); got != want || bare {
			t.Errorf("%s is %+v", s, got)
		}
	}
	if _, bare := parseReference("sha256:" + strings.Repeat("a", 64)); !bare {
		t.Error("an ID is no name")
	}
}
