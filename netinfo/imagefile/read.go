package imagefile

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"dockwall/netinfo/inventory"
)

// Limits are the most that is read of an archive.
type Limits struct {
	Bytes   int64 // of layers, after they were unpacked
	Entries int   // of all layers
	Time    time.Duration
}

// DefaultLimits suit images of some ten gigabytes.
func DefaultLimits() Limits {
	return Limits{Bytes: 64 << 30, Entries: 3_000_000, Time: 10 * time.Minute}
}

// maxJSON is the largest document that is kept, and maxKept what all have together.
const maxJSON, maxKept = 8 << 20, 64 << 20

// errLimit: more was there than the limits allow.
var errLimit = errors.New("the image is larger than what is read of one")

// Read reads the images of an archive. source is where it is from, for messages. The
// error says that it is no archive of images; what is wrong with one of the images is
// in its Partial.
func Read(source string, archive io.Reader, l Limits) ([]inventory.Content, error) {
	r := &reader{limits: l, left: l.Bytes, deadline: time.Now().Add(l.Time), secrets: inventory.NewSecrets(),
		documents: map[string][]byte{}, layers: map[string]*layer{}, links: map[string]string{}}
	plain, err := unpacked(archive)
	if err != nil {
		return nil, fmt.Errorf("%s is no archive of an image: %w", source, err)
	}
	r.walk(tar.NewReader(plain))
	all, err := r.images(source)
	if err == nil && len(all) == 0 {
		err = errors.New("it holds no image")
	}
	if err != nil {
		if r.broken != "" {
			err = errors.New(r.broken)
		}
		return nil, fmt.Errorf("%s is no archive of an image: %w", source, err)
	}
	return all, nil
}

type reader struct {
	limits   Limits
	left     int64 // bytes that may still be read of layers
	entries  int
	deadline time.Time
	secrets  *inventory.Secrets

	documents map[string][]byte // JSON by the name of its entry
	kept      int
	layers    map[string]*layer
	links     map[string]string
	// broken is why the archive was not read to its end.
	broken string
}

// walk reads the archive's entries.
func (r *reader) walk(t *tar.Reader) {
	for {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			r.broken = "the archive is broken: " + err.Error()
			return
		case time.Now().After(r.deadline):
			r.broken = fmt.Sprintf("reading it took more than %v", r.limits.Time)
			return
		}
		name := path.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeSymlink, tar.TypeLink:
			r.links[name] = linkTarget(h)
		case tar.TypeReg:
			if err := r.entry(name, t); errors.Is(err, errLimit) {
				r.broken = errLimit.Error()
				return
			}
		}
		if len(r.links)+len(r.layers)+len(r.documents) > 100_000 {
			r.broken = "the archive has more than 100000 parts"
			return
		}
	}
}

// linkTarget is the entry that a link stands for: docker save of older engines writes
// a layer that two images share as a link.
func linkTarget(h *tar.Header) string {
	if h.Typeflag == tar.TypeLink {
		return path.Clean(h.Linkname)
	}
	return path.Join(path.Dir(path.Clean(h.Name)), h.Linkname)
}

// entry keeps a document, or walks a layer. What is neither is passed over.
func (r *reader) entry(name string, in io.Reader) error {
	b := bufio.NewReaderSize(in, 64<<10)
	head, _ := b.Peek(512)
	switch {
	case len(head) > 0 && (head[0] == '{' || head[0] == '['):
		text, err := io.ReadAll(io.LimitReader(b, maxJSON+1))
		if err == nil && len(text) <= maxJSON && r.kept+len(text) <= maxKept {
			r.documents[name], r.kept = text, r.kept+len(text)
		}
		return err
	case isTar(head) || packed(head):
		l := &layer{}
		r.layers[name] = l
		return r.layer(l, b)
	}
	return nil
}

// isTar reports whether a file begins like an archive; one of zeros alone is empty.
func isTar(head []byte) bool {
	return len(head) == 512 && (bytes.HasPrefix(head[257:], []byte("ustar")) || len(bytes.Trim(head, "\x00")) == 0)
}

func packed(head []byte) bool {
	return bytes.HasPrefix(head, []byte{0x1f, 0x8b}) || bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd})
}

// unpacked is what gzip or zstd packed, or the stream itself.
func unpacked(in io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(in, 64<<10)
	head, err := b.Peek(4)
	switch {
	case len(head) < 4 && err != nil:
		return nil, errors.New("it is empty")
	case head[0] == 0x1f && head[1] == 0x8b:
		return gzip.NewReader(b)
	case packed(head):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return b, nil
}

// metered counts the bytes of layers, and ends reading at the limits.
type metered struct {
	in io.Reader
	r  *reader
}

// Read implements io.Reader.
func (m *metered) Read(p []byte) (int, error) {
	if m.r.left <= 0 || time.Now().After(m.r.deadline) {
		return 0, errLimit
	}
	n, err := m.in.Read(p)
	m.r.left -= int64(n)
	return n, err
}

// clean is the path of a layer's entry, without a leading slash or dots.
func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }
