package config

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What an addresses file may be at most.
const (
	maxAddresses         = 1_000_000
	maxAddressFile       = 128 << 20 // bytes
	maxAddressLine       = 4 << 10   // bytes, comments included
	maxAddressFileErrors = 20        // after which the file is given up
)

// readAddresses reads an addresses file: one CIDR or address per line, #
// begins a comment.
func (d *decoder) readAddresses(s *section, name string) []netip.Prefix {
	path := d.beside(name)
	if !slices.Contains(d.files, path) {
		d.files = append(d.files, path)
	}
	rng := s.hcl.Body.Attributes["file"].Expr.Range()
	f, err := openRegular(path)
	if err != nil {
		s.fail(rng, readProblem("the addresses file", path, err))
		return nil
	}
	r := addressFile{d: d, s: s, path: path}
	if err := errors.Join(r.read(f), f.Close()); err != nil {
		s.fail(rng, readProblem("the addresses file", path, err))
		return nil
	}
	return r.prefixes
}

// addressFile is the state of reading one such file.
type addressFile struct {
	d        *decoder
	s        *section
	path     string
	line     int
	prefixes []netip.Prefix
}

func (r *addressFile) read(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.Size() > maxAddressFile {
		return fmt.Errorf("it is larger than %d MiB", maxAddressFile>>20)
	}
	lines := bufio.NewScanner(io.LimitReader(f, maxAddressFile))
	lines.Buffer(make([]byte, 0, 64<<10), maxAddressLine)
	for lines.Scan() {
		r.line++
		raw := lines.Bytes()
		if r.line == 1 {
			raw = bytes.TrimPrefix(raw, []byte(utf8BOM))
		}
		if !r.take(raw) {
			return nil
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		r.line++
		r.fail("", "", &problem{"The line is too long", fmt.Sprintf("A line has at most %d bytes.", maxAddressLine)})
		return nil
	}
	return lines.Err()
}

// take reads one line and reports whether to go on.
func (r *addressFile) take(raw []byte) bool {
	text, _, _ := bytes.Cut(raw, []byte{'#'})
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return true
	}
	v := string(text)
	p, ok := parsePrefix(v)
	switch {
	case !ok:
		return r.fail(string(raw), v, lineProblem(v))
	case len(r.prefixes) == maxAddresses:
		r.fail(string(raw), v, &problem{"There are too many addresses", fmt.Sprintf("A file holds at most %d.", maxAddresses)})
		return false
	}
	r.prefixes = append(r.prefixes, p)
	return true
}

// lineProblem is addressProblem for a line, where nothing stands in quotes.
func lineProblem(v string) *problem {
	switch {
	case !utf8.ValidString(v) || strings.ContainsRune(v, 0):
		return &problem{"The line is not text in UTF-8", "Save the file as UTF-8, with one CIDR or address per line."}
	case v == "any":
		return &problem{`"any" cannot stand in an addresses file`, "Write 0.0.0.0/0 and ::/0, on two lines."}
	case strings.ContainsAny(v, ", \t;\"'"):
		return &problem{fmt.Sprintf("%q is not one address", v), "One CIDR or address stands on each line, without quotes; # begins a comment."}
	}
	return addressProblem(v)
}

// fail reports a line and reports whether to go on after it.
func (r *addressFile) fail(raw, v string, p *problem) bool {
	// What stands before v is blank; looking for v could find it in the midst of a
	// character. What stands behind it is a comment, or anything at all.
	before := raw[:len(raw)-len(strings.TrimLeftFunc(raw, unicode.IsSpace))]
	column := 1 + utf8.RuneCountInString(before)
	diag := Diagnostic{Severity: Error, File: r.path, Line: r.line, Column: column, EndColumn: column + 1,
		Summary: p.summary, Detail: p.detail, Snippet: notShown, Context: "in " + r.s.title()}
	switch {
	case raw == "":
		diag.Snippet = ""
	case v == "any" || addressLike.MatchString(v):
		diag.EndColumn, diag.Snippet = column+len(v), before+v
	default:
		hidden := hiddenProblem(v)
		diag.Summary, diag.Detail = hidden.summary, hidden.detail
	}
	r.d.add(diag)
	r.d.addressErrors[r.path]++
	return r.d.addressErrors[r.path] < maxAddressFileErrors
}

// notShown stands for a line of a file that may be any file: the operator may have
// named, or another program linked, one with secrets.
const notShown = "…"

// addressLike is what may be shown of an addresses file: short groups of hexadecimal
// digits, with what separates them in addresses, CIDRs and ranges.
var addressLike = regexp.MustCompile(`^[0-9a-fA-F]{0,4}([.:/-][0-9a-fA-F]{0,4}){1,20}$`)

// hiddenProblem is lineProblem without anything of the line itself.
func hiddenProblem(v string) *problem {
	const detail = "One CIDR or address stands on each line, such as 203.0.113.0/24 or 2001:db8::/32, without quotes; # begins a comment. " +
		"The line is not shown, since it does not look like an address: is this the right file?"
	switch {
	case !utf8.ValidString(v) || strings.ContainsRune(v, 0):
		return lineProblem(v)
	case strings.ContainsAny(v, ", \t;\"'"):
		return &problem{"The line is not one address", detail}
	case strings.Contains(v, ".") && hostname.MatchString(v):
		return &problem{"The line is a hostname, or no address at all", "Hostnames are not possible. " + detail}
	}
	return &problem{"The line is not an address", detail}
}
