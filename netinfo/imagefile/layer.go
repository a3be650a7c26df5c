package imagefile

import (
	"archive/tar"
	"bytes"
	"errors"
	"hash/fnv"
	"io"
	"path"
	"slices"
	"strings"

	"dockwall/netinfo/inventory"
)

// maxNoticed is how many files of a layer are noticed; more say no more.
const maxNoticed = 2000

// maxText is how much of a file is searched.
const maxText = 64 << 10

// layer is what was noticed in one.
type layer struct {
	files []inventory.LayerFile
	// paths are hashes of the paths of all entries: they replace those of layers below.
	paths map[uint64]bool
	// gone are paths that it removes, and opaque the folders whose contents it replaces.
	gone, opaque []string
	entries      int
	// broken is why it was not read to its end.
	broken string
}

func hash(path string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(path))
	return h.Sum64()
}

// layer walks a layer. The error is errLimit if no more may be read.
func (r *reader) layer(l *layer, in io.Reader) error {
	l.paths = map[uint64]bool{}
	plain, err := unpacked(in)
	if err != nil {
		l.broken = err.Error()
		return nil
	}
	if c, ok := plain.(io.Closer); ok {
		defer c.Close()
	}
	t := tar.NewReader(&metered{plain, r})
	for {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errLimit):
			l.broken = errLimit.Error()
			return errLimit
		case err != nil:
			l.broken = "it is broken: " + err.Error()
			return nil
		}
		if r.entries++; r.entries > r.limits.Entries {
			l.broken = errLimit.Error()
			return errLimit
		}
		l.entries++
		if err := r.notice(l, h, t); errors.Is(err, errLimit) {
			l.broken = errLimit.Error()
			return errLimit
		}
	}
}

// notice adds what is to be noticed in an entry.
func (r *reader) notice(l *layer, h *tar.Header, in io.Reader) error {
	name := clean(h.Name)
	folder, base := path.Split(name)
	switch {
	case base == ".wh..wh..opq":
		l.opaque = append(l.opaque, strings.TrimSuffix(folder, "/"))
		return nil
	case strings.HasPrefix(base, ".wh..wh."):
		return nil // the storage driver's own
	case strings.HasPrefix(base, ".wh."):
		l.gone = append(l.gone, folder+strings.TrimPrefix(base, ".wh."))
		return nil
	}
	l.paths[hash(name)] = true
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
		return nil
	}
	f := inventory.LayerFile{Path: "/" + name}
	mode := h.Mode
	f.WorldWritable = mode&0o2 != 0 && mode&0o1000 == 0
	var err error
	if h.Typeflag == tar.TypeReg {
		f.Setuid = mode&0o6000 != 0 && mode&0o111 != 0
		f.SSHServer = mode&0o111 != 0 && isServer(name)
		err = r.contents(&f, h, in)
	} else if base == ".git" {
		f.Secret = inventory.KeyFile(name)
	}
	if noticed(&f) && len(l.files) < maxNoticed {
		l.files = append(l.files, f)
	}
	return err
}

func noticed(f *inventory.LayerFile) bool {
	return f.Setuid || f.WorldWritable || f.SSHServer || f.Secret != "" || f.Account != ""
}

// isServer reports whether a path is the program of a server to log in with.
func isServer(name string) bool {
	folder, base := path.Split(name)
	return slices.Contains([]string{"sshd", "dropbear", "tinysshd", "in.telnetd", "telnetd"}, base) && strings.HasSuffix(folder, "bin/")
}

// contents adds what a regular file seems to hold.
func (r *reader) contents(f *inventory.LayerFile, h *tar.Header, in io.Reader) error {
	if h.Size == 0 {
		return nil
	}
	f.Secret = inventory.KeyFile(f.Path)
	if h.Size > 16*maxText && f.Secret == "" {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(in, maxText))
	if err != nil {
		return err
	}
	switch f.Path {
	case "/etc/shadow", "/etc/passwd":
		f.Account = account(f.Path, string(text))
		return nil
	}
	if f.Secret != "" || bytes.IndexByte(text[:min(len(text), 512)], 0) >= 0 {
		return nil
	}
	if what := r.secrets.InFile(text); what != "" && !(what == "a private key" && example(f.Path)) {
		f.Secret = what
	}
	return nil
}

// example reports whether a file is part of the tests or examples of a package, whose
// keys are public.
func example(name string) bool {
	if !strings.HasPrefix(name, "/usr/") && !strings.Contains(name, "/node_modules/") && !strings.Contains(name, "-packages/") {
		return false
	}
	for _, part := range strings.Split(name, "/") {
		if slices.Contains([]string{"test", "tests", "testdata", "testing", "example", "examples", "doc", "docs"}, part) {
			return true
		}
	}
	return false
}

// account says what is wrong with an account: one without a password, or a second root.
func account(file, text string) string {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimRight(line, "\r\n"), ":")
		switch {
		case len(fields) < 3:
		case fields[1] == "":
			return fields[0] + " has no password"
		case file == "/etc/passwd" && fields[2] == "0" && fields[0] != "root":
			return fields[0] + " has the number of root"
		}
	}
	return ""
}
