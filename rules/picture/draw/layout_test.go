package draw

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dockwall/rules/picture"
	"dockwall/rules/policy/policytest"
)

// Nothing runs over anything else, at 5 containers, at 50 and at 500, whatever
// they are called.
func TestNothingOverlaps(t *testing.T) {
	names := map[string]func(int) string{
		"plain": plain,
		"long":  func(i int) string { return fmt.Sprintf("%s-%d", strings.Repeat("a-rather-long-name-", 10), i) },
		"wide":  func(i int) string { return fmt.Sprintf("%s%d", strings.Repeat("容器", 20), i) },
	}
	for which, name := range names {
		for _, n := range []int{5, 50, 500} {
			t.Run(fmt.Sprint(which, n), func(t *testing.T) {
				pic := of(town(n, name))
				if len(pic.Containers) != n {
					t.Fatalf("%d containers, want %d", len(pic.Containers), n)
				}
				for _, complaint := range crowded(layout(pic, "agent.hcl")) {
					t.Error(complaint)
				}
			})
		}
	}
}

func TestNothingOverlapsAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pic := of(policytest.Policy(t), policytest.Snapshot(t))
		pic.Warnings = rapid.SliceOfN(rapid.String(), 0, 2).Draw(t, "warnings")
		for i := range pic.Containers {
			pic.Containers[i].Name = rapid.String().Draw(t, "name")
		}
		for _, complaint := range crowded(layout(pic, rapid.String().Draw(t, "title"))) {
			t.Fatal(complaint)
		}
	})
}

// crowded finds what runs over something else.
func crowded(s *sheet) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	all := box{0, 0, s.width, s.height}
	var texts, frames, lines []shape
	for _, n := range s.nodes {
		for _, sh := range n.shapes {
			if !sh.box.within(all) {
				say("%s %q is out of the sheet: %+v", sh.kind, sh.text, sh.box)
			}
			switch {
			case sh.kind == isText:
				texts = append(texts, sh)
			case sh.kind == isRect:
				frames = append(frames, sh)
			case sh.kind == isPath && sh.class != "x" && sh.class != "head" && sh.class != "nil":
				lines = append(lines, sh)
			}
		}
	}
	out = append(out, merged(s)...)
	for i, a := range texts {
		for _, b := range texts[:i] {
			if a.box.overlaps(b.box) {
				say("%q runs over %q: %+v, %+v", a.text, b.text, a.box, b.box)
			}
		}
		for _, l := range lines {
			if a.box.overlaps(l.box) || l.box.w == 0 && a.box.overlaps(box{l.box.x, l.box.y, 1, l.box.h}) || l.box.h == 0 && a.box.overlaps(box{l.box.x, l.box.y, l.box.w, 1}) {
				say("a line runs through %q: %+v, %+v", a.text, a.box, l.box)
			}
		}
		for _, f := range frames {
			if a.box.overlaps(f.box) && !a.box.within(f.box) {
				say("%q runs out of its box: %+v, %+v", a.text, a.box, f.box)
			}
		}
	}
	for i, a := range frames {
		for _, b := range frames[:i] {
			if a.box.overlaps(b.box) && !a.box.within(b.box) && !b.box.within(a.box) {
				say("a box runs over another: %+v (%s), %+v (%s)", a.box, a.class, b.box, b.class)
			}
		}
	}
	return out
}

// merged finds lines of two nodes that run along each other, so that they
// could not be told apart.
func merged(s *sheet) []string {
	type line struct {
		box  box
		node int
	}
	var all []line
	for i, n := range s.nodes {
		for _, sh := range n.shapes {
			if sh.kind == isPath && (sh.box.w == 0 || sh.box.h == 0) && sh.class != "nil" {
				all = append(all, line{sh.box, i})
			}
		}
	}
	var out []string
	for i, a := range all {
		for _, b := range all[:i] {
			upright := a.box.w == 0 && b.box.w == 0 && a.box.x == b.box.x && a.box.y < b.box.y+b.box.h && b.box.y < a.box.y+a.box.h
			level := a.box.h == 0 && b.box.h == 0 && a.box.y == b.box.y && a.box.x < b.box.x+b.box.w && b.box.x < a.box.x+a.box.w
			if a.node != b.node && (upright || level) {
				out = append(out, fmt.Sprintf("two lines run along each other: %+v, %+v", a.box, b.box))
			}
		}
	}
	return out
}

// The test above sees what it is there for.
func TestCrowded(t *testing.T) {
	s := &sheet{width: 100, height: 100}
	s.add(node{shapes: []shape{mono("ink", 10, 20, 80, 10, "one"), mono("ink", 12, 22, 80, 10, "two"), rect("card", box{90, 90, 20, 5}, 0),
		path("wire", 0, 18, 50, 18)}}, node{shapes: []shape{path("wire", 40, 18, 60, 18)}})
	if got := len(crowded(s)); got != 5 {
		t.Errorf("%d complaints, want 5: %q", got, crowded(s))
	}
}

// A line at a gate and a port on one lane, both with a full dot, mean that the
// one reaches the other: lanes must not join what the picture does not.
func TestLanesDoNotLie(t *testing.T) {
	joined, part := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		pic := of(policytest.Policy(t), policytest.Snapshot(t))
		all, boxes := allEntries(&pic), groups(&pic)
		markParts(boxes, all)
		for _, p := range pills(boxes) {
			for _, to := range p.plugs {
				if to.part {
					part++
					continue
				}
				for gate := range all {
					for _, e := range all[gate] {
						if e.blocked || !slices.Contains(e.plugs, plug{policy: to.policy}) {
							continue
						}
						for _, s := range e.sources {
							joined++
							if !slices.ContainsFunc(p.of.Access, func(a picture.Access) bool { return a.Gate == gate && a.Source == s }) {
								t.Fatalf("%s at gate %d is joined to %s by %s, and does not reach it\n%+v", e.label, gate, p.text, to.policy, p.of)
							}
						}
					}
				}
			}
		}
	})
	if joined < 100 || part > joined {
		t.Errorf("%d were joined, %d in part: the test tells nothing", joined, part)
	}
}

func pills(boxes []group) []port {
	var all []port
	for _, g := range boxes {
		for _, m := range g.rows {
			all = append(all, m.ports...)
		}
	}
	return all
}

// A source without a line to a port must not reach it, except as part of everyone.
func TestLanesLeaveNothingOut(t *testing.T) {
	looked := 0
	rapid.Check(t, func(t *rapid.T) {
		pic := of(policytest.Policy(t), policytest.Snapshot(t))
		all := allEntries(&pic)
		for _, p := range pills(groups(&pic)) {
			for _, a := range p.of.Access {
				if all[a.Gate] == nil {
					continue
				}
				looked++
				rest := len(pic.Sources) - 1
				if !slices.ContainsFunc(all[a.Gate], func(e entry) bool {
					mine := slices.Contains(e.sources, a.Source) || e.label == "everyone" && slices.Contains(e.sources, rest)
					return mine && slices.ContainsFunc(e.plugs, func(g plug) bool { return onPill(&p, g.policy) })
				}) {
					t.Fatalf("%s reaches %s by %v, and no lane joins them\n%+v", a.From, p.text, a.Via, p.of)
				}
			}
		}
	})
	if looked < 100 {
		t.Errorf("%d were looked at: the test tells nothing", looked)
	}
}

func onPill(p *port, policy string) bool {
	return slices.ContainsFunc(p.plugs, func(g plug) bool { return g.policy == policy })
}

// Everyone means every address except the blocked ones.
func TestEveryone(t *testing.T) {
	looked := 0
	rapid.Check(t, func(t *rapid.T) {
		pic := of(policytest.Policy(t), policytest.Snapshot(t))
		rest := len(pic.Sources) - 1
		for gate, list := range allEntries(&pic) {
			if len(list) == 0 || list[len(list)-1].label != "everyone" {
				continue
			}
			for _, p := range ports(&pic) {
				reached := func(source int) bool {
					return slices.ContainsFunc(p.Access, func(a picture.Access) bool { return a.Gate == gate && a.Source == source })
				}
				for s := range pic.Sources {
					if reached(rest) && pic.Sources[s].Blocked == "" {
						looked++
						if !reached(s) {
							t.Fatalf("everyone reaches %s at gate %d, but %s does not", p.Host, gate, pic.Sources[s].Name)
						}
					}
				}
			}
		}
	})
	if looked < 100 {
		t.Errorf("%d were looked at: the test tells nothing", looked)
	}
}
