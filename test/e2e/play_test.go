package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/test/lab"
	"dockwall/test/scenario"
)

// player plays one scenario on a host.
type player struct {
	t          testing.TB
	host       *host
	scenario   scenario.Scenario
	line       int
	containers map[string]*lab.Container
	networks   map[string]string
	streams    map[string]*lab.Stream
	agent      *lab.Agent
	// remembered are everybody's rules, tampered the agent's own.
	remembered string
	tampered   string
	stdout     string
	failed     bool
}

// play plays the scenario and cleans up after it.
func play(t *testing.T, h *host, s scenario.Scenario) {
	h.lend(t)
	p := &player{t: h.stage, host: h, scenario: s, containers: map[string]*lab.Container{},
		networks: map[string]string{}, streams: map[string]*lab.Stream{}}
	defer p.end()
	t.Log(s.Prose)
	p.steps(s.Steps)
}

// end is also reached by a test that has ended itself.
func (p *player) end() {
	if p.t.Failed() && !p.failed {
		p.show()
	}
	for _, s := range p.streams {
		s.Close()
	}
	p.host.dirty = true
	p.host.clean(p.agent)
	left := cmp.Diff(p.host.fresh, p.host.Save())
	p.host.dirty = left != "" || p.t.Failed()
	if left != "" && !p.scenario.Host.Own && !p.t.Failed() {
		p.t.Errorf("the scenario changed the rules of others; it wants a host of its own (-before +after):\n%s", left)
	}
}

// fail reports, and shows once what one wants to see then.
func (p *player) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Errorf(format, args...)
	if !p.failed {
		p.failed = true
		p.show()
	}
}

func (p *player) show() {
	p.failed = true
	for _, command := range [][]string{{"iptables-save", "-c"}, {"ip6tables-save", "-c"}, {"ipset", "save"}, {"ip", "-br", "addr"}} {
		stdout, stderr, _ := p.host.TryHost(command...)
		p.t.Logf("%s:\n%s%s", strings.Join(command, " "), stdout, stderr)
	}
	if p.agent == nil {
		return
	}
	_, status := p.agent.State()
	p.t.Logf("status: %s", status)
	lines := strings.Split(p.agent.Log(), "\n")
	p.t.Logf("agentd:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
}

// steps plays lines; expectations that follow each other are asked together.
func (p *player) steps(steps []scenario.Step) {
	p.t.Helper()
	var questions []question
	for _, step := range steps {
		if !step.On(p.host.engine) {
			continue
		}
		p.line = step.Line
		if e, ok := step.Do.(scenario.Expect); ok {
			questions = append(questions, question{step.Line, e.Ask.Text, p.ask(e.Ask), e.Verdict})
			continue
		}
		p.expect(questions)
		questions = nil
		p.do(step.Do)
	}
	p.expect(questions)
}

func (p *player) do(action scenario.Action) {
	p.t.Helper()
	switch a := action.(type) {
	case scenario.Docker:
		p.docker(a.Args)
	case scenario.Run:
		p.run(a)
	case scenario.Agent:
		p.doAgent(a.Do)
	case scenario.Dockerd:
		p.doDockerd(a.Do)
	case scenario.Write:
		text, _ := p.scenario.File(a.Section)
		p.write(a.Path, text, a.Section == "")
	case scenario.Eventually:
		p.eventually(question{p.line, a.Ask.Text, p.ask(a.Ask), a.Verdict}, a.Limit)
	case scenario.Flood:
		p.flood(a)
	case scenario.Connect:
		ask := p.ask(a.Ask)
		p.streams[a.Name] = ask.From.Stream(ask.Proto, ask.Addr, ask.Port)
	case scenario.Connection:
		p.connection(a)
	case scenario.Command:
		p.command(a)
	default:
		p.doRules(action)
	}
}

func (p *player) doRules(action scenario.Action) {
	p.t.Helper()
	switch a := action.(type) {
	case scenario.Tamper:
		p.tampered = lab.Owned(p.host.Save())
		p.host.Host(a.Args...)
	case scenario.Repaired:
		p.repaired(a.Limit)
	case scenario.Remember:
		p.remembered = p.host.Save()
	case scenario.Remembered:
		if diff := cmp.Diff(p.remembered, p.host.Save()); diff != "" {
			p.fail("line %d: the rules are not as remembered (-before +now):\n%s", p.line, diff)
		}
	case scenario.Gone:
		if left := lab.Traces(p.host.Save()); left != "" {
			p.fail("line %d: this is left of the agent:\n%s", p.line, left)
		}
	case scenario.Agentctl:
		p.agentctl(a)
	case scenario.Stdout:
		if regexp.MustCompile("(?m)"+a.Pattern).MatchString(p.stdout) == a.Not {
			p.fail("line %d: stdout matches %q: %v, of:\n%s", p.line, a.Pattern, a.Not, p.stdout)
		}
	case scenario.Status:
		p.status(a)
	default:
		p.t.Fatalf("line %d: nobody plays %T", p.line, action)
	}
}

func (p *player) docker(args []string) {
	p.t.Helper()
	p.host.Docker(args...)
	if args[0] == "rename" && len(args) == 3 {
		p.containers[args[2]] = &lab.Container{}
		*p.containers[args[2]] = *p.container(args[1])
		p.networks[args[2]] = p.network(args[1])
	}
}

func (p *player) run(a scenario.Run) {
	p.t.Helper()
	spec := lab.Spec{Name: a.Name, Listen: a.Listen, Args: a.Options}
	if i := slices.Index(a.Options, "--network"); i >= 0 && i+1 < len(a.Options) {
		p.networks[a.Name] = a.Options[i+1]
	}
	make := p.host.RunContainer
	if a.Create {
		make = p.host.CreateContainer
	}
	p.containers[a.Name] = make(spec)
}

func (p *player) doAgent(do string) {
	p.t.Helper()
	switch do {
	case "start", "launch":
		p.writeFirst()
		p.agent = p.host.LaunchAgentd()
		if do == "start" {
			p.agent.WaitState("enforcing")
		}
	case "stop":
		p.agent.Stop()
	case "kill":
		p.agent.Kill()
	case "reload":
		p.agent.Signal(hangup)
	}
}

// writeFirst writes what the agent begins with, unless a line wrote another.
func (p *player) writeFirst() {
	p.t.Helper()
	for _, f := range p.scenario.Files {
		if _, err := os.Stat(p.path(f.Name)); err != nil && first(f.Name) {
			p.write(f.Name, f.Text, false)
		}
	}
}

// first reports whether the section is a file that is there when the agent starts,
// rather than one to be written later.
func first(name string) bool {
	return name == "agent.hcl" || strings.HasPrefix(name, "agent.d/") || strings.HasSuffix(name, ".cidr")
}

func (p *player) doDockerd(do string) {
	p.t.Helper()
	switch do {
	case "start":
		p.host.StartDockerd()
	case "launch":
		p.host.LaunchDockerd()
	case "stop":
		p.host.StopDockerd()
	case "kill":
		p.host.KillDockerd()
	case "restart":
		p.host.RestartDockerd()
	}
}

func (p *player) path(name string) string {
	return filepath.Join(filepath.Dir(p.host.ConfigPath()), name)
}

// write replaces a file as editors and config management do, by a rename.
func (p *player) write(name, text string, remove bool) {
	p.t.Helper()
	path := p.path(name)
	if remove {
		if err := os.Remove(path); err != nil {
			p.t.Fatal(err)
		}
		return
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if name == "agent.hcl" {
		text = p.host.WithBackend(text)
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		p.t.Fatal(err)
	}
}

func (p *player) command(a scenario.Command) {
	p.t.Helper()
	switch a.In {
	case "host":
		p.host.Host(a.Args...)
	case "wan", "wan2", "lan":
		p.inside(p.host.NamespacePath(a.In), a.Args)
	default:
		pid := p.host.Docker("inspect", "--format", "{{.State.Pid}}", p.container(a.In).ID)
		p.host.Host(append([]string{"nsenter", "--target", pid, "--net"}, a.Args...)...)
	}
}

func (p *player) inside(netns string, args []string) {
	p.t.Helper()
	out, err := exec.Command("nsenter", append([]string{"--net=" + netns}, args...)...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("line %d: %s: %v\n%s", p.line, strings.Join(args, " "), err, out)
	}
}

func (p *player) flood(f scenario.Flood) {
	p.t.Helper()
	var floods []*lab.Flood
	for _, a := range f.Asks {
		ask := p.ask(a)
		floods = append(floods, ask.From.Flood(ask.Proto, ask.Addr, ask.Port, lab.FloodOptions{For: time.Minute, Count: 1 << 30, Workers: 16}))
	}
	p.steps(f.Steps)
	for i, flood := range floods {
		r := flood.Stop()
		p.t.Logf("flood %s: %s", f.Asks[i].Text, tally(r))
		if r.OK > f.Through {
			p.fail("line %d: flood %s: %d got through, want %d: %v", p.line, f.Asks[i].Text, r.OK, f.Through, r.First)
		}
	}
}

func tally(r lab.FloodResult) string {
	return fmt.Sprintf("%d of %d through in %v", r.OK, r.Tried, r.Ended.Sub(r.Started).Round(time.Millisecond))
}
