package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serveOn starts listeners on free loopback ports and returns the port.
func serveOn(t *testing.T, network, host string) string {
	t.Helper()
	for range 20 {
		probe, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, err := net.SplitHostPort(probe.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		probe.Close()
		if start(network+":"+net.JoinHostPort(host, port), "web") == nil {
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}

// command runs the program and returns its output and exit code.
func command(t *testing.T, input string, args ...string) (string, int) {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(time.Now(), args, strings.NewReader(input), &out, &errs)
	if code == exitUsage {
		t.Logf("responder %v: %s", args, &errs)
	}
	return out.String(), code
}

func TestDial(t *testing.T) {
	tcp, udp := serveOn(t, "tcp", ""), serveOn(t, "udp", "")
	for _, c := range []struct {
		proto, port, addr string
	}{
		{"tcp", tcp, "127.0.0.1"}, {"tcp", tcp, "127.0.0.2"}, {"tcp", tcp, "::1"},
		{"udp", udp, "127.0.0.1"}, {"udp", udp, "127.0.0.2"}, {"udp", udp, "::1"},
	} {
		to := net.JoinHostPort(c.addr, c.port)
		out, code := command(t, "", "dial", "-proto", c.proto, to)
		fields := strings.Fields(out)
		if code != exitOK || len(fields) != 3 || fields[0] != "web" || fields[2] != to {
			t.Errorf("dial %s %s: exit code %d, %q", c.proto, to, code, out)
		}
	}
	out, code := command(t, "", "dial", "-from", "127.0.0.9", "127.0.0.1:"+tcp)
	if code != exitOK || !strings.HasPrefix(out, "web 127.0.0.9:") {
		t.Errorf("dial from 127.0.0.9: exit code %d, %q", code, out)
	}
}

func TestDialFailures(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	only := serveOn(t, "udp", "127.0.0.1")
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"dial", "127.0.0.1:1"}, "refused\n", exitRefused},
		{[]string{"dial", "-proto", "udp", "127.0.0.2:" + only}, "refused\n", exitRefused},
		{[]string{"dial", "-timeout", "50ms", silent.Addr().String()}, "silent\n", exitTimeout},
		{[]string{"dial"}, "", exitUsage},
		{[]string{"dial", "-proto", "sctp", "127.0.0.1:1"}, "", exitUsage},
		{[]string{"dial", "-from", "nowhere", "127.0.0.1:1"}, "", exitUsage},
		{[]string{"dance"}, "", exitUsage},
	} {
		out, code := command(t, "", c.args...)
		if out != c.want || code != c.code {
			t.Errorf("%v: exit code %d, %q; want %d, %q", c.args, code, out, c.code, c.want)
		}
	}
}

func TestStream(t *testing.T) {
	out, code := command(t, "one\ntwo\n", "stream", "127.0.0.1:"+serveOn(t, "tcp", ""))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != exitOK || len(lines) != 3 || !strings.HasPrefix(lines[0], "ok web ") {
		t.Fatalf("exit code %d, %q", code, out)
	}
	if diff := cmp.Diff([]string{"ok one", "ok two"}, lines[1:]); diff != "" {
		t.Errorf("echo (-want +got):\n%s", diff)
	}
	if out, code := command(t, "one\n", "stream", "127.0.0.1:1"); out != "refused\n" || code != exitRefused {
		t.Errorf("refused: exit code %d, %q", code, out)
	}
}

func TestFloodIsBounded(t *testing.T) {
	to := "127.0.0.1:" + serveOn(t, "tcp", "")
	for name, args := range map[string][]string{
		"count": {"flood", "-count", "30", "-for", "1m", "-timeout", "50ms", to},
		"time":  {"flood", "-count", "100000000", "-for", "100ms", "-timeout", "50ms", to},
	} {
		out, code := command(t, "", args...)
		var r tally
		if err := json.Unmarshal([]byte(strings.TrimPrefix(out, "flooding\n")), &r); err != nil || code != exitOK {
			t.Fatalf("%s: exit code %d, %v\n%s", name, code, err, out)
		}
		if name == "count" && r.Tried != 30 {
			t.Errorf("count: tried %d, want 30", r.Tried)
		}
		if r.OK == 0 || len(r.First) != min(r.OK, keptSuccesses) || r.Classes["ok"] != r.OK {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestProbe(t *testing.T) {
	open := "127.0.0.1:" + serveOn(t, "tcp", "")
	out, code := command(t, "", "probe", "-count", "3", "-every", "1ms", open, "127.0.0.1:1")
	if code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	got := map[string]int{}
	for line := range strings.Lines(out) {
		var a attempt
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		got[fmt.Sprintf("%s %s", a.To, a.Class)]++
	}
	if diff := cmp.Diff(map[string]int{open + " ok": 3, "127.0.0.1:1 refused": 3}, got); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
}

func TestParseListen(t *testing.T) {
	for spec, want := range map[string]string{
		"tcp:8080":         "tcp :8080",
		"udp6:53":          "udp6 :53",
		"tcp:127.0.0.1:80": "tcp 127.0.0.1:80",
		"tcp6:[::1]:80":    "tcp6 [::1]:80",
		"tcp:":             "error",
		"tcp":              "error",
		"unix:80":          "error",
	} {
		got := "error"
		if network, address, err := parseListen(spec); err == nil {
			got = network + " " + address
		}
		if got != want {
			t.Errorf("parseListen(%q) = %q, want %q", spec, got, want)
		}
	}
}
