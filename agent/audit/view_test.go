package audit

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// object is what the schema of SARIF 2.1.0 says of a kind of object: the properties
// that it may have (additionalProperties is false), and those that it needs.
type object struct {
	properties, required string
	children             map[string]string
	enums                map[string]string
}

// sarifObjects are the objects of the schema that the report has.
func sarifObjects() map[string]object {
	const message = "text markdown id arguments properties"
	return map[string]object{
		"sarifLog": {"$schema version runs inlineExternalProperties properties", "version runs", map[string]string{"runs": "run"}, map[string]string{"version": "2.1.0"}},
		"run": {"tool invocations conversion language versionControlProvenance originalUriBaseIds artifacts logicalLocations graphs results automationDetails " +
			"runAggregates baselineGuid redactionTokens defaultEncoding defaultSourceLanguage newlineSequences columnKind externalPropertyFileReferences " +
			"threadFlowLocations taxonomies addresses translations policies webRequests webResponses specialLocations properties", "tool",
			map[string]string{"tool": "tool", "results": "result"}, nil},
		"tool": {"driver extensions properties", "driver", map[string]string{"driver": "toolComponent"}, nil},
		"toolComponent": {"guid name organization product productSuite shortDescription fullDescription fullName version semanticVersion dottedQuadFileVersion " +
			"releaseDateUtc downloadUri informationUri globalMessageStrings notifications rules taxa locations language contents isComprehensive " +
			"localizedDataSemanticVersion minimumRequiredLocalizedDataSemanticVersion associatedComponent translationMetadata supportedTaxonomies properties", "name",
			map[string]string{"rules": "reportingDescriptor"}, nil},
		"reportingDescriptor": {"id deprecatedIds guid deprecatedGuids name deprecatedNames shortDescription fullDescription messageStrings defaultConfiguration helpUri help " +
			"relationships properties", "id", map[string]string{"shortDescription": "multiformatMessageString", "fullDescription": "multiformatMessageString",
			"help": "multiformatMessageString", "defaultConfiguration": "reportingConfiguration"}, nil},
		"multiformatMessageString": {"text markdown properties", "text", nil, nil},
		"reportingConfiguration":   {"enabled level rank parameters properties", "", nil, map[string]string{"level": "none note warning error"}},
		"result": {"ruleId ruleIndex rule kind level message analysisTarget locations guid correlationGuid occurrenceCount partialFingerprints fingerprints stacks " +
			"codeFlows graphs graphTraversals relatedLocations suppressions baselineState rank attachments hostedViewerUri workItemUris provenance fixes taxa " +
			"webRequest webResponse properties", "message", map[string]string{"message": "message", "locations": "location", "suppressions": "suppression"},
			map[string]string{"kind": "notApplicable pass fail review open informational", "level": "none note warning error"}},
		"message":         {message, "text", nil, nil},
		"location":        {"id physicalLocation logicalLocations message annotations relationships properties", "", map[string]string{"logicalLocations": "logicalLocation"}, nil},
		"logicalLocation": {"name index fullyQualifiedName decoratedName parentIndex kind properties", "", nil, nil},
		"suppression":     {"guid kind status justification location properties", "kind", nil, map[string]string{"kind": "inSource external", "status": "accepted underReview rejected"}},
	}
}

// validate holds a value to the schema.
func validate(t *testing.T, kind, path string, v any) {
	t.Helper()
	if list, ok := v.([]any); ok {
		for _, e := range list {
			validate(t, kind, path, e)
		}
		return
	}
	m, ok := v.(map[string]any)
	o, known := sarifObjects()[kind]
	if !ok || !known {
		t.Fatalf("%s is %T, want the object %s", path, v, kind)
	}
	for _, name := range strings.Fields(o.required) {
		if m[name] == nil {
			t.Errorf("%s lacks %s", path, name)
		}
	}
	for name, child := range m {
		if !slices.Contains(strings.Fields(o.properties), name) {
			t.Errorf("%s.%s is not in the schema", path, name)
		}
		if allowed := o.enums[name]; allowed != "" && !slices.Contains(strings.Fields(allowed), child.(string)) {
			t.Errorf("%s.%s is %q", path, name, child)
		}
		if o.children[name] != "" {
			validate(t, o.children[name], path+"."+name, child)
		}
	}
}

func TestSARIF(t *testing.T) {
	for name, r := range map[string]rules.Report{"report": report(), "empty": {}} {
		var b bytes.Buffer
		if err := SARIF(&b, r, "v1.2.3"); err != nil {
			t.Fatal(err)
		}
		var whole any
		if err := json.Unmarshal(b.Bytes(), &whole); err != nil {
			t.Fatal(err)
		}
		validate(t, "sarifLog", name, whole)
		var log sarifLog
		if err := json.Unmarshal(b.Bytes(), &log); err != nil {
			t.Fatal(err)
		}
		run := log.Runs[0]
		if len(run.Results) != len(r.Findings) {
			t.Errorf("%d results for %d findings", len(run.Results), len(r.Findings))
		}
		for i, res := range run.Results {
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
