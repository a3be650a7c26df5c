package config

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/netip"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"go4.org/netipx"

	"dockwall/rules/policy"
)

// What an addresses file may be at most.
const (
	maxAddresses         = 1_000_000
	maxAddressFile       = 128 << 20 // bytes
	maxAddressLine       = 4 << 10   // bytes, comments included
	maxAddressFileErrors = 20        // after which the file is given up
)

// listing is the content of an addresses file, or what is wrong with it.
type listing struct {
	// prefixes are sorted and without duplicates. They are shared, and never changed.
	prefixes []netip.Prefix
	// entries is how many addresses, CIDRs and ranges the file holds.
	entries int
	// size and sum are the length and the SHA-256 of the bytes that were read.
	size int64
	sum  [sha256.Size]byte
	// print is the file's fingerprint when it was read.
	print string
	// problem is what is wrong with the file as a whole, lines what is wrong in it.
	problem *problem
	lines   Diagnostics
}

// good reports whether the list can be used.
func (l *listing) good() bool { return l.problem == nil && len(l.lines) == 0 }

// reason is in one line what is wrong with it.
func (l *listing) reason() string {
	if l.problem != nil {
		return l.problem.summary
	}
	first := l.lines[0]
	if more := len(l.lines) - 1; more > 0 {
		return fmt.Sprintf("%s: %s, and %d more errors", first.Position(), first.Summary, more)
	}
	return first.Position() + ": " + first.Summary
}

// readListing reads an addresses file: one CIDR, address or range per line; # and ;
// begin a comment. With partial, a last line without its end is left out: a program
// is still writing it.
func readListing(path string, partial bool) *listing {
	l := &listing{print: fingerprint(path)}
	f, err := openRegular(path)
	if err == nil {
		r := addressFile{path: path, partial: partial, listing: l, sum: sha256.New()}
		err = errors.Join(r.read(f), f.Close())
	}
	if err != nil {
		l.problem = readProblem("the addresses file", path, err)
	}
	return l
}

// addressFile is the state of reading one such file.
type addressFile struct {
	path    string
	partial bool
	listing *listing
	sum     hash.Hash
	line    int
	// said reports whether the file holds anything besides blanks.
	said bool
}

func (r *addressFile) read(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.Size() > maxAddressFile {
		return fmt.Errorf("it is larger than %d MiB", maxAddressFile>>20)
	}
	counted := &countingReader{r: io.TeeReader(io.LimitReader(f, maxAddressFile), r.sum)}
	lines := bufio.NewScanner(counted)
	lines.Buffer(make([]byte, 0, 64<<10), maxAddressLine)
	if r.partial {
		lines.Split(wholeLines)
	}
	for more := true; more && lines.Scan(); {
		r.line++
		raw := lines.Bytes()
		if len(raw) >= maxAddressLine {
			r.tooLong()
			break
		}
		if r.line == 1 {
			raw = bytes.TrimPrefix(raw, []byte(utf8BOM))
		}
		more = r.take(raw)
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		r.line++
		r.tooLong()
	} else if lines.Err() != nil {
		return lines.Err()
	}
	l := r.listing
	l.prefixes, l.size = policy.SortPrefixes(l.prefixes), counted.n
	copy(l.sum[:], r.sum.Sum(nil))
	if l.good() && !r.said {
		l.problem = emptyFile("the addresses file", r.path, "An empty list is a file with a comment in it: # no addresses")
	}
	return nil
}

func (r *addressFile) tooLong() {
	r.fail("", "", &problem{"The line is too long", fmt.Sprintf("A line has at most %d bytes.", maxAddressLine)})
}

// countingReader counts the bytes that were read.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// wholeLines is bufio.ScanLines without a last line that has no end.
func wholeLines(data []byte, atEOF bool) (int, []byte, error) {
	if atEOF && bytes.IndexByte(data, '\n') < 0 {
		return len(data), nil, nil
	}
	return bufio.ScanLines(data, atEOF)
}

// take reads one line and reports whether to go on.
func (r *addressFile) take(raw []byte) bool {
	text := raw
	if at := bytes.IndexAny(raw, "#;"); at >= 0 {
		text = raw[:at]
		r.said = true
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return true
	}
	r.said = true
	v, l := string(text), r.listing
	if p, ok := parsePrefix(v); ok {
		l.prefixes = append(l.prefixes, p)
	} else if cidrs := parseAddressRange(v); cidrs != nil {
		l.prefixes = append(l.prefixes, cidrs...)
	} else {
		return r.fail(string(raw), v, lineProblem(v))
	}
	l.entries++
	if len(l.prefixes) > maxAddresses {
		r.fail(string(raw), v, &problem{"There are too many addresses", fmt.Sprintf("A file holds at most %d.", maxAddresses)})
		return false
	}
	return true
}

// parseAddressRange reads "203.0.113.5-203.0.113.9", with or without blanks around
// the dash, and returns exactly the CIDRs that cover it; nil if it is no range.
func parseAddressRange(v string) []netip.Prefix {
	lo, hi, ok := strings.Cut(v, "-")
	if !ok {
		return nil
	}
	from, ok1 := parsePrefix(strings.TrimSpace(lo))
	to, ok2 := parsePrefix(strings.TrimSpace(hi))
	if !ok1 || !ok2 || strings.Contains(v, "/") {
		return nil
	}
	return netipx.IPRangeFrom(from.Addr(), to.Addr()).Prefixes()
}

// lineProblem is addressProblem for a line, where nothing stands in quotes.
func lineProblem(v string) *problem {
	lo, hi, _ := strings.Cut(v, "-")
	from, to := strings.TrimSpace(lo), strings.TrimSpace(hi)
	switch _, err := netip.ParseAddr(from); {
	case !utf8.ValidString(v) || strings.ContainsRune(v, 0):
		return &problem{"The line is not text in UTF-8", "Save the file as UTF-8, with one CIDR, address or range per line."}
	case v == "any":
		return &problem{`"any" cannot stand in an addresses file`, "Write 0.0.0.0/0 and ::/0, on two lines."}
	case err == nil && hi != "":
		return rangeLineProblem(v, from, to)
	case strings.ContainsAny(v, ", \t\"'"):
		return &problem{fmt.Sprintf("%q is not one address", v), "One CIDR, address or range stands on each line, without quotes; # and ; begin a comment."}
	}
	return addressProblem(v)
}

func rangeLineProblem(v, from, to string) *problem {
	lo, _ := netip.ParseAddr(from)
	hi, err := netip.ParseAddr(to)
	p := &problem{fmt.Sprintf("%q is not a range of addresses", v), "A range is written 203.0.113.5-203.0.113.9."}
	if err == nil && lo.Is4() == hi.Is4() && hi.Less(lo) {
		p.detail = fmt.Sprintf("Its end is before its beginning. Write %s-%s.", hi, lo)
	}
	return p
}

// fail reports a line and reports whether to go on after it.
func (r *addressFile) fail(raw, v string, p *problem) bool {
	// What stands before v is blank; looking for v could find it in the midst of a
	// character. What stands behind it is a comment, or anything at all.
	before := raw[:len(raw)-len(strings.TrimLeftFunc(raw, unicode.IsSpace))]
	column := 1 + utf8.RuneCountInString(before)
	diag := Diagnostic{Severity: Error, File: r.path, Line: r.line, Column: column, EndColumn: column + 1,
		Summary: p.summary, Detail: p.detail, Snippet: notShown}
	switch {
	case raw == "":
		diag.Snippet = ""
	case v == "any" || addressLike.MatchString(v):
		diag.EndColumn, diag.Snippet = column+len(v), before+v
	default:
		hidden := hiddenProblem(v)
		diag.Summary, diag.Detail = hidden.summary, hidden.detail
	}
	r.listing.lines = append(r.listing.lines, diag)
	return len(r.listing.lines) < maxAddressFileErrors
}
