package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"syscall"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// What a file may be at most. The limits are far above what anybody writes and
// keep the parser, which recurses, away from the end of the stack.
const (
	maxSource  = 4 << 20 // bytes of one hcl file: parsing takes some 100 times as much memory
	maxNesting = 32      // brackets within brackets
	maxOddity  = 1000    // tokens that this format has no use for
	maxSnippet = 1000    // bytes of a line that are shown
)

// source is one hcl file that was read.
type source struct {
	path  string // as shown, and as opened
	rel   string // relative to agent.hcl's folder, for Origin
	bytes []byte
	body  *hclsyntax.Body
	// foreign: it does not look like a file of this format, and no line of it is shown.
	foreign bool
}

// utf8BOM is what some editors put before the text.
const utf8BOM = "\ufeff"

// errNotRegular is for what could block, or never end.
var errNotRegular = errors.New("it is not a regular file")

// openRegular opens a regular file and nothing else; O_NONBLOCK keeps a FIFO
// from holding the agent before its kind is known.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	switch {
	case err != nil:
	case st.IsDir():
		err = syscall.EISDIR
	case !st.Mode().IsRegular():
		err = errNotRegular
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// readProblem puts the system's reason into the operator's words.
func readProblem(what, path string, err error) *problem {
	summary := fmt.Sprintf("Cannot read %s %s", what, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &problem{summary + ": there is no such file", ""}
	case errors.Is(err, fs.ErrPermission):
		return &problem{summary + ": permission denied", deniedDetail(os.Geteuid())}
	case errors.Is(err, syscall.EISDIR):
		return &problem{summary + ": it is a directory", ""}
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return &problem{summary + ": " + err.Error(), ""}
}

// deniedDetail says what to do if this user may not read a file.
func deniedDetail(euid int) string {
	if euid != 0 {
		return "Run as root, or let the reader's user read the file."
	}
	return "This program runs as root, but without the right to override permissions, as dockwall.service does, which sees nothing in /home and /root either. " +
		"Keep the file in /etc/dockwall, and let root read it: chown root, or chmod o+r. agentctl check, run as root, says what is in the way."
}

// emptyFile is for a file without a single character: most often a program was
// about to write it, or the disk was full.
func emptyFile(what, path, detail string) *problem {
	return &problem{fmt.Sprintf("Cannot use %s %s: it is empty", what, path), detail}
}

// readSource reads and parses one hcl file; nil if that went wrong.
func (d *decoder) readSource(path, rel string) *source {
	s := &source{path: path, rel: rel}
	d.files = append(d.files, path)
	data, err := readLimited(path)
	if err != nil {
		d.wholeFile(path, readProblem("the file", path, err))
		return nil
	}
	s.bytes = bytes.TrimPrefix(data, []byte(utf8BOM))
	if len(s.bytes) == 0 {
		d.wholeFile(path, emptyFile("the file", path, "To allow nothing at all, write a comment into it: # no policy"))
		return nil
	}
	s.foreign = !ours(s.bytes)
	d.sources[path] = s
	data = s.bytes
	if at, p := encodingProblem(data); p != nil {
		d.report(Error, nil, positionOf(path, data, at), p)
		return nil
	}
	if !d.checkTokens(s) {
		return nil
	}
	f, diags := hclsyntax.ParseConfig(data, path, hcl.InitialPos)
	if diags.HasErrors() {
		d.syntaxErrors(s, diags)
		return nil
	}
	s.body = f.Body.(*hclsyntax.Body)
	return s
}

func readLimited(path string) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err == nil && len(data) > maxSource {
		err = fmt.Errorf("it is larger than %d MiB; long lists of addresses belong in an addresses file", maxSource>>20)
	}
	return data, errors.Join(err, f.Close())
}

// encodingProblem finds the first byte that text in UTF-8 cannot hold.
func encodingProblem(data []byte) (int, *problem) {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return 0, &problem{"The file is in UTF-16", "Save it as UTF-8."}
	}
	if at := bytes.IndexByte(data, 0); at >= 0 {
		return at, &problem{"The file holds a NUL byte", "It is not text, or it was only half written. Save it again, as UTF-8."}
	}
	if utf8.Valid(data) {
		return 0, nil
	}
	for at := 0; at < len(data); {
		r, n := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && n == 1 {
			return at, &problem{"The file is not in UTF-8", "Save it as UTF-8."}
		}
		at += n
	}
	return 0, nil
}

// positionOf makes a one-character range of a byte offset.
func positionOf(path string, data []byte, at int) hcl.Range {
	start := bytes.LastIndexByte(data[:at], '\n') + 1
	p := hcl.Pos{Byte: at, Line: 1 + bytes.Count(data[:at], []byte{'\n'}), Column: 1 + utf8.RuneCount(data[start:at])}
	end := p
	end.Column++
	end.Byte++
	return hcl.Range{Filename: path, Start: p, End: end}
}

// checkTokens refuses, before the recursive parser sees it, what would take
// it arbitrarily deep: nested brackets, and long chains of operators, indexes
// and template sequences, for which this format has no use.
func (d *decoder) checkTokens(s *source) bool {
	tokens, _ := hclsyntax.LexConfig(s.bytes, s.path, hcl.InitialPos)
	depth, odd := 0, 0
	previous := hclsyntax.TokenNil
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen:
			depth++
			if previous == hclsyntax.TokenCBrack || t.Type == hclsyntax.TokenOParen {
				odd++
			}
		case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
			odd++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
			depth--
		case hclsyntax.TokenNewline, hclsyntax.TokenComma, hclsyntax.TokenEqual, hclsyntax.TokenIdent, hclsyntax.TokenDot, hclsyntax.TokenColon,
			hclsyntax.TokenOQuote, hclsyntax.TokenCQuote, hclsyntax.TokenQuotedLit, hclsyntax.TokenNumberLit, hclsyntax.TokenComment:
		default:
			odd++
		}
		previous = t.Type
		if depth > maxNesting || odd > maxOddity {
			d.report(Error, nil, t.Range, &problem{"The file is nested too deeply, or full of operators",
				"agent.hcl is made of blocks, plain values, and lists of them."})
			return false
		}
	}
	return true
}

func (d *decoder) syntaxErrors(s *source, diags hcl.Diagnostics) {
	for _, diag := range diags {
		if diag.Severity != hcl.DiagError {
			continue
		}
		rng := hcl.Range{Filename: s.path}
		if diag.Subject != nil {
			rng = *diag.Subject
		}
		detail := diag.Detail
		if hint := quoteHint(lineAt(s.bytes, rng.Start.Byte)); hint != "" && !s.foreign {
			detail += "\n" + hint
		}
		d.report(Error, nil, rng, &problem{diag.Summary, detail})
	}
}

var (
	quoted      = regexp.MustCompile(`"[^"]*"`)
	bareAddress = regexp.MustCompile(`\d{1,3}(\.\d{1,3}){3}(/\d+)?|\b[0-9a-fA-F]{1,4}:[0-9a-fA-F:]*:[0-9a-fA-F:]*(/\d+)?`)
)

// quoteHint helps operators who wrote an address without quotes, which HCL cannot
// say, that it needs them.
func quoteHint(line string) string {
	bare := bareAddress.FindString(quoted.ReplaceAllString(line, ""))
	if bare == "" {
		return ""
	}
	return fmt.Sprintf("Addresses are written in quotes: %q.", bare)
}

// lineAt is the line around a byte offset, cut to a length that can be shown.
func lineAt(data []byte, at int) string {
	at = min(max(at, 0), len(data))
	start := bytes.LastIndexByte(data[:at], '\n') + 1
	line := data[start:]
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	return cutLine(string(bytes.TrimSuffix(line, []byte{'\r'})))
}

func cutLine(line string) string {
	if len(line) > maxSnippet {
		line = line[:maxSnippet]
	}
	return string(bytes.ToValidUTF8([]byte(line), []byte("\uFFFD")))
}

// blockHead is how a block begins.
var blockHead = regexp.MustCompile(`(?m)^[ \t]*([a-zA-Z_][a-zA-Z_0-9-]*)[ \t]*(?:"[^"\n]*"?[ \t]*)?\{`)

// ours reports whether text looks like a file of this format: there is a block of a
// kind that it has, or of a name that was probably meant for one. A user who may run
// agentctl with --config, by sudo for one, must not read other files by its errors.
func ours(text []byte) bool {
	names := kindNames(kinds())
	for _, m := range blockHead.FindAllSubmatch(text, maxOddity) {
		if name := string(m[1]); slices.Contains(names, name) || nearest(name, names) != "" {
			return true
		}
	}
	return false
}
