package starter_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dockwall/agent/config"
	"dockwall/agent/starter"
	"dockwall/netinfo"
	"dockwall/rules/policy"
)

// names reports whether a policy of the draft names the container and the port.
func names(t rapid.TB, d starter.Draft, container string, p policy.Ports) bool {
	t.Helper()
	return slices.ContainsFunc(d.Policies, func(b starter.Policy) bool {
		return slices.Contains(b.Containers, container) && slices.ContainsFunc(b.Ports, func(text string) bool {
			numbers, proto, _ := strings.Cut(text, "/")
			first, last, isRange := strings.Cut(numbers, "-")
			if !isRange {
				last = first
			}
			lo, err := strconv.Atoi(first)
			hi, err2 := strconv.Atoi(last)
			if err != nil || err2 != nil {
				t.Fatalf("%q is no port", text)
			}
			return proto == p.Proto.String() && lo <= int(p.Lo) && int(p.Hi) <= hi
		})
	})
}

// nasty draws a name: as the engine would have it, or full of what could break
// out of a string, a comment or a glob.
func nasty(t *rapid.T, label string) string {
	plain := rapid.StringMatching(`[a-zA-Z0-9][a-zA-Z0-9_.-]{0,70}`)
	pieces := []string{`"`, "\n", "\r\n", "\t", "${", "%{", "}", "$", "%", "$${", "\\", "*", "?", "[a]", "#", "//", "/*", "*/", "ö", "日本", "\u2028",
		"\x00", "\x1b[31m", "\u202e", "😀", "\xff", "/", "a", "web", "-", ".", "_", "<<EOT", `"] } published "x" { from = ["any"] } #`}
	odd := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 5).Draw(t, "pieces"), "")
	})
	return rapid.OneOf(plain, odd, rapid.SampledFrom([]string{"web", "web-1", "we*", "web?", "*"})).Draw(t, label)
}

// oddHost is a host of containers with nasty names and labels, each with a
// port of its own.
func oddHost(t *rapid.T) netinfo.Snapshot {
	s := netinfo.Snapshot{Engine: netinfo.Engine{Connected: true, Known: true},
		Links: []netinfo.Link{{Index: 1, Name: "lo"}, {Index: 2, Name: "eth0.1", Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}},
			{Index: 3, Name: "docker0", Kind: "bridge"}},
		Networks: []netinfo.Network{{ID: "n", Name: "bridge", Driver: "bridge", Bridge: "docker0", Mode4: netinfo.GatewayNAT, Mode6: netinfo.GatewayNAT,
			Subnets: []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")}}},
	}
	seen := map[string]bool{}
	for i := range rapid.IntRange(1, 6).Draw(t, "containers") {
		name := nasty(t, "name")
		for seen[name] { // the engine gives a name once
			name += "x"
		}
		seen[name] = true
		c := netinfo.Container{ID: fmt.Sprintf("%064d", i), Name: name, Image: nasty(t, "image"), State: "running",
			Endpoints: []netinfo.Endpoint{{NetworkID: "n", Addrs: []netip.Addr{netip.AddrFrom4([4]byte{172, 17, 0, byte(2 + i)})}}},
			Ports:     []netinfo.PublishedPort{{HostPort: uint16(8000 + 10*i), HostPortEnd: uint16(8000 + 10*i), Proto: netinfo.TCP, ContainerPort: 80}}}
		if rapid.Bool().Draw(t, "composed") {
			c.Labels = map[string]string{"com.docker.compose.project": nasty(t, "project"), "com.docker.compose.service": nasty(t, "service")}
		}
		if rapid.Bool().Draw(t, "stopped") {
			c.State, c.Endpoints = "exited", nil
		}
		if rapid.Bool().Draw(t, "host") && rapid.Bool().Draw(t, "really") {
			c.HostNetwork, c.Endpoints, c.Ports = true, nil, nil
		}
		s.Containers = append(s.Containers, c)
	}
	s.Normalize()
	return s
}

// Whatever things are called, the draft is a good file with the blocks that it
// says it has, and each selects the containers that it says and no other.
func TestNamesStayInTheirPlace(t *testing.T) {
	dir := t.TempDir()
	named, unnamed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := oddHost(t)
		d := draft(s, starter.API{})
		p := read(t, dir, d.Text)
		if len(p.Published) != len(d.Policies) || p.DockerAPI != nil || len(p.Networks)+len(p.Between)+len(p.Egress)+len(p.Host)+len(p.Blocks) > 0 {
			t.Fatalf("there are other blocks than %+v:\n%s", d.Policies, d.Text)
		}
		for _, b := range p.Published {
			named += len(selected(t, s, d, b))
		}
		for _, c := range s.Containers {
			if len(c.Endpoints) > 0 && len(selectedBy(p.Published, c)) == 0 {
				unnamed++
				mustBeNoted(t, d, c)
			}
		}
	})
	if named == 0 || unnamed == 0 {
		t.Errorf("%d containers were named and %d could not be: this proves too little", named, unnamed)
	}
}

// selected are the containers that the block selects: those that the draft
// says, all of one service, or one by its very name.
func selected(t *rapid.T, s netinfo.Snapshot, d starter.Draft, b *policy.Published) (all []string) {
	service := map[string]bool{}
	for _, c := range s.Containers {
		if len(selectedBy([]*policy.Published{b}, c)) == 0 {
			continue
		}
		all = append(all, c.Name)
		if len(b.To[0].Compose) > 0 {
			service[c.Labels["com.docker.compose.project"]+"/"+c.Labels["com.docker.compose.service"]] = true
		} else {
			service[c.Name] = true
		}
	}
	i := slices.IndexFunc(d.Policies, func(p starter.Policy) bool { return p.Name == b.Name })
	if i < 0 || !slices.Equal(d.Policies[i].Containers, all) || len(service) != 1 {
		t.Fatalf("block %q selects %q of %v; the draft says %+v\n%s", b.Name, all, service, d.Policies, d.Text)
	}
	return all
}

func selectedBy(bs []*policy.Published, c netinfo.Container) []*policy.Published {
	return slices.DeleteFunc(slices.Clone(bs), func(b *policy.Published) bool { return !b.To[0].Match(c) })
}

// sayable are names that the language can hold.
var sayable = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)

func mustBeNoted(t *rapid.T, d starter.Draft, c netinfo.Container) {
	t.Helper()
	port := fmt.Sprintf("(%d/tcp)", c.Ports[0].HostPort)
	noted := slices.ContainsFunc(d.Notes, func(n string) bool {
		return strings.Contains(n, "no selector can name it") && strings.Contains(n, port)
	})
	if sayable.MatchString(c.Name) || !noted {
		t.Fatalf("container %q is not allowed; notes: %q\n%s", c.Name, d.Notes, d.Text)
	}
}

// Settings with anything in them come back as they were.
func TestSettingsComeBack(t *testing.T) {
	dir := t.TempDir()
	usual := config.DefaultSettings("")
	for _, socket := range []string{`/run/a"b.sock`, "/run/${x}.sock", "/run/%{if}.sock", `/run/a\b.sock`, "/run/$${x}$.sock", "/run/ö日.sock"} {
		s := usual
		s.Control.Socket, s.Docker.Host, s.Firewall.DenyWith, s.Firewall.LogDenied = socket, "unix://"+socket, "reject", false
		d := starter.New(netinfo.Snapshot{}, s, usual, starter.API{})
		read(t, dir, d.Text)
		doc, diags := config.Load(dir + "/agent.hcl")
		if doc == nil {
			t.Fatal(diags.Err())
		}
		got := doc.Settings
		got.Path = ""
		if got != s {
			t.Errorf("settings\n%+v, want\n%+v\n%s", got, s, d.Text)
		}
	}
}
