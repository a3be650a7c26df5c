package draw

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"dockwall/rules/picture"
)

// hostile are names that an attacker might choose.
func hostile() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) }),
		rapid.SampledFrom([]string{`</text><script>alert(1)</script>`, `"><image href="http://x/"/>`, "]]>", "<!--", "&amp;", "a\x00b", "\x1b[2J",
			"\u202egnp.exe", "\ufeff", "\ufffe", "a\nb", `\`, `\N`, `"`, `\"`, "x\\", strings.Repeat("W", 4000), "<?xml?>", "%s%d", "é\u0301"}))
}

// rename gives everything in the picture that has a name a hostile one.
func rename(t *rapid.T, pic *picture.Picture) []string {
	var names []string
	draw := func(to *string) {
		*to = hostile().Draw(t, "name")
		names = append(names, *to)
	}
	for i := range pic.Containers {
		c := &pic.Containers[i]
		for _, f := range []*string{&c.Name, &c.Image} {
			draw(f)
		}
		if c.State != "running" {
			draw(&c.State)
		}
	}
	for i := range pic.Networks {
		if n := &pic.Networks[i]; n.Name != "" && n.Driver != "host" {
			draw(&n.Name)
			draw(&n.Bridge)
		}
	}
	for i := range pic.Gates {
		for j := range pic.Gates[i].NICs {
			draw(&pic.Gates[i].NICs[j].Name)
		}
	}
	for i := range pic.Policies {
		draw(&pic.Policies[i].Position)
		pic.Policies[i].From = append(pic.Policies[i].From, hostile().Draw(t, "from"))
	}
	for i := range pic.Sources {
		draw(&pic.Sources[i].Name)
	}
	pic.Warnings = append(pic.Warnings, hostile().Draw(t, "warning"))
	draw(&pic.Engine)
	return names
}

// Whatever the names hold, the SVG is well-formed and has nothing in it but
// what is drawn; and the whole name can be read in it.
func TestWellFormed(t *testing.T) {
	base := of(town(12, plain))
	rapid.Check(t, func(t *rapid.T) {
		pic := clone(base)
		rename(t, &pic)
		var b bytes.Buffer
		if err := SVG(&b, pic, hostile().Draw(t, "title")); err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(b.Bytes()) {
			t.Fatal("the SVG is no UTF-8")
		}
		titles := readSVG(t, b.Bytes())
		for _, c := range pic.Containers {
			want := cleanLines(c.Name)
			if !slices.ContainsFunc(titles, func(s string) bool { return strings.HasPrefix(s, want) }) {
				t.Fatalf("the whole of %q is in no tooltip", c.Name)
			}
		}
	})
}

// readSVG reads the document through and returns its titles.
func readSVG(t *rapid.T, doc []byte) []string {
	known := []string{"svg", "title", "desc", "style", "rect", "g", "text", "path", "circle"}
	attributes := []string{"xmlns", "width", "height", "viewBox", "role", "aria-labelledby", "id", "class", "x", "y", "rx", "cx", "cy", "r", "d", "font-size"}
	dec := xml.NewDecoder(bytes.NewReader(doc))
	var titles []string
	title := false
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return titles
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, doc)
		}
		switch x := token.(type) {
		case xml.StartElement:
			if !slices.Contains(known, x.Name.Local) {
				t.Fatalf("there is a <%s> in it", x.Name.Local)
			}
			for _, a := range x.Attr {
				if !slices.Contains(attributes, a.Name.Local) {
					t.Fatalf("<%s> has a %s", x.Name.Local, a.Name.Local)
				}
			}
			if title = x.Name.Local == "title"; title {
				titles = append(titles, "")
			}
		case xml.CharData:
			if title {
				titles[len(titles)-1] += string(x)
			}
		case xml.EndElement:
			title = false
		case xml.Comment, xml.Directive, xml.ProcInst:
			t.Fatalf("there is a %T in it", x)
		}
	}
}

func clone(p picture.Picture) picture.Picture {
	p.Containers = slices.Clone(p.Containers)
	p.Networks = slices.Clone(p.Networks)
	p.Policies = slices.Clone(p.Policies)
	p.Sources = slices.Clone(p.Sources)
	p.Gates = slices.Clone(p.Gates)
	for i := range p.Gates {
		p.Gates[i].NICs = slices.Clone(p.Gates[i].NICs)
	}
	for i := range p.Policies {
		p.Policies[i].From = slices.Clone(p.Policies[i].From)
	}
	return p
}

// Every line of dot's strings ends where it should, whatever is in them.
func TestDotIsQuoted(t *testing.T) {
	base := of(town(12, plain))
	rapid.Check(t, func(t *rapid.T) {
		pic := clone(base)
		rename(t, &pic)
		var b bytes.Buffer
		if err := Dot(&b, pic, hostile().Draw(t, "title")); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if rest := unquoted(line); strings.ContainsAny(rest, "\"\\<\x00") {
				t.Fatalf("outside of its strings there is %q:\n%s", rest, line)
			}
		}
	})
}

// unquoted is a line of dot without its strings.
func unquoted(line string) string {
	var b strings.Builder
	in := false
	for i := 0; i < len(line); i++ {
		switch {
		case in && line[i] == '\\':
			i++
		case line[i] == '"':
			in = !in
		case !in:
			b.WriteByte(line[i])
		}
	}
	if in {
		return `"` // it does not end
	}
	return b.String()
}

// What an operator looks for is there, and the same each time.
func TestSVG(t *testing.T) {
	pic := of(town(50, plain))
	var first, second bytes.Buffer
	if err := SVG(&first, pic, "agent.hcl"); err != nil {
		t.Fatal(err)
	}
	if err := SVG(&second, of(town(50, plain)), "agent.hcl"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two drawings of one host differ")
	}
	for _, want := range []string{"published.shop (agent.hcl:", "not covered", "stopped before everything else by block.abusers",
		"Docker API: 2375/tcp", "closed to the outside", "prefers-color-scheme:dark", "isolated except for", "but not 203.0.113.99", "shop-web-50"} {
		if !strings.Contains(first.String(), want) {
			t.Errorf("the picture does not say %q", want)
		}
	}
}

func TestFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, room := hostile().Draw(t, "text"), rapid.IntRange(20, 300).Draw(t, "room")
		got := fit(s, room, 11, monoWidth)
		if w := width(got, 11, monoWidth); w > room {
			t.Fatalf("%q is %d wide, of %d", got, w, room)
		}
		if whole := clean(s); width(whole, 11, monoWidth) <= room && got != whole {
			t.Fatalf("%q was cut to %q without need", whole, got)
		}
	})
	if got := fit("a-very-long-container-name-12", 100, 11, monoWidth); got != "a-very-lo…me-12" {
		t.Errorf("fit = %q: the end of a name tells it from others", got)
	}
}
