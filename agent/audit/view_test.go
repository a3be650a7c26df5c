package audit

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"dockwall/netinfo/inventory"
	rules "dockwall/rules/audit"
)

var update = flag.Bool("update", false, "rewrite testdata")

// report is that of three containers, of which two are privileged and one has an evil
// name, on a host of which nothing else is known.
func report() rules.Report {
	container := func(name string, privileged bool, pid int) inventory.Container {
		c := inventory.Container{ID: "id-" + name, Name: name, Image: "nginx", PID: pid}
		c.Privileged, c.Variables = privileged, []inventory.Variable{{Name: "DB_PASSWORD", Secret: "it is named like one"}}
		c.Process.Status = inventory.Known(inventory.Status{CapBnd: 0xa80425fb, Seccomp: 2})
		return c
	}
	in := inventory.Inventory{Containers: inventory.Known([]inventory.Container{container("db", true, 10), container("evil\x1b[31m\nname", false, 11), container("web", true, 12)})}
	return rules.Judge(&in, rules.Settings{Only: []string{"container.privileged", "container.no-new-privileges", "container.host-pid", "container.secret", "container.one-service",
		"container.apparmor", "container.data", "host.services", "host.monitoring", "kernel.lsm", "image.root"}})
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s: -want +got:\n%s", name, d)
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := Text(&b, report(), false, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", b.Bytes())
	var each bytes.Buffer
	if err := Text(&each, report(), true, true); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(each.String(), "container.privileged"); n != 2 || !strings.Contains(each.String(), "\x1b[1;31m") || strings.Contains(each.String(), "\x1b[31m\n") {
		t.Errorf("%d lines for two containers in\n%s", n, each.String())
	}
}

func TestExplain(t *testing.T) {
	for _, id := range rules.IDs() {
		c, _ := rules.Find(id)
		var b bytes.Buffer
		if err := Explain(&b, c, false); err != nil || !strings.Contains(b.String(), c.Fix) {
			t.Errorf("%s: %v\n%s", id, err, b.String())
		}
	}
}

// sarifSchemaOf compiles the schema of SARIF 2.1.0, as it is in testdata.
func sarifSchemaOf(t *testing.T) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open("testdata/sarif-2.1.0-rtm.5.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The schema refuses what is no SARIF, so that it is worth asking.
func TestSARIFSchemaRefuses(t *testing.T) {
	s := sarifSchemaOf(t)
	for _, text := range []string{`{}`, `{"version":"2.0.0","runs":[]}`, `{"version":"2.1.0","runs":[{"tool":{"driver":{}}}]}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"message":{"text":"x"},"kind":"bad"}]}]}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"message":{"text":"x"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"x"},"region":{"startLine":0}}}]}]}]}`} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(v) == nil {
			t.Errorf("%s is taken for SARIF", text)
		}
	}
}

// fileReport is that of files whose names and lines are in the report.
func fileReport() rules.Report {
	return rules.JudgeFiles(rules.Sources{
		Dockerfiles: []inventory.Dockerfile{{Path: "a folder/Dockerfile%1", Stages: []inventory.BuildStage{{Line: 3, Parent: -1, Base: inventory.BuildImage{Name: "debian"}}}}, {Path: "/abs/Dockerfile", Unread: "no", Line: 7}},
		Composes:    []inventory.Compose{{Path: "compose.yaml", Services: []inventory.Container{{ID: "service web", Name: "web", Image: "nginx", Written: &inventory.Written{File: "compose.yaml", Line: 2}}}}},
	}, rules.Settings{})
}

func TestSARIF(t *testing.T) {
	for name, r := range map[string]rules.Report{"report": report(), "files": fileReport(), "empty": {}} {
		var b bytes.Buffer
		if err := SARIF(&b, r, "v1.2.3"); err != nil {
			t.Fatal(err)
		}
		whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if err := sarifSchemaOf(t).Validate(whole); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var log sarifLog
		if err := json.Unmarshal(b.Bytes(), &log); err != nil {
			t.Fatal(err)
		}
		run := log.Runs[0]
		if len(run.Results) != len(r.Findings) {
			t.Errorf("%d results for %d findings", len(run.Results), len(r.Findings))
		}
		for i, res := range run.Results {
			if p := res.Locations[0].Physical; (p != nil) != (r.Findings[i].Place != nil) || p != nil && p.Region.StartLine != r.Findings[i].Place.Line {
				t.Errorf("result %d is at %+v, the finding at %v", i, p, r.Findings[i].Place)
			}
			if run.Tool.Driver.Rules[res.RuleIndex].ID != res.RuleID || (res.Kind == "fail") != (res.Level != "none") {
				t.Errorf("result %d is %+v", i, res)
			}
		}
	}
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	r := report()
	if err := JUnit(&b, r); err != nil {
		t.Fatal(err)
	}
	var all junitSuites
	if err := xml.Unmarshal(b.Bytes(), &all); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	if all.Tests != len(r.Findings) || all.Failures != r.Count(rules.Fail, "low") || all.Errors != r.Count(rules.Unknown, "low") || all.Failures == 0 || all.Errors == 0 {
		t.Errorf("%d tests, %d failures, %d errors of %d findings", all.Tests, all.Failures, all.Errors, len(r.Findings))
	}
	golden(t, "junit.xml", b.Bytes())
}
