package e2e_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dockwall/rules/finding"
	"dockwall/test/lab"
)

// listed allows the addresses of one file and blocks those of another.
const listed = `addresses "office" { file = "office.cidr" }
addresses "ban" {
  file = "ban.cidr"
  min  = 2
}
published "office" { from = [addresses.office] }
block "ban" { from = [addresses.ban] }
`

// making is a host on which other programs write the agent's files.
type making struct {
	t     *testing.T
	l     *lab.Lab
	agent *lab.Agent
	dir   string
}

// writers are shell scripts that write "$1" and "$2", two parts of a text, to the file
// "$3", as programs do that do not rename.
func writers() map[string]string {
	return map[string]string{
		"a download":         `{ printf %s "$1"; sleep 2; printf %s "$2"; } >"$3"`,
		"cp":                 `printf %s "$1$2" >/tmp/new; cp /tmp/new "$3"`,
		"an editor in place": `: >"$3"; sleep 0.3; exec 9<>"$3"; printf %s "$1" >&9; sleep 0.3; printf %s "$2" >&9`,
		"lines one by one":   `: >"$3"; printf %s "$1$2" | while read -r line; do echo "$line" >>"$3"; sleep 0.02; done`,
		"another user's":     `chown nobody "$3"; { printf %s "$1"; sleep 2; printf %s "$2"; } >"$3"; chown root "$3"`,
	}
}

// TestFilesInTheMaking has programs write lists and agent.hcl in place. No part of a
// file is in force before the whole: a blocked client never gets in, an allowed one is
// never refused.
func TestFilesInTheMaking(t *testing.T) {
	l := lab.New(t, lab.Options{})
	m := &making{t: t, l: l, dir: filepath.Dir(l.ConfigPath())}
	l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
	m.put("office.cidr", m.list("wan", "wan2", "lan"))
	m.put("ban.cidr", m.list("wan2"))
	m.agent = l.Agentd(listed)
	m.reaches("wan", true)
	m.reaches("lan", true)
	flood := l.Client("wan2").Flood("tcp", m.addr("wan2"), 8080, gentleOnes)
	banned := false
	for name, script := range writers() {
		// The clients stand at the end of the lists; whether lan is banned shows which list is in force.
		banned = !banned
		m.during(name, script, "office.cidr", m.list("wan2", "lan", "wan"))
		if banned {
			m.during(name, script, "ban.cidr", m.list("lan", "wan2"))
		} else {
			m.during(name, script, "ban.cidr", m.list("wan2"))
		}
		m.reaches("lan", !banned)
		m.agent.WaitState("enforcing")
	}
	m.emptied("ban.cidr")
	m.emptied("office.cidr")
	m.put("agent.hcl", listed)
	m.emptied("agent.hcl")
	m.during("agent.hcl by a download", writers()["a download"], "agent.hcl", listed)
	m.agent.WaitState("enforcing")
	through(t, 0, flood)
}

// list is a list of addresses that ends with the clients'.
func (m *making) list(clients ...string) string {
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, "100.64.0.%d\n", i)
	}
	for _, c := range clients {
		fmt.Fprintf(&b, "%s\n", m.l.ClientAddr(c, 4))
	}
	return b.String()
}

func (m *making) put(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		m.t.Fatal(err)
	}
}

// during dials from a client that is allowed while a program writes the file.
func (m *making) during(name, script, file, text string) {
	m.t.Helper()
	half := strings.LastIndex(text[:len(text)/2], "\n") + 1
	done := make(chan string)
	go func() {
		_, errs, code := m.l.TryHost("sh", "-ec", script, "sh", text[:half], text[half:], filepath.Join(m.dir, file))
		done <- fmt.Sprintf("%d %s", code, errs)
	}()
	for {
		m.stays("wan")
		select {
		case out := <-done:
			if out != "0 " {
				m.t.Fatalf("%s: %s", name, out)
			}
			for range 10 {
				m.stays("wan")
				time.Sleep(50 * time.Millisecond)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// emptied leaves a file without a byte: what it held before stays in force, and status
// says so until it is whole again.
func (m *making) emptied(file string) {
	m.t.Helper()
	path := filepath.Join(m.dir, file)
	text, err := os.ReadFile(path)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		m.t.Fatal(err)
	}
	m.agent.WaitState("degraded")
	m.stays("wan")
	st, err := m.agent.Status()
	if err != nil {
		m.t.Fatal(err)
	}
	if !slices.ContainsFunc(st.Reasons, func(r finding.Finding) bool {
		return (r.Code == "list" || r.Code == "config") && strings.Contains(r.Message, path)
	}) {
		m.t.Errorf("%s is empty, and status does not say so: %v", file, st.Reasons)
	}
	if _, errs, code := m.l.Agentctl("check"); code != 1 {
		m.t.Errorf("check of an empty %s ends with %d: %s", file, code, errs)
	}
	m.put(file, string(text))
	m.agent.WaitState("enforcing")
}

func (m *making) addr(client string) netip.Addr {
	if client == "lan" {
		return m.l.HostAddr("eth1", 4)
	}
	return m.l.HostAddr("eth0", 4)
}

// reaches waits until the container is reached, or no longer.
func (m *making) reaches(client string, want bool) {
	m.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		r := m.l.Client(client).Dial("tcp", m.addr(client), 8080)
		if r.OK == want {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%s reaches web: %v, want %v: %s", client, r.OK, want, r)
		}
	}
}

// stays wants the container reached. A second dial is for a busy machine: half a list
// would be in force for longer than both.
func (m *making) stays(client string) {
	m.t.Helper()
	c := m.l.Client(client)
	if !c.Dial("tcp", m.addr(client), 8080).OK {
		if r := c.Dial("tcp", m.addr(client), 8080); !r.OK {
			m.t.Fatalf("%s no longer reaches web: %s", client, r)
		}
	}
}
