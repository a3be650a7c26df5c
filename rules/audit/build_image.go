package audit

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dockwall/netinfo/inventory"
)

// finalStages are the stages that the image is made of: the last one, and those that
// it is built on, the last first.
func finalStages(d *inventory.Dockerfile) []*inventory.BuildStage {
	var all []*inventory.BuildStage
	for i := len(d.Stages) - 1; i >= 0; i = d.Stages[i].Parent {
		all = append(all, &d.Stages[i])
		if d.Stages[i].Parent >= i {
			break
		}
	}
	return all
}

// lastStep is the last step of this instruction that counts for the image; nil if there
// is none.
func lastStep(d *inventory.Dockerfile, instruction string) *inventory.BuildStep {
	for _, s := range finalStages(d) {
		for i := len(s.Steps) - 1; i >= 0; i-- {
			if k := &s.Steps[i]; k.Instruction == instruction && !k.OnBuild {
				return k
			}
		}
	}
	return nil
}

// finalSteps returns a verdict for each step that the image is made of, for which bad
// has one.
func finalSteps(d *inventory.Dockerfile, good string, bad func(s *inventory.BuildStep) *verdict) []verdict {
	var all []verdict
	for _, s := range slices.Backward(finalStages(d)) {
		for i := range s.Steps {
			if v := bad(&s.Steps[i]); v != nil {
				if v.line == 0 {
					v.line = s.Steps[i].Line
				}
				all = append(all, *v)
			}
		}
	}
	if len(all) == 0 {
		all = append(all, pass("%s", good))
	}
	return all
}

func failure(format string, args ...any) *verdict {
	v := fail(format, args...)
	return &v
}

func buildRoot(_ *facts, d *inventory.Dockerfile) []verdict {
	last := d.Stages[len(d.Stages)-1]
	s := lastStep(d, "USER")
	switch {
	case s == nil:
		stages := finalStages(d)
		base := stages[len(stages)-1].Base.Name
		if base == "scratch" {
			return []verdict{fail("the last stage has no USER: the image runs as root").at(last.Line)}
		}
		return []verdict{fail("the last stage has no USER: the image runs as the user of %s, which mostly is root", base).at(last.Line)}
	case len(s.Unset) > 0:
		return []verdict{unknown("USER is the value of %s, which has no default", list(s.Unset)).at(s.Line)}
	}
	return []verdict{when(isRoot(s.Value), "USER "+strconv.Quote(s.Value), "USER "+s.Value).at(s.Line)}
}

func buildHealth(_ *facts, d *inventory.Dockerfile) []verdict {
	s := lastStep(d, "HEALTHCHECK")
	if s == nil {
		return []verdict{fail("the last stage has no HEALTHCHECK").at(d.Stages[len(d.Stages)-1].Line)}
	}
	return []verdict{when(s.Health != inventory.HealthSet, "HEALTHCHECK NONE", "HEALTHCHECK is there").at(s.Line)}
}

func buildSecret(_ *facts, d *inventory.Dockerfile) []verdict {
	var all []verdict
	add := func(s *inventory.BuildStep) []verdict {
		var found []verdict
		for _, k := range s.Secrets {
			found = append(found, fail("%s", k.What).at(k.Line))
		}
		return found
	}
	for i := range d.Args {
		all = append(all, add(&d.Args[i])...)
	}
	steps := everyStep(d, "no instruction seems to hold one", add)
	if len(all) > 0 && steps[0].state == Pass {
		return all
	}
	return append(all, steps...)
}

func buildSSH(_ *facts, d *inventory.Dockerfile) []verdict {
	return finalSteps(d, "22/tcp is not exposed", func(s *inventory.BuildStep) *verdict {
		for _, p := range s.Ports {
			if exposes(p, 22) {
				return failure("EXPOSE %s", p)
			}
		}
		return nil
	})
}

// exposes reports whether EXPOSE's word, 22, 22/tcp or 20-25, is about a TCP port.
func exposes(word string, port uint64) bool {
	ports, proto, _ := strings.Cut(word, "/")
	low, high, span := strings.Cut(ports, "-")
	if !span {
		high = low
	}
	a, errA := strconv.ParseUint(low, 10, 16)
	b, errB := strconv.ParseUint(high, 10, 16)
	return (proto == "" || strings.EqualFold(proto, "tcp")) && errA == nil && errB == nil && a <= port && port <= b
}

func buildSSHServer(_ *facts, d *inventory.Dockerfile) []verdict {
	install := regexp.MustCompile(`\b(?:apt-get|apt|aptitude|apk|yum|dnf|microdnf|tdnf|zypper|pacman)\b[^;&|]*\s(openssh-server|openssh-sshd|dropbear|tinysshd|telnetd|inetutils-telnetd|ssh|openssh)(?:[=<>~][^\s;&|]*)?(?:[\s;&|]|$)`)
	starts := regexp.MustCompile(`(?:^|["\s/;&|])(sshd|dropbear|in\.telnetd|telnetd)(?:["\s;&|]|$)|\bservice\s+ssh\s+start`)
	return finalSteps(d, "no step installs or starts one", func(s *inventory.BuildStep) *verdict {
		if s.Instruction == "RUN" {
			if m := install.FindString(s.Text); m != "" && !strings.Contains(m, " del ") && !strings.Contains(m, " remove ") && !strings.Contains(m, " purge ") {
				v := failure("RUN installs %s", install.FindStringSubmatch(s.Text)[1])
				v.line = lineOf(s, install.FindStringSubmatch(s.Text)[1])
				return v
			}
		}
		if (s.Instruction == "CMD" || s.Instruction == "ENTRYPOINT") && starts.MatchString(s.Text) {
			return failure("%s starts one", s.Instruction)
		}
		return nil
	})
}

func buildAddRemote(_ *facts, d *inventory.Dockerfile) []verdict {
	return everyStep(d, "no step does", func(s *inventory.BuildStep) []verdict {
		if s.Instruction != "ADD" || s.Checksum {
			return nil
		}
		for _, p := range s.Sources {
			if remote(p) {
				return []verdict{fail("ADD of %s", masklessURL(p)).at(s.Line)}
			}
		}
		return nil
	})
}

// remote reports whether a source of ADD is fetched: a URL, or a repository without
// the hash of a commit.
func remote(p string) bool {
	if !regexp.MustCompile(`^(?:https?|ftp|git|ssh)://|^git@`).MatchString(p) {
		return false
	}
	return !regexp.MustCompile(`#[0-9a-f]{40}`).MatchString(p)
}

// masklessURL is a URL without what may be a password in it: user and query.
func masklessURL(p string) string {
	scheme, rest, ok := strings.Cut(p, "://")
	if !ok {
		return "a repository"
	}
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host[strings.LastIndexByte(host, '@')+1:]
}

func buildUpdateAlone(_ *facts, d *inventory.Dockerfile) []verdict {
	return everyStep(d, "no step does", func(s *inventory.BuildStep) []verdict {
		if s.Instruction == "RUN" && updatesAlone(s.Text) {
			return []verdict{fail("RUN").at(s.Line)}
		}
		return nil
	})
}

// buildModes judges the modes that steps set: with COPY --chmod, or chmod.
func buildModes(d *inventory.Dockerfile, bad func(mode string) bool) []verdict {
	return finalSteps(d, "no step does", func(s *inventory.BuildStep) *verdict {
		if s.Chmod != "" && bad(s.Chmod) {
			return failure("%s --chmod=%s", s.Instruction, s.Chmod)
		}
		if s.Instruction != "RUN" {
			return nil
		}
		for _, mode := range chmods(s.Text) {
			if !bad(mode) {
				continue
			}
			v := failure("RUN chmod %s", mode)
			for _, l := range s.Lines {
				if v.line == 0 && !comment(l.Text) && slices.Contains(chmods(l.Text), mode) {
					v.line = l.Number
				}
			}
			return v
		}
		return nil
	})
}

func buildWorldWritable(_ *facts, d *inventory.Dockerfile) []verdict {
	return buildModes(d, worldWritable)
}

func buildSetuid(_ *facts, d *inventory.Dockerfile) []verdict { return buildModes(d, setsUID) }

func buildKeyFile(_ *facts, d *inventory.Dockerfile) []verdict {
	return everyStep(d, "no step seems to copy one", func(s *inventory.BuildStep) []verdict {
		if s.Instruction != "COPY" && s.Instruction != "ADD" {
			return nil
		}
		paths := append(slices.Clone(s.Sources), s.Inline...)
		if !strings.HasSuffix(s.Dest, "/") {
			paths = append(paths, s.Dest)
		}
		for _, p := range paths {
			what := inventory.KeyFile(p)
			if what == "" {
				what = inventory.KeyName(p)
			}
			if what != "" {
				return []verdict{fail("%s %s: %s", s.Instruction, p, what).at(s.Line)}
			}
		}
		return nil
	})
}
