package audit

import (
	"regexp"
	"slices"
	"strings"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

// buildChecks are about Dockerfiles alone. Those that images are judged by too are in
// imageChecks.
func buildChecks() []Check {
	return []Check{
		{ID: "build.base-tag", Group: Images, Severity: finding.Low, CIS: cis("4.2"),
			Title:   "Each base image is asked for by a version",
			Why:     ":latest, or no tag, is another image on each host and each day.",
			Decides: "FROM, COPY --from and RUN --mount of the Dockerfile", Fix: "Name a version, or a digest.", dockerfile: baseImages(baseTag)},
		{ID: "build.base-digest", Group: Images, Severity: finding.Low, CIS: cis("4.2"),
			Title:   "Each base image is asked for by its digest",
			Why:     "A tag can be moved to another image; a digest names one for ever.",
			Decides: "FROM, COPY --from and RUN --mount of the Dockerfile", Fix: "Write NAME:TAG@sha256:…; docker buildx imagetools inspect NAME:TAG shows the digest.", dockerfile: baseImages(baseDigest)},
		{ID: "build.base-registry", Group: Images, Severity: finding.Medium, CIS: cis("4.2"),
			Title:   "Each base image is from a registry that is trusted",
			Why:     "Anyone can put an image into a public registry.",
			Decides: "FROM, COPY --from and RUN --mount of the Dockerfile, and registries of the audit block", Fix: "Use an image of one of the registries of the audit block, or add its registry there.", dockerfile: baseRegistry},
		{ID: "build.pipe-shell", Group: Images, Severity: finding.Medium, CIS: cis("4.11"),
			Title:   "No build step executes what it downloads unseen",
			Why:     "The owner of the server, or of a proxy, decides at each build what is executed as root.",
			Decides: "RUN of the Dockerfile: curl or wget into a shell or interpreter", Fix: "Download a file, compare its checksum, then execute it; or install a package.", dockerfile: lineCheck(pipeShell())},
		{ID: "build.sudo", Group: Images, Severity: finding.Low,
			Title:   "No build step uses or installs sudo",
			Why:     "sudo in the image makes its user root; a build step is root without it.",
			Decides: "RUN of the Dockerfile", Fix: "Write USER root before the steps that need it, and USER with another user after them.", dockerfile: lineCheck(sudo())},
		{ID: "build.accounts", Group: Images, Severity: finding.Medium,
			Title:   "No build step changes who may log in or become root",
			Why:     "Accounts, keys and rules for sudo in an image are open in each container of it, and are not renewed.",
			Decides: "COPY, ADD and RUN of the Dockerfile that write to /etc/passwd, /etc/group, /etc/shadow, sudoers or authorized_keys",
			Fix:     "Make users with adduser, without a password; take the file out.", dockerfile: accounts},
	}
}

// everyStep returns a verdict for each step of each stage for which bad has one; good
// is that of a file without any.
func everyStep(d *inventory.Dockerfile, good string, bad func(s *inventory.BuildStep) []verdict) []verdict {
	var all []verdict
	for i := range d.Stages {
		for j := range d.Stages[i].Steps {
			all = append(all, bad(&d.Stages[i].Steps[j])...)
		}
	}
	if len(all) == 0 {
		all = append(all, pass("%s", good))
	}
	return all
}

// lineCheck judges each RUN by a pattern.
func lineCheck(p pattern) func(*facts, *inventory.Dockerfile) []verdict {
	return func(_ *facts, d *inventory.Dockerfile) []verdict {
		expr := regexp.MustCompile(p.expr)
		return everyStep(d, "no step does", func(s *inventory.BuildStep) []verdict { return p.find(expr, s) })
	}
}

// pattern is what a RUN must not hold.
type pattern struct{ expr, what string }

// find are the places in a RUN that match. A match over several lines is in the line
// where it begins.
func (p pattern) find(expr *regexp.Regexp, s *inventory.BuildStep) []verdict {
	if s.Instruction != "RUN" || !expr.MatchString(s.Text) {
		return nil
	}
	var all []verdict
	for _, l := range s.Lines {
		if !comment(l.Text) && expr.MatchString(l.Text) {
			all = append(all, fail("%s: %s", "RUN", p.what).at(l.Number))
		}
	}
	if len(all) == 0 {
		all = append(all, fail("%s: %s", "RUN", p.what).at(lineOf(s, expr.FindString(s.Text))))
	}
	return all
}

// comment reports whether a line between the lines of an instruction is one.
func comment(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "#") }

// lineOf is the line of the step in which the match begins: the first that holds its
// first words.
func lineOf(s *inventory.BuildStep, match string) int {
	words := strings.Fields(match)
	for n := min(len(words), 3); n > 0; n-- {
		head := strings.Join(words[:n], " ")
		for _, l := range s.Lines {
			if !comment(l.Text) && strings.Contains(strings.Join(strings.Fields(l.Text), " "), head) {
				return l.Number
			}
		}
	}
	return s.Line
}

const shells = `(?:\S*/)?(?:sh|ash|bash|dash|zsh|ksh|python[0-9.]*|perl|ruby|node|php)\b`

func pipeShell() pattern {
	return pattern{`\b(?:curl|wget)\b(?:[^;&|\n]|&[^&]|\|[^|])*\|\s*(?:sudo\s+(?:-\S+\s+)*)?(?:env\s+(?:\S+=\S*\s+)*)?` + shells +
		`|(?:` + shells + `\s+(?:-\S+\s+)*|\beval\s+|(?:^|\s)(?:\.|source)\s+)(?:<\(|["']?(?:\$\(|` + "`" + `))\s*(?:curl|wget)\b`, "what curl or wget downloads is executed"}
}

func sudo() pattern {
	return pattern{`(?:^|[;&|(\s])(?:/usr/bin/)?sudo\s+\S|\b(?:install|add)\b[^;&|]*\ssudo(?:[\s;&|]|$)`, "sudo"}
}

// baseImages judges each image that the file names.
func baseImages(judge func(*facts, inventory.BuildImage) verdict) func(*facts, *inventory.Dockerfile) []verdict {
	return func(f *facts, d *inventory.Dockerfile) []verdict {
		var all []verdict
		add := func(i inventory.BuildImage, line int) {
			v := unknown("the image is the value of %s, which has no default", list(i.Unset))
			if len(i.Unset) == 0 {
				v = judge(f, i)
			}
			if v.state == Fail || v.state == Unknown {
				all = append(all, v.at(line))
			}
		}
		n := 0
		for _, s := range d.Stages {
			if s.Parent < 0 && s.Base.Name != "scratch" {
				n++
				add(s.Base, s.Line)
			}
			for _, step := range s.Steps {
				for _, i := range step.From {
					n++
					add(i, step.Line)
				}
			}
		}
		switch {
		case n == 0:
			return []verdict{absent("it is built on no other image")}
		case len(all) == 0:
			return []verdict{pass("each of the %d images that it names is", n)}
		}
		return all
	}
}

func baseTag(_ *facts, i inventory.BuildImage) verdict {
	r, _ := parseReference(i.Name)
	switch {
	case r.digest != "":
		return pass("%s has a digest", i.Name)
	case r.tag == "":
		return fail("%s has no tag", i.Name)
	}
	return when(r.tag == "latest", i.Name, i.Name)
}

func baseDigest(_ *facts, i inventory.BuildImage) verdict {
	r, _ := parseReference(i.Name)
	return when(r.digest == "", i.Name+" has no digest", i.Name)
}

func baseRegistry(f *facts, d *inventory.Dockerfile) []verdict {
	if len(f.Registries) == 0 {
		return []verdict{absent("the audit block names no registries")}
	}
	return baseImages(func(f *facts, i inventory.BuildImage) verdict {
		r, _ := parseReference(i.Name)
		return when(!slices.Contains(f.Registries, r.domain), i.Name+" is from "+r.domain, i.Name)
	})(f, d)
}

// accountFiles say who may log in or become root.
func accountFiles() *regexp.Regexp {
	return regexp.MustCompile(`(?:^|/)(?:etc/(?:passwd|group|shadow|gshadow|sudoers)|sudoers\.d|authorized_keys2?)(?:/|$)`)
}

func accounts(_ *facts, d *inventory.Dockerfile) []verdict {
	files := accountFiles()
	writes := regexp.MustCompile(`(?:>>?\s*|\btee\s+(?:-\S+\s+)*|\bsed\s+(?:-\S+\s+)*-i[^;&|]*\s)["']?(?:\S*/)?(?:etc/(?:passwd|group|shadow|gshadow|sudoers\b)|authorized_keys)[^\s"';&|]*`)
	return everyStep(d, "no step does", func(s *inventory.BuildStep) []verdict {
		switch s.Instruction {
		case "COPY", "ADD":
			for _, p := range append(slices.Clone(s.Sources), s.Dest) {
				// Copying passwd from another stage is how an image without a shell gets its user.
				if base := base(p); s.FromStage && (base == "passwd" || base == "group") {
					continue
				}
				if files.MatchString(p) {
					return []verdict{fail("%s %s", s.Instruction, p).at(s.Line)}
				}
			}
		case "RUN":
			if m := writes.FindString(s.Text); m != "" {
				return []verdict{fail("RUN writes to %s", m[strings.LastIndexAny(m, " >\"'\t")+1:]).at(lineOf(s, m))}
			}
		}
		return nil
	})
}
