package dockerfile

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What is no file of a sane size is an error at once, and is not read.
func TestReadIsBounded(t *testing.T) {
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(large)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(100 << 20); err != nil {
		t.Fatal(err)
	}
	f.Close()
	begin := time.Now()
	for path, want := range map[string]string{pipe: "not a regular file", dir: "not a regular file", "/dev/zero": "not a regular file", large: "104857600 bytes", filepath.Join(dir, "none"): "no such file"} {
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

// The largest file that is read is read in a moment, whatever is in it.
func TestParseLargest(t *testing.T) {
	for name, line := range map[string]string{"RUN": "RUN echo $X && chmod 755 /x | curl -u a:$B https://x/ \\\n", "ENV": "ENV A=$A$A\n", "twice": "ENV A=x\nENV A=$A$A\n", "junk": "\x00\xff<<\\\n", "heredoc": "RUN <<A\nA\n", "stages": "FROM a AS b\n"} {
		begin := time.Now()
		d := Parse(name, []byte("FROM scratch\n"+strings.Repeat(line, MaxSize/4/len(line))))
		if d.Unread == "" && len(d.Stages) == 0 {
			t.Errorf("%s: neither stages nor a reason", name)
		}
		if d := time.Since(begin); d > 30*time.Second {
			t.Errorf("%s took %v", name, d)
		} else {
			t.Logf("%s took %v", name, d)
		}
	}
}

// No value of a secret is in what was read, nor in the reason why it was not.
func TestNoSecretIsKept(t *testing.T) {
	for _, text := range []string{
		"FROM a\nENV DB_PASSWORD=hunter2\n", "FROM a\nENV DB_PASSWORD hunter2\n", "ARG TOKEN=hunter2\nFROM a\n", "FROM a\nLABEL password='hunter2'\n",
		"FROM a\nRUN x --password hunter2 && curl -u a:hunter2 http://x && echo root:hunter2 | chpasswd\n", "FROM a\nRUN export API_KEY=hunter2\n",
		"FROM a\nCOPY <<EOF /x\n-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\nEOF\n", "FROM a\nRUN git clone https://u:hunter2@x/\n",
		"FROM a\nENV hunter2\n", "FROM a\nhunter2 x\n", "FROM a\nENV A=b \"hunter2\"\n", "FROM a\nRUN <<EOF\nexport DB_PASSWORD=hunter2\nEOF\n", "FROM a\nHEALTHCHECK hunter2 x\n", "FROM a b hunter2\n",
		"FROM a\nUSER $hunter2x\nONBUILD ENV DB_PASSWORD=hunter2\n",
	} {
		b, err := json.Marshal(Parse("Dockerfile", []byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ReplaceAll(string(b), "hunter2x", ""), "hunter2") {
			t.Errorf("%q is kept: %s", text, b)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "FROM a\n", "# escape=`\nFROM a AS b\nRUN <<A <<B\nA\nB\n", "ONBUILD ONBUILD", "FROM a\nONBUILD COPY <<A /\nA\n", "FROM $a\nUSER ${a:?x}\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d := Parse("x", text)
		if (d.Unread == "") != (len(d.Stages) > 0) {
			t.Errorf("%q is %+v", text, d)
		}
		for i, s := range d.Stages {
			if s.Parent >= i || s.Line < 1 {
				t.Errorf("%q has the stage %+v", text, s)
			}
		}
	})
}
