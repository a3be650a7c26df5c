package draw

import "strings"

// tone is a colour on a light and on a dark sheet.
type tone struct{ light, dark string }

// lanes are the colours of policies, one after the other. Red is for what is
// closed, and none of them.
var lanes = []tone{
	{"#0969da", "#58a6ff"}, {"#8250df", "#bc8cff"}, {"#0a7c86", "#39c5cf"}, {"#bc4c00", "#f0883e"}, {"#bf3989", "#f778ba"},
	{"#6b7300", "#c3cc3f"}, {"#0b6e4f", "#6ee7b7"}, {"#7a4b2a", "#d8a680"}, {"#24298f", "#8b9dff"},
}

// paint is a class, what it colours, and the rest of its declarations.
type paint struct {
	selector, property string
	tone               tone
	rest               string
}

func paints() []paint {
	ink, muted := tone{"#1f2328", "#e6edf3"}, tone{"#59636e", "#9198a1"}
	red, green, amber := tone{"#cf222e", "#ff7b72"}, tone{"#1a7f37", "#3fb950"}, tone{"#9a6700", "#d29922"}
	edge, hollow := tone{"#d1d9e0", "#3d444d"}, tone{"none", "none"}
	gap := tone{"#ffffff", "#0d1117"}
	ps := []paint{
		{".sheet", "fill", tone{"#ffffff", "#0d1117"}, ""},
		{".ink", "fill", ink, ""}, {".strong", "fill", ink, "font-weight:600"}, {".muted", "fill", muted, ""},
		{".bad", "fill", red, ""}, {".good", "fill", green, ""}, {".warn", "fill", amber, ""},
		{".group", "fill", tone{"#f6f8fa", "#151b23"}, ""}, {".group", "stroke", edge, ""},
		{".loose", "fill", tone{"#fff8e5", "#221c0e"}, ""}, {".loose", "stroke", amber, "stroke-dasharray:5 4"},
		{".card", "fill", tone{"#ffffff", "#0d1117"}, ""}, {".card", "stroke", edge, ""},
		{".banner", "fill", tone{"#fff8c5", "#2e2408"}, ""}, {".banner", "stroke", amber, ""},
		{".open", "fill", tone{"#dafbe1", "#12361f"}, ""}, {".open", "stroke", green, ""},
		{".shut", "fill", tone{"#ffebe9", "#3c1618"}, ""}, {".shut", "stroke", red, ""},
		{".idle", "fill", hollow, ""}, {".idle", "stroke", muted, "stroke-dasharray:3 3"},
		{".wire", "stroke", tone{"#8c959f", "#6e7681"}, "fill:none;stroke-width:1.25"},
		{".head", "fill", tone{"#8c959f", "#6e7681"}, ""},
		{".x", "stroke", red, "fill:none;stroke-width:2;stroke-linecap:round"},
		{".all", "fill", green, ""}, {".few", "fill", hollow, "stroke-width:2.5"}, {".few", "stroke", amber, ""},
		{".nil", "stroke", muted, "stroke-width:2"},
		{".dot", "stroke", gap, "stroke-width:1.5"}, {".part", "fill", gap, ""},
	}
	for i, t := range append([]tone{red}, lanes...) {
		c := laneClass(i)
		ps = append(ps, paint{".l" + c, "stroke", t, "fill:none;stroke-width:2.5;stroke-linejoin:round"},
			paint{".d" + c, "fill", t, ""}, paint{".p" + c, "stroke", t, "stroke-width:2"})
	}
	return ps
}

// laneClass is the class of the nth colour; the first is the blocks' red.
func laneClass(i int) string { return string(rune('0' + i)) }

// style is the sheet's CSS: the light colours, and the dark ones where the
// reader prefers those.
func style() string {
	var light, dark strings.Builder
	for _, p := range paints() {
		rest := ""
		if p.rest != "" {
			rest = ";" + p.rest
		}
		light.WriteString(p.selector + "{" + p.property + ":" + p.tone.light + rest + "}\n")
		if p.tone.dark != p.tone.light {
			dark.WriteString(p.selector + "{" + p.property + ":" + p.tone.dark + "}\n")
		}
	}
	return "<style>\n" +
		"text{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,Helvetica,Arial,sans-serif}\n" +
		".mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",\"Liberation Mono\",monospace}\n" +
		".end{text-anchor:end}\n.dim{opacity:.6}\n.lane:hover path{stroke-width:4.5}\n" +
		light.String() + "@media (prefers-color-scheme:dark){\n" + dark.String() + "}\n</style>\n"
}
