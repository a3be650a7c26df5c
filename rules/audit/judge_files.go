package audit

import (
	"fmt"

	"dockwall/netinfo/inventory"
)

// Sources are the files that an audit judges in place of a host.
type Sources struct {
	Dockerfiles []inventory.Dockerfile
	Composes    []inventory.Compose
	Images      []inventory.Content
	// Now is the time, in seconds since 1970.
	Now int64
}

// Place is a line of a file.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

// String is the place as compilers write it, Dockerfile:12.
func (p *Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// line is the line; 0 without a place.
func (p *Place) line() int {
	if p == nil {
		return 0
	}
	return p.Line
}

// JudgeFiles judges files by the checks that are about them. Each finding names the
// line that decided. Skips accept failures as on a host; whether each accepts something
// is not judged, because most are about a host.
func JudgeFiles(files Sources, s Settings) Report {
	var r Report
	for i := range files.Dockerfiles {
		r.add(newFacts(&inventory.Inventory{}, s), func(c *Check, f *facts) []Finding { return c.judgeDockerfile(f, &files.Dockerfiles[i]) })
	}
	for i := range files.Composes {
		r.add(serviceFacts(&files.Composes[i], s), func(c *Check, f *facts) []Finding { return c.judgeCompose(f, &files.Composes[i]) })
	}
	for i := range files.Images {
		in := inventory.Inventory{Now: files.Now, Images: inventory.Known([]inventory.Image{files.Images[i].Image})}
		r.add(newFacts(&in, s), func(c *Check, f *facts) []Finding { return c.judgeContent(f, &files.Images[i]) })
	}
	r.sort()
	return r
}

// add judges one file by each check.
func (r *Report) add(f *facts, judge func(*Check, *facts) []Finding) {
	var found []Finding
	for _, c := range Checks() {
		if f.wanted(c.ID) {
			found = append(found, judge(&c, f)...)
		}
	}
	f.waive(found)
	r.Findings = append(r.Findings, found...)
}

func (c *Check) judgeDockerfile(f *facts, d *inventory.Dockerfile) []Finding {
	if c.dockerfile == nil {
		return nil
	}
	vs := []verdict{unknown("%s", d.Unread).at(d.Line)}
	if d.Unread == "" {
		vs = c.dockerfile(f, d)
	}
	return c.placed(Subject{Kind: "dockerfile", Name: d.Path}, d.Path, vs)
}

// placed makes findings of verdicts about a file. What is about the whole file is in
// its first line.
func (c *Check) placed(s Subject, file string, vs []verdict) []Finding {
	var all []Finding
	for _, v := range vs {
		k := c.finding(s, v)
		k.Place = &Place{file, max(v.line, 1)}
		all = append(all, k)
	}
	return all
}
