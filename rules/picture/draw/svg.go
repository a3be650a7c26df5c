package draw

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"dockwall/rules/picture"
)

// SVG writes the picture as one self-contained SVG. The title is what stands
// above it, such as the file's path.
func SVG(w io.Writer, p picture.Picture, title string) error {
	var b bytes.Buffer
	layout(p, title).write(&b)
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the picture: %w", err)
	}
	return nil
}

func (s *sheet) write(w *bytes.Buffer) {
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-labelledby="title desc">`+"\n",
		s.width, s.height, s.width, s.height)
	fmt.Fprintf(w, "<title id=\"title\">%s</title>\n<desc id=\"desc\">%s</desc>\n", escape(s.title), escape(s.desc))
	w.WriteString(style())
	fmt.Fprintf(w, "<rect class=\"sheet\" width=\"%d\" height=\"%d\"/>\n", s.width, s.height)
	for i := range s.nodes {
		s.nodes[i].write(w)
	}
	w.WriteString("</svg>\n")
}

func (n *node) write(w *bytes.Buffer) {
	w.WriteString("<g")
	if n.class != "" {
		fmt.Fprintf(w, " class=%q", n.class)
	}
	w.WriteString(">")
	if n.tip != "" {
		fmt.Fprintf(w, "<title>%s</title>", escape(n.tip))
	}
	for i := range n.shapes {
		n.shapes[i].write(w)
	}
	w.WriteString("</g>\n")
}

func (s *shape) write(w *bytes.Buffer) {
	b := s.box
	switch s.kind {
	case isRect:
		fmt.Fprintf(w, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="%d"/>`, s.class, b.x, b.y, b.w, b.h, s.radius)
	case isCircle:
		fmt.Fprintf(w, `<circle class="%s" cx="%d" cy="%d" r="%d"/>`, s.class, b.x+s.radius, b.y+s.radius, s.radius)
	case isPath:
		fmt.Fprintf(w, `<path class="%s" d="%s"/>`, s.class, s.d)
	case isText:
		x, class := b.x, s.class
		if s.mono {
			class += " mono"
		}
		if s.end {
			x, class = b.x+b.w, class+" end"
		}
		fmt.Fprintf(w, `<text class="%s" x="%d" y="%d" font-size="%d">%s</text>`, class, x, b.y+s.size*8/10, s.size, escape(s.text))
	}
}

// escape makes text of XML, whatever it holds.
func escape(s string) string {
	var b strings.Builder
	// A Builder does not fail.
	_ = xml.EscapeText(&b, []byte(cleanLines(s)))
	return b.String()
}
