package config

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// ControlSocket returns the socket of the control block in agent.hcl at path or in
// agent.d, even if the files have errors; empty if no file writes a usable one. It is
// for asking the daemon about a file that Load refuses.
func ControlSocket(path string) string {
	dir := filepath.Join(filepath.Dir(path), dropIns)
	paths := []string{path}
	entries, err := os.ReadDir(dir)
	if err != nil {
		entries = nil // there is no such folder, or Load says what is wrong with it
	}
	for _, e := range entries {
		if isDropIn(e.Name()) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	for _, p := range paths {
		text, err := readLimited(p)
		if err != nil {
			continue
		}
		if socket := scanSocket(bytes.TrimPrefix(text, []byte(utf8BOM))); socket != "" {
			return socket
		}
	}
	return ""
}

// scanSocket finds control { socket = "…" } among the tokens: they can be told apart
// in a text that is no HCL.
func scanSocket(text []byte) string {
	tokens, _ := hclsyntax.LexConfig(text, "", hcl.InitialPos) // errors are in the tokens
	tokens = slices.DeleteFunc(tokens, func(t hclsyntax.Token) bool {
		return t.Type == hclsyntax.TokenNewline || t.Type == hclsyntax.TokenComment
	})
	is := func(i int, kind hclsyntax.TokenType, text string) bool {
		return i < len(tokens) && tokens[i].Type == kind && (text == "" || string(tokens[i].Bytes) == text)
	}
	inside := false
	for i := range tokens {
		switch {
		case is(i, hclsyntax.TokenIdent, "control") && is(i+1, hclsyntax.TokenOBrace, ""):
			inside = true
		case is(i, hclsyntax.TokenCBrace, ""):
			inside = false
		case inside && is(i, hclsyntax.TokenIdent, "socket") && is(i+1, hclsyntax.TokenEqual, "") && is(i+2, hclsyntax.TokenOQuote, "") &&
			is(i+3, hclsyntax.TokenQuotedLit, "") && is(i+4, hclsyntax.TokenCQuote, ""):
			if socket := string(tokens[i+3].Bytes); checkSocket(socket) == nil {
				return socket
			}
		}
	}
	return ""
}
