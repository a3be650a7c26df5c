package trial

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dockwall/agent/config"
	"dockwall/agent/lastgood"
)

// textOf distinguishes one text of the operator's file, agent.d included, from
// another. Lists of addresses are left out: programs write those, and what a
// program writes confirms nothing.
func textOf(file string) string {
	paths, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "agent.d", "*.hcl"))
	slices.Sort(paths)
	h := sha256.New()
	for _, path := range append([]string{file}, paths...) {
		if strings.HasPrefix(filepath.Base(path), ".") {
			continue // an editor's own
		}
		text, err := os.ReadFile(path)
		if err != nil {
			text = nil // a file that cannot be read says nothing
		}
		name := path
		if path == file {
			name = ""
		}
		fmt.Fprintf(h, "%q %d\n", name, len(text))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// same reports whether two documents mean the same, wherever in the file it
// stands.
func same(a, b *config.Document) bool {
	ta, erra := meaningOf(a)
	tb, errb := meaningOf(b)
	return erra == nil && errb == nil && bytes.Equal(ta, tb)
}

// meaningOf is the document as text, without places and paths.
func meaningOf(doc *config.Document) ([]byte, error) {
	c := *doc
	c.Settings.Path = ""
	text, err := encode(&c)
	if err != nil {
		return nil, err
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	return json.Marshal(placeless(v))
}

func placeless(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "Origin")
		for k := range v {
			v[k] = placeless(v[k])
		}
	case []any:
		for i := range v {
			v[i] = placeless(v[i])
		}
	}
	return v
}

func encode(doc *config.Document) (json.RawMessage, error) {
	var b bytes.Buffer
	if err := lastgood.Write(&b, doc); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func decode(text json.RawMessage) (*config.Document, error) {
	return lastgood.Read(bytes.NewReader(text))
}
