package draw

import "strconv"

// box is a rectangle of the sheet, in pixels.
type box struct{ x, y, w, h int }

func (b box) overlaps(o box) bool {
	return b.x < o.x+o.w && o.x < b.x+b.w && b.y < o.y+o.h && o.y < b.y+b.h
}

func (b box) within(o box) bool {
	return b.x >= o.x && b.y >= o.y && b.x+b.w <= o.x+o.w && b.y+b.h <= o.y+o.h
}

// shape is one thing on the sheet.
type shape struct {
	kind  kind
	class string
	// box is where it is; of a text it is what the text takes at most.
	box box
	// text of a text, d of a path.
	text, d string
	size    int
	mono    bool
	// end: the text ends at the right of its box.
	end bool
	// radius of a rectangle's corners or of a circle.
	radius int
}

// kind is a sort of shape.
type kind string

const (
	isRect   kind = "rect"
	isText   kind = "text"
	isPath   kind = "path"
	isCircle kind = "circle"
)

// node are shapes with one tooltip.
type node struct {
	class  string
	tip    string
	shapes []shape
}

func (n *node) add(s ...shape) { n.shapes = append(n.shapes, s...) }

// sheet is the whole drawing.
type sheet struct {
	width, height int
	title, desc   string
	nodes         []node
}

func (s *sheet) add(n ...node) { s.nodes = append(s.nodes, n...) }

func rect(class string, b box, radius int) shape {
	return shape{kind: isRect, class: class, box: b, radius: radius}
}

// mono and sans are texts that begin at x on a baseline, cut to the room.
func mono(class string, x, baseline, room, size int, text string) shape {
	return letters(class, x, baseline, fit(text, room, size, monoWidth), size, true)
}

func sans(class string, x, baseline, room, size int, text string) shape {
	return letters(class, x, baseline, fit(text, room, size, sansWidth), size, false)
}

func letters(class string, x, baseline int, text string, size int, mono bool) shape {
	per := sansWidth
	if mono {
		per = monoWidth
	}
	return shape{kind: isText, class: class, text: text, size: size, mono: mono,
		box: box{x, baseline - size*8/10, width(text, size, per), size}}
}

// toEnd makes a text end at x instead.
func (s shape) toEnd(x int) shape {
	s.box.x, s.end = x-s.box.w, true
	return s
}

func dot(class string, x, y, r int) shape {
	return shape{kind: isCircle, class: class, box: box{x - r, y - r, 2 * r, 2 * r}, radius: r}
}

// path is a line through points, x and y in turn.
func path(class string, points ...int) shape {
	s := shape{kind: isPath, class: class, box: box{x: points[0], y: points[1]}}
	for i := 0; i < len(points); i += 2 {
		x, y := points[i], points[i+1]
		if i == 0 {
			s.d = "M" + strconv.Itoa(x) + " " + strconv.Itoa(y)
			continue
		}
		s.d += "L" + strconv.Itoa(x) + " " + strconv.Itoa(y)
		s.box = s.box.with(x, y)
	}
	return s
}

func (b box) with(x, y int) box {
	x2, y2 := max(b.x+b.w, x), max(b.y+b.h, y)
	b.x, b.y = min(b.x, x), min(b.y, y)
	b.w, b.h = x2-b.x, y2-b.y
	return b
}

// cross is a small ✕ around a point.
func cross(class string, x, y int) shape {
	s := path(class, x-4, y-4, x+4, y+4)
	s.d += path(class, x-4, y+4, x+4, y-4).d
	return s
}

// arrow is a head that points right (or left) and ends at x.
func arrow(class string, x, y int, left bool) shape {
	back := x - 7
	if left {
		back = x + 7
	}
	s := path(class, back, y-4, x, y, back, y+4)
	s.d += "Z"
	return s
}
