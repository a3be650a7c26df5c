package audit

import (
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"slices"

	rules "dockwall/rules/audit"
	"dockwall/rules/finding"
)

// sarifSchema is the schema of version 2.1.0.
const sarifSchema = "https://json.schemastore.org/sarif-2.1.0.json"

// The parts of SARIF 2.1.0 that the report has, by the names of the standard.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID                   string         `json:"id"`
		ShortDescription     sarifText      `json:"shortDescription"`
		FullDescription      sarifText      `json:"fullDescription"`
		Help                 sarifText      `json:"help"`
		DefaultConfiguration sarifConfig    `json:"defaultConfiguration"`
		Properties           sarifRuleProps `json:"properties"`
	}
	sarifRuleProps struct {
		Tags []string `json:"tags"`
		// SecuritySeverity is what code scanning services sort by.
		SecuritySeverity string    `json:"security-severity"`
		CIS              rules.CIS `json:"cis,omitzero"`
	}
	sarifConfig struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Kind         string             `json:"kind"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical         *sarifPhysical `json:"physicalLocation,omitempty"`
		LogicalLocations []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
		Kind               string `json:"kind"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
)

// SARIF writes the report as SARIF 2.1.0. version is dockwall's.
func SARIF(w io.Writer, r rules.Report, version string) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "dockwall", Version: version, Rules: []sarifRule{}}}, Results: []sarifResult{}}
	index := map[string]int{}
	for _, c := range rules.Checks() {
		if slices.ContainsFunc(r.Findings, func(f rules.Finding) bool { return f.ID == c.ID }) {
			index[c.ID] = len(run.Tool.Driver.Rules)
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(c))
		}
	}
	for _, f := range r.Findings {
		run.Results = append(run.Results, sarifResultOf(f, index[f.ID]))
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(sarifLog{sarifSchema, "2.1.0", []sarifRun{run}})
}

func sarifRuleOf(c rules.Check) sarifRule {
	score := map[finding.Severity]string{finding.Low: "3.0", finding.Medium: "6.0", finding.High: "8.0"}
	return sarifRule{ID: c.ID, ShortDescription: sarifText{c.Title}, FullDescription: sarifText{c.Why}, Help: sarifText{c.Fix},
		DefaultConfiguration: sarifConfig{sarifLevel(c.Severity)},
		Properties:           sarifRuleProps{Tags: []string{"security", string(c.Group)}, SecuritySeverity: score[c.Severity], CIS: c.CIS}}
}

func sarifLevel(s finding.Severity) string {
	switch s {
	case finding.High:
		return "error"
	case finding.Medium:
		return "warning"
	}
	return "note"
}

// sarifKinds are SARIF's words for states. "open": there was not enough information.
func sarifKinds() map[rules.State]string {
	return map[rules.State]string{rules.Pass: "pass", rules.Fail: "fail", rules.Waived: "fail", rules.Unknown: "open", rules.NotApplicable: "notApplicable", rules.Note: "review"}
}

func sarifResultOf(f rules.Finding, index int) sarifResult {
	r := sarifResult{RuleID: f.ID, RuleIndex: index, Kind: sarifKinds()[f.State], Level: "none", Message: sarifText{f.Subject.String() + ": " + f.Detail},
		Locations:    []sarifLocation{{LogicalLocations: []sarifLogical{{f.Subject.String(), "resource"}}}},
		Fingerprints: map[string]string{"checkAndSubject/v1": f.ID + " " + f.Subject.String()}}
	if r.Kind == "fail" { // the standard allows a level for failures only
		r.Level = sarifLevel(f.Severity)
	}
	if p := f.Place; p != nil {
		// A relative path is from where agentctl runs: in CI that is the repository.
		u := url.URL{Path: p.File}
		if filepath.IsAbs(p.File) {
			u.Scheme = "file"
		}
		r.Locations[0].Physical = &sarifPhysical{sarifArtifact{u.String()}, sarifRegion{p.Line}}
		// Lines move when others are added; the text of the finding moves less.
		r.Fingerprints["checkAndSubject/v1"] += ": " + f.Detail
	}
	if f.Waiver != nil {
		r.Suppressions = []sarifSuppression{{"external", f.Waiver.Reason}}
	}
	return r
}
