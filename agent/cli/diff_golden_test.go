package cli_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"dockwall/agent/cli/ask"
	"dockwall/netinfo"
	"dockwall/rules/meaning"
)

// twenty is a host with five stacks of four containers, each stack with a network of
// its own.
func twenty() netinfo.Snapshot {
	s := netinfo.Snapshot{
		Engine: netinfo.Engine{Connected: true, Known: true, Version: "28.5.2"},
		Links: []netinfo.Link{
			{Index: 1, Name: "lo", Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}},
			{Index: 2, Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/24"), netip.MustParsePrefix("2001:db8:a::10/64")}},
			{Index: 3, Name: "eth1", Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.2.10/24")}},
		},
	}
	for i, stack := range []string{"blog", "chat", "mail", "shop", "wiki"} {
		id := fmt.Sprintf("n%d", i)
		bridge := "br-" + strings.Repeat(fmt.Sprint(i), 12)
		s.Links = append(s.Links, netinfo.Link{Index: 10 + i, Name: bridge, Kind: "bridge"})
		s.Networks = append(s.Networks, netinfo.Network{ID: id, Name: stack + "_default", Driver: "bridge", Bridge: bridge, Mode4: netinfo.GatewayNAT, Mode6: netinfo.GatewayNAT,
			Subnets: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(18 + i), 0, 0}), 16)}})
		for j, service := range []string{"web", "app", "db", "exporter"} {
			c := netinfo.Container{ID: fmt.Sprintf("c%d%d", i, j), Name: stack + "-" + service, State: "running",
				Labels:    map[string]string{"com.docker.compose.project": stack, "com.docker.compose.service": service},
				Endpoints: []netinfo.Endpoint{{NetworkID: id, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{172, byte(18 + i), 0, byte(2 + j)})}}}}
			for _, port := range map[string][]uint16{"web": {uint16(8000 + i), uint16(8443 + i)}, "exporter": {uint16(9100 + i)}, "db": {uint16(5432 + i)}}[service] {
				c.Ports = append(c.Ports, netinfo.PublishedPort{HostPort: port, HostPortEnd: port, Proto: netinfo.TCP, ContainerPort: port})
			}
			s.Containers = append(s.Containers, c)
		}
	}
	s.Normalize()
	return s
}

// diffOf runs diff and returns what it prints for people and the table of its JSON.
func diffOf(t *testing.T, c *command, file string) (string, []meaning.Entry) {
	t.Helper()
	c.mustRun(t, 1, "diff", "--json", "--config", file)
	var d struct {
		FormatVersion int `json:"format_version"`
		Table         []meaning.Entry
	}
	if err := json.Unmarshal(c.stdout.Bytes(), &d); err != nil || d.FormatVersion != 1 {
		t.Errorf("diff --json: version %d, %v", d.FormatVersion, err)
	}
	c.mustRun(t, 1, "diff", "--config", file)
	return c.stdout.String(), d.Table
}

// A first apply fits on two screens, and a changed address takes two lines with the
// table's head, and one of counts.
func TestDiffFitsTheScreen(t *testing.T) {
	m := newMachine()
	m.snapshot = twenty()
	c := newCommand(m)
	c.env.Meaning = ask.Mean
	text, err := os.ReadFile("testdata/diff/twenty.hcl")
	if err != nil {
		t.Fatal(err)
	}
	file, socket := writeConfig(t, string(text))
	first, table := diffOf(t, c, file)
	golden(t, "testdata/diff/first.golden", first)
	if lines := strings.Count(first, "\n"); lines > 48 || lines < len(table) {
		t.Errorf("a first apply takes %d lines for %d entries", lines, len(table))
	}
	c.mustRun(t, 0, "apply", "--config", file)
	rewrite(t, file, strings.Replace(string(text), "203.0.113.0/24", "203.0.113.128/25", 1), socket)
	changed, _ := diffOf(t, c, file)
	golden(t, "testdata/diff/changed.golden", changed)
	rewrite(t, file, strings.Replace(string(text), `"10.1.2.50"`, `"10.1.2.51"`, 1), socket)
	other, table := diffOf(t, c, file)
	golden(t, "testdata/diff/address.golden", other)
	if lines := strings.Count(other, "\n"); lines != 3 || len(table) != 1 {
		t.Errorf("another address takes %d lines, and has %d entries", lines, len(table))
	}
}

// golden compares with the file, or writes it where UPDATE_GOLDEN is set.
func golden(t *testing.T, name, got string) {
	t.Helper()
	for _, line := range strings.Split(got, "\n") {
		if n := utf8.RuneCountInString(line); n > 100 {
			t.Errorf("%s: a line of %d columns: %s", name, n, line)
		}
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
