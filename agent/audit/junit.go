package audit

import (
	"encoding/xml"
	"io"

	rules "dockwall/rules/audit"
)

// The parts of JUnit's format that CI systems read.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitMessage `xml:"failure"`
		Error   *junitMessage `xml:"error"`
		Skipped *junitMessage `xml:"skipped"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the report in JUnit's format: a suite for each group, a case for each
// finding. Unknown is an error; notes, waivers and what is not applicable are skipped.
func JUnit(w io.Writer, r rules.Report) error {
	all := junitSuites{Name: "dockwall audit"}
	for _, g := range rules.Groups() {
		s := junitSuite{Name: string(g)}
		for _, f := range r.Findings {
			if f.Group == g {
				s.add(f)
			}
		}
		if s.Tests > 0 {
			all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
			all.Suites = append(all.Suites, s)
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(f rules.Finding) {
	c := junitCase{Class: f.ID, Name: clean(f.Subject.String())}
	m := &junitMessage{Message: clean(f.Detail), Type: string(f.Severity), Text: clean(f.Fix)}
	s.Tests++
	switch f.State {
	case rules.Fail:
		s.Failures++
		c.Failure = m
	case rules.Unknown:
		s.Errors++
		c.Error = m
	case rules.Pass:
	default:
		s.Skipped++
		m.Type, m.Message, m.Text = "", string(f.State)+": "+m.Message, ""
		c.Skipped = m
	}
	s.Cases = append(s.Cases, c)
}
