package imagefile

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"dockwall/netinfo/inventory"
)

// entry is one of an archive. A link has a target.
type entry struct {
	name, text, target string
	mode               int64
	dir                bool
}

func archive(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.text)), Typeflag: tar.TypeReg, Linkname: e.target}
		if e.mode == 0 {
			h.Mode = 0o644
		}
		switch {
		case e.target != "":
			h.Typeflag, h.Size = tar.TypeSymlink, 0
		case e.dir:
			h.Typeflag, h.Mode = tar.TypeDir, e.mode
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, e.text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const digestA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

const config = `{"created":"2026-01-02T03:04:05Z","architecture":"amd64","os":"linux","config":{"User":"app","Env":["PATH=/bin","DB_PASSWORD=hunter2"],"ExposedPorts":{"22/tcp":{}},
"Labels":{"api_token":"hunter2","a":"b"}},
"history":[{"created_by":"RUN export API_KEY=hunter2 # buildkit"}],"rootfs":{"type":"layers","diff_ids":["sha256:` + digestA + `","sha256:` + digestA + `"]}}`

// A key has this form; its lines are no secret.
const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\nhunter2\n"

func layers(t *testing.T) (one, two []byte) {
	return archive(t, entry{name: "bin/su", text: "x", mode: 0o4755}, entry{name: "srv/app/.ssh/id_rsa", text: key}, entry{name: "srv/notes.txt", text: "see\n" + key},
			entry{name: "opt/app/.env", text: "A=hunter2"}, entry{name: "opt/app/.env.example", text: "A="}, entry{name: "etc/shadow", text: "root::1::::::\nbin:*:1::::::\n"},
			entry{name: "tmp", dir: true, mode: 0o1777}, entry{name: "data", dir: true, mode: 0o777}, entry{name: "usr/sbin/sshd", text: "x", mode: 0o755},
			entry{name: "usr/lib/python3/test/key.pem", text: key}, entry{name: "usr/lib/libssl.so", text: "\x7fELF\x00" + key}, entry{name: "cache/token", text: "ghp_" + strings.Repeat("a", 36)},
			entry{name: "bin/ping", text: "x", mode: 0o4755}, entry{name: "bin/sh", target: "busybox", mode: 0o777}, entry{name: "work/.git", dir: true, mode: 0o755}),
		archive(t, entry{name: "srv/app/.ssh/.wh.id_rsa"}, entry{name: "opt/.wh..wh..opq"}, entry{name: "bin/su", text: "x", mode: 0o755}, entry{name: ".wh.cache"}, entry{name: "etc/.wh..wh.aufs"})
}

// want is what is noticed in the two layers.
func want() []inventory.LayerFile {
	return []inventory.LayerFile{
		{Path: "/bin/su", Layer: 1, Setuid: true, Gone: 2}, {Path: "/srv/app/.ssh/id_rsa", Layer: 1, Secret: "a private key of SSH", Gone: 2}, {Path: "/srv/notes.txt", Layer: 1, Secret: "a private key"},
		{Path: "/opt/app/.env", Layer: 1, Secret: "variables of an environment", Gone: 2}, {Path: "/etc/shadow", Layer: 1, Account: "root has no password"}, {Path: "/data", Layer: 1, WorldWritable: true},
		{Path: "/usr/sbin/sshd", Layer: 1, SSHServer: true}, {Path: "/cache/token", Layer: 1, Secret: "a token of GitHub", Gone: 2}, {Path: "/bin/ping", Layer: 1, Setuid: true},
		{Path: "/work/.git", Layer: 1, Secret: "the history of a repository, with what was removed from it"},
	}
}

func packedBy(t *testing.T, how string, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	switch how {
	case "gzip":
		w := gzip.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Close()
	case "zstd":
		w, err := zstd.NewWriter(&out)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(b)
		_ = w.Close()
	default:
		return string(b)
	}
	return out.String()
}

// forms are the archives that engines and builders write of one image.
func forms(t *testing.T) map[string][]byte {
	one, two := layers(t)
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	blob := func(c string) string { return "blobs/sha256/" + strings.Repeat(c, 64) }
	oci := func(how string) []byte {
		manifest := fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":1},"layers":[{"digest":"%s","size":1},{"digest":"%s","size":1}]}`, digest("c"), digest("1"), digest("2"))
		inner := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":1},
			{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":1,"annotations":{"vnd.docker.reference.type":"attestation-manifest"}}]}`, digest("a"), digest("b"))
		index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"%s","size":1,"annotations":{"org.opencontainers.image.ref.name":"shop:1"}}]}`, digest("d"))
		return archive(t, entry{name: blob("2"), text: packedBy(t, how, two)}, entry{name: blob("1"), text: packedBy(t, how, one)}, entry{name: blob("c"), text: config},
			entry{name: blob("a"), text: manifest}, entry{name: blob("d"), text: inner}, entry{name: "index.json", text: index}, entry{name: "oci-layout", text: `{"imageLayoutVersion":"1.0.0"}`})
	}
	old := archive(t, entry{name: "cc.json", text: config}, entry{name: "one/layer.tar", text: string(one)}, entry{name: "two/layer.tar", target: "../other/layer.tar"},
		entry{name: "other/layer.tar", text: string(two)}, entry{name: "manifest.json", text: `[{"Config":"cc.json","RepoTags":["shop:1"],"Layers":["one/layer.tar","two/layer.tar"]}]`})
	return map[string][]byte{"docker save": old, "docker save, packed": []byte(packedBy(t, "gzip", old)), "OCI": oci(""), "OCI with gzip": oci("gzip"), "OCI with zstd": oci("zstd")}
}

func TestRead(t *testing.T) {
	for name, b := range forms(t) {
		all, err := Read("x.tar", bytes.NewReader(b), DefaultLimits())
		if err != nil || len(all) != 1 {
			t.Errorf("%s: %d images, %v", name, len(all), err)
			continue
		}
		c := all[0]
		if d := cmp.Diff(want(), c.Files); d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
		if c.User != "app" || c.Partial != "" || c.Unread != "" || c.Layers != 2 || c.Created == 0 || len(c.Tags) != 1 || c.Tags[0] != "shop:1" || c.Exposed[0] != "22/tcp" {
			t.Errorf("%s: %+v", name, c)
		}
		text, err := json.Marshal(c)
		if err != nil || strings.Contains(string(text), "hunter2") || !strings.Contains(string(text), "label api_token") {
			t.Errorf("%s: %v in %s", name, err, text)
		}
	}
}

// endless is a layer of zeros behind a file of any size.
func endless(t *testing.T, size int64) io.Reader {
	t.Helper()
	var inner, outer bytes.Buffer
	w := tar.NewWriter(&inner)
	if err := w.WriteHeader(&tar.Header{Name: "zeros", Size: size, Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	o := tar.NewWriter(&outer)
	for _, e := range []entry{{name: "c.json", text: config}, {name: "manifest.json", text: `[{"Config":"c.json","Layers":["l"]}]`}} {
		if err := o.WriteHeader(&tar.Header{Name: e.name, Size: int64(len(e.text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(o, e.text)
	}
	if err := o.WriteHeader(&tar.Header{Name: "l", Size: size + 512, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	return io.MultiReader(bytes.NewReader(outer.Bytes()), bytes.NewReader(inner.Bytes()), zeros{})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// An image of any size, with any number of entries, or that unpacks to any size ends
// within the limits, and says so.
func TestLimits(t *testing.T) {
	var many []entry
	for i := range 2000 {
		many = append(many, entry{name: fmt.Sprintf("f%d", i)})
	}
	bomb := func(layer string) io.Reader {
		return bytes.NewReader(archive(t, entry{name: "c.json", text: config}, entry{name: "manifest.json", text: `[{"Config":"c.json","Layers":["l"]}]`}, entry{name: "l", text: layer}))
	}
	large := archive(t, entry{name: "zeros", text: strings.Repeat("\x00", 32<<20)})
	for name, c := range map[string]struct {
		in     io.Reader
		limits Limits
	}{
		"bytes":   {endless(t, 1<<40), Limits{Bytes: 64 << 20, Entries: 1000, Time: time.Minute}},
		"time":    {endless(t, 1<<40), Limits{Bytes: 1 << 50, Entries: 1000, Time: time.Second}},
		"entries": {bomb(string(archive(t, many...))), Limits{Bytes: 1 << 30, Entries: 1000, Time: time.Minute}},
		"bomb":    {bomb(packedBy(t, "gzip", large)), Limits{Bytes: 1 << 20, Entries: 1000, Time: time.Minute}},
		"bomb 2":  {bomb(packedBy(t, "zstd", large)), Limits{Bytes: 1 << 20, Entries: 1000, Time: time.Minute}},
	} {
		begin := time.Now()
		all, err := Read(name, c.in, c.limits)
		if err != nil || len(all) != 1 || !strings.Contains(all[0].Partial, "larger than") {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
		if d := time.Since(begin); d > 20*time.Second {
			t.Errorf("%s took %v", name, d)
		}
	}
}

// What is broken is an error, or says what was not read; it is never whole.
func TestBroken(t *testing.T) {
	whole := forms(t)["docker save"]
	// Behind the last entry there are only blocks of zeros.
	for n := 0; n < len(whole)-3*512; n += 997 {
		all, err := Read("x.tar", bytes.NewReader(whole[:n]), DefaultLimits())
		if err == nil && all[0].Partial == "" && all[0].Unread == "" {
			t.Errorf("%d bytes of %d are whole", n, len(whole))
		}
	}
	for name, b := range map[string][]byte{"empty": nil, "text": []byte("hello, this is no archive"), "no image": archive(t, entry{name: "x", text: "y"}),
		"manifest": archive(t, entry{name: "manifest.json", text: `[{"Config":`}), "null": archive(t, entry{name: "manifest.json", text: `[]`})} {
		if all, err := Read(name, bytes.NewReader(b), DefaultLimits()); err == nil {
			t.Errorf("%s: %+v", name, all)
		}
	}
	for name, b := range map[string][]byte{
		"no config":  archive(t, entry{name: "manifest.json", text: `[{"Config":"c.json","Layers":["l"]}]`}),
		"no layer":   archive(t, entry{name: "c.json", text: config}, entry{name: "manifest.json", text: `[{"Config":"c.json","Layers":["l"]}]`}),
		"few layers": archive(t, entry{name: "c.json", text: config}, entry{name: "manifest.json", text: `[{"Config":"c.json","Layers":[]}]`}),
		"link loop":  archive(t, entry{name: "c.json", text: config}, entry{name: "l", target: "m"}, entry{name: "m", target: "l"}, entry{name: "manifest.json", text: `[{"Config":"c.json","Layers":["l"]}]`}),
	} {
		all, err := Read(name, bytes.NewReader(b), DefaultLimits())
		if err != nil || all[0].Partial == "" && all[0].Unread == "" {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	t := &testing.T{}
	for _, b := range forms(t) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = Read("x", bytes.NewReader(b), Limits{Bytes: 1 << 20, Entries: 1000, Time: time.Second})
	})
}
