package composefile

import (
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"dockwall/netinfo/inventory"
	"dockwall/netinfo/textfile"
)

// maxFiles is how many files are read for their lines, and maxDepth how many aliases
// and files deep.
const maxFiles, maxDepth = 100, 20

// finder finds the lines of services. compose-go does not keep them.
type finder struct {
	main  string
	files map[string]*yaml.Node // by path; nil if it cannot be read
}

func newFinder(path string, text []byte) *finder {
	f := &finder{main: path, files: map[string]*yaml.Node{}}
	f.parse(path, text)
	return f
}

func (f *finder) parse(path string, text []byte) *yaml.Node {
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil || len(n.Content) == 0 {
		f.files[path] = nil
		return nil
	}
	f.files[path] = n.Content[0]
	return n.Content[0]
}

// file is the root of a file; nil if it cannot be read.
func (f *finder) file(path string) *yaml.Node {
	if n, ok := f.files[path]; ok {
		return n
	}
	if len(f.files) >= maxFiles {
		return nil
	}
	text, err := textfile.Read(path, MaxSize)
	if err != nil {
		f.files[path] = nil
		return nil
	}
	return f.parse(path, text)
}

// node is a part of a file.
type node struct {
	file string
	*yaml.Node
}

// place is where a node begins.
type place struct{ inventory.FileLine }

// at is another place, or this one if that is none.
func (p place) at(l inventory.FileLine) inventory.FileLine {
	if l.Line == 0 {
		return p.FileLine
	}
	return l
}

// written is where a service is written: in nodes, of which the first counts if both
// have a key.
type written struct {
	place place
	nodes []node
}

// service finds a service in the file, in what it includes, and what it extends.
func (f *finder) service(name string) *written {
	w := &written{place: place{inventory.FileLine{File: relative(f.main), Line: 1}}}
	if n, ok := f.find(f.main, name, maxDepth); ok {
		w.place.File, w.place.Line = relative(n.file), n.Line
		f.extended(w, n, maxDepth)
	}
	return w
}

// find finds a service in a file, or in what it includes. Its line is that of its name.
func (f *finder) find(path, name string, depth int) (node, bool) {
	root := f.file(path)
	if root == nil || depth == 0 {
		return node{}, false
	}
	if key, n := entry(entryOf(root, "services"), name, maxDepth); n != nil {
		c := *resolved(n)
		c.Line = key.Line
		return node{path, &c}, true
	}
	include := entryOf(root, "include")
	if include == nil {
		return node{}, false
	}
	for _, i := range include.Content {
		for _, p := range paths(i) {
			if n, ok := f.find(beside(path, p), name, depth-1); ok {
				return n, ok
			}
		}
	}
	return node{}, false
}

// paths are the files of an entry of include.
func paths(n *yaml.Node) []string {
	n = resolved(n)
	if n.Kind == yaml.MappingNode {
		n = entryOf(n, "path")
	}
	switch {
	case n == nil:
	case n.Kind == yaml.ScalarNode:
		return []string{n.Value}
	case n.Kind == yaml.SequenceNode:
		var all []string
		for _, p := range n.Content {
			all = append(all, p.Value)
		}
		return all
	}
	return nil
}

func beside(path, other string) string {
	if filepath.IsAbs(other) {
		return other
	}
	return filepath.Join(filepath.Dir(path), other)
}

// extended adds the service's node, and those that it extends.
func (f *finder) extended(w *written, n node, depth int) {
	w.nodes = append(w.nodes, n)
	e := entryOf(n.Node, "extends")
	if e == nil || depth == 0 {
		return
	}
	path, name := n.file, e.Value
	if e.Kind == yaml.MappingNode {
		name = ""
		if s := entryOf(e, "service"); s != nil {
			name = s.Value
		}
		if file := entryOf(e, "file"); file != nil {
			path = beside(path, file.Value)
		}
	}
	if next, ok := f.find(path, name, maxDepth); ok {
		f.extended(w, next, depth-1)
	}
}

// keys are the places of the service's settings, and of those below deploy.
func (w *written) keys() map[string]inventory.FileLine {
	all := map[string]inventory.FileLine{}
	add := func(key string, n node, line int) {
		if _, ok := all[key]; !ok {
			all[key] = inventory.FileLine{File: relative(n.file), Line: line}
		}
	}
	for _, n := range w.nodes {
		each(n.Node, maxDepth, func(key, value *yaml.Node) {
			add(key.Value, n, key.Line)
			if key.Value == "deploy" {
				each(resolved(value), maxDepth, func(key, _ *yaml.Node) { add("deploy."+key.Value, n, key.Line) })
			}
		})
	}
	return all
}

// item is the line of the entry of a list or map that holds the word: a key, a scalar in
// which it is a part between : = and /, or the value of a key.
func (w *written) item(key, word string) inventory.FileLine {
	found := w.place.FileLine
	for i := len(w.nodes) - 1; i >= 0; i-- {
		n := w.nodes[i]
		list := entryOf(n.Node, key)
		if list == nil {
			continue
		}
		name, _ := entry(n.Node, key, maxDepth)
		found = inventory.FileLine{File: relative(n.file), Line: name.Line}
		if line := lineOf(list, word); line > 0 {
			found.Line = line
		}
	}
	return found
}

func lineOf(list *yaml.Node, word string) int {
	line := 0
	switch list.Kind {
	case yaml.MappingNode:
		each(list, maxDepth, func(key, _ *yaml.Node) {
			if key.Value == word && line == 0 {
				line = key.Line
			}
		})
	case yaml.SequenceNode:
		for _, i := range list.Content {
			if line == 0 && mentions(resolved(i), word) {
				line = i.Line
			}
		}
	case yaml.ScalarNode:
		line = list.Line
	}
	return line
}

// mentions reports whether an entry of a list is about the word.
func mentions(n *yaml.Node, word string) bool {
	if n.Kind == yaml.MappingNode {
		for i := 1; i < len(n.Content); i += 2 {
			if v := n.Content[i].Value; v == word || strings.HasSuffix(v, "/"+word) {
				return true
			}
		}
		return false
	}
	for _, part := range strings.FieldsFunc(n.Value, func(r rune) bool { return r == ':' || r == '=' }) {
		if port, _, _ := strings.Cut(part, "/"); part == word || port == word || strings.HasSuffix(part, "/"+word) {
			return true
		}
	}
	return false
}

// resolved is the node behind aliases.
func resolved(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n == nil || n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	return n
}

// each calls f with the entries of a map, those merged into it by << last.
func each(n *yaml.Node, depth int, f func(key, value *yaml.Node)) {
	if n = resolved(n); n == nil || n.Kind != yaml.MappingNode || depth == 0 {
		return
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "<<" {
			merged = append(merged, n.Content[i+1])
			continue
		}
		f(n.Content[i], n.Content[i+1])
	}
	for _, m := range merged {
		if m = resolved(m); m != nil && m.Kind == yaml.SequenceNode {
			for _, e := range m.Content {
				each(e, depth-1, f)
			}
			continue
		}
		each(m, depth-1, f)
	}
}

// entry is an entry of a map: its key and its value; nil if it has none.
func entry(n *yaml.Node, name string, depth int) (key, value *yaml.Node) {
	each(n, depth, func(k, v *yaml.Node) {
		if key == nil && k.Value == name {
			key, value = k, v
		}
	})
	return key, value
}

func entryOf(n *yaml.Node, name string) *yaml.Node {
	_, v := entry(n, name, maxDepth)
	return resolved(v)
}
