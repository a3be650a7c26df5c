package policy

import (
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
)

// Selector is a containers block: all the attributes given must hold, and in a
// list one is enough.
type Selector struct {
	Name     string
	Names    []string // globs
	Images   []string // globs
	Labels   []LabelMatch
	Networks []string // network names; narrows Match to the addresses there
	Compose  []Compose
	Origin   rules.Origin
}

// LabelMatch asks that a label is there and its value matches a glob.
type LabelMatch struct{ Key, Value string }

// Compose is "project/service", both globs.
type Compose struct{ Project, Service string }

// The labels that Docker Compose sets.
const (
	labelProject = "com.docker.compose.project"
	labelService = "com.docker.compose.service"
)

// Match reports whether the container is selected, its networks aside: use
// OnNetwork for which of its addresses are.
func (s *Selector) Match(c netinfo.Container) bool {
	return anyGlob(s.Names, c.Name) && s.matchImage(c.Image) && s.matchLabels(c) && s.matchCompose(c)
}

// matchImage compares the reference as the engine prints it; one without a tag
// or digest is also compared with ":latest", which is what it means.
func (s *Selector) matchImage(image string) bool {
	if len(s.Images) == 0 {
		return true
	}
	name := image[strings.LastIndexByte(image, '/')+1:]
	return anyGlob(s.Images, image) || !strings.ContainsAny(name, ":@") && anyGlob(s.Images, image+":latest")
}

// OnNetwork reports whether the selector covers addresses on the network of this
// name.
func (s *Selector) OnNetwork(network string) bool { return anyGlob(s.Networks, network) }

func (s *Selector) matchLabels(c netinfo.Container) bool {
	for _, l := range s.Labels {
		v, ok := c.Labels[l.Key]
		if !ok || !Glob(l.Value, v) {
			return false
		}
	}
	return true
}

func (s *Selector) matchCompose(c netinfo.Container) bool {
	if len(s.Compose) == 0 {
		return true
	}
	project, inProject := c.Labels[labelProject]
	service, inService := c.Labels[labelService]
	for _, m := range s.Compose {
		if inProject && inService && Glob(m.Project, project) && Glob(m.Service, service) {
			return true
		}
	}
	return false
}

// anyGlob reports whether one of the patterns matches; no patterns match all.
func anyGlob(patterns []string, s string) bool {
	for _, p := range patterns {
		if Glob(p, s) {
			return true
		}
	}
	return len(patterns) == 0
}

// Glob matches s against a pattern in which * stands for any run of
// characters, slashes included, and ? for any one. The whole of s must match.
// There is no escaping: container names, image references and compose names
// hold neither.
func Glob(pattern, s string) bool {
	star, mark := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
