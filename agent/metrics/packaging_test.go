package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What ships with the agent asks for metrics that there are.
func TestPackagedQueries(t *testing.T) {
	_, m := newWorld()
	m.Denied("published.shop")
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, f := range families {
		there[f.GetName()] = true
	}
	name := regexp.MustCompile(`dockwall_[a-z_]+`)
	for _, e := range append(alerts(t), panels(t)...) {
		names := name.FindAllString(e, -1)
		if len(names) == 0 {
			t.Errorf("%s asks for nothing", e)
		}
		for _, n := range names {
			if !there[strings.TrimSuffix(n, "_bucket")] {
				t.Errorf("%s: there is no %s", e, n)
			}
		}
	}
}

// The manual's table has each metric that there is, and no other.
func TestManualNamesEveryMetric(t *testing.T) {
	_, m := newWorld()
	m.Denied("published.shop")
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	page := string(packaged(t, "doc/monitoring.md"))
	for _, row := range regexp.MustCompile("(?m)^\\| `dockwall_.*?\\|").FindAllString(page, -1) {
		for _, name := range regexp.MustCompile(`dockwall_[a-z_]+`).FindAllString(row, -1) {
			told[name] = true
		}
	}
	for _, f := range families {
		if !told[f.GetName()] {
			t.Errorf("the manual does not name %s", f.GetName())
		}
		delete(told, f.GetName())
	}
	for name := range told {
		t.Errorf("the manual names %s, which there is not", name)
	}
}

func packaged(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../packaging/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func alerts(t *testing.T) (exprs []string) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(packaged(t, "prometheus/alerts.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			exprs = append(exprs, r.Expr)
		}
	}
	if len(exprs) == 0 {
		t.Error("there are no alerts")
	}
	return exprs
}

func panels(t *testing.T) (exprs []string) {
	t.Helper()
	var board struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(packaged(t, "grafana/dockwall.json"), &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	if len(exprs) == 0 {
		t.Error("there are no panels")
	}
	return exprs
}
