package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestControlSocketOfAFileWithErrors(t *testing.T) {
	const block = "control {\n  # where it is\n  socket = \"/run/x.sock\"\n  metrics = \"\"\n}\n"
	for name, tt := range map[string]struct{ text, want string }{
		"no errors":                {block, "/run/x.sock"},
		"an error before":          {"published \"shop\" {\n  from = [addresses.nobody\n" + block, "/run/x.sock"},
		"an error behind":          {block + "}}} = \"", "/run/x.sock"},
		"an unclosed string":       {block + "log { level = \"inf\n}\n", "/run/x.sock"},
		"an unknown attribute":     {"control {\n colour = 1\n socket = \"/run/x.sock\"\n}", "/run/x.sock"},
		"one line":                 {"control { socket = \"/run/x.sock\" }\nnonsense", "/run/x.sock"},
		"a byte order mark, CRLF":  {"\ufeffcontrol {\r\n  socket = \"/run/x.sock\"\r\n}\r\n?", "/run/x.sock"},
		"a comment":                {"# control { socket = \"/run/x.sock\" }\n}", ""},
		"another block":            {"firewall {\n socket = \"/run/x.sock\"\n}", ""},
		"after its block":          {"control {\n}\nsocket = \"/run/x.sock\"\n", ""},
		"a path that is no socket": {"control {\n socket = \"run/x.sock\"\n}", ""},
		"an expression":            {"control {\n socket = \"/run/${x}.sock\"\n}", ""},
		"no file of this kind":     {"\x00\x01\xff", ""},
		"empty":                    {"", ""},
	} {
		path := filepath.Join(t.TempDir(), "agent.hcl")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := ControlSocket(path); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestControlSocketInADropIn(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, dropIns), 0o700); err != nil {
		t.Fatal(err)
	}
	write("agent.hcl", "nonsense {")
	write(dropIns+"/10-control.hcl", "control {\n  socket = \"/run/drop.sock\"\n}\n")
	write(dropIns+"/notes.txt", "control {\n  socket = \"/run/notes.sock\"\n}\n")
	if got := ControlSocket(filepath.Join(dir, "agent.hcl")); got != "/run/drop.sock" {
		t.Errorf("%q, want the drop-in's", got)
	}
	if got := ControlSocket(filepath.Join(t.TempDir(), "agent.hcl")); got != "" {
		t.Errorf("without a file: %q", got)
	}
}
