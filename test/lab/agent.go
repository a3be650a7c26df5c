package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"dockwall/agent/control"
	"dockwall/agent/reconcile"
)

// stateTime is how long the agent gets to reach a state.
const stateTime = 20 * time.Second

// Agent is an agentd on the host.
type Agent struct {
	lab     *Lab
	process *process
}

// ConfigPath is where the agent's file is, inside and outside the host.
func (l *Lab) ConfigPath() string { return filepath.Join(l.dir, "etc", "agent.hcl") }

// WriteConfig replaces the agent's file as editors and config management do:
// whole, by a rename.
func (l *Lab) WriteConfig(text string) {
	l.t.Helper()
	if text == "" {
		text = "# no policy\n" // a file of zero bytes is one that is being written
	}
	text = l.WithBackend(text)
	temporary := l.ConfigPath() + ".new"
	if err := os.WriteFile(temporary, []byte(text), 0o644); err != nil {
		l.t.Fatalf("writing the agent's file: %v", err)
	}
	if err := os.Rename(temporary, l.ConfigPath()); err != nil {
		l.t.Fatalf("writing the agent's file: %v", err)
	}
}

// WithBackend is the text of an agent's file with the lab's backend, unless the file names
// one.
func (l *Lab) WithBackend(text string) string {
	line := fmt.Sprintf("backend = %q\n", l.options.Backend)
	switch block := "firewall {\n"; {
	case l.options.Backend == "" || strings.Contains(text, "backend "):
		return text
	case strings.Contains(text, block):
		return strings.Replace(text, block, block+line, 1)
	case strings.Contains(text, "firewall {"): // and its only setting, on one line
		before, rest, _ := strings.Cut(text, "firewall {")
		return before + block + line + strings.Replace(rest, "}", "\n}", 1)
	default:
		return strings.TrimRight(text, "\n") + "\n" + block + line + "}\n"
	}
}

// Agentd writes the file, starts the agent and waits until it says that it
// enforces. Its control socket is the default one, on the host's own /run.
func (l *Lab) Agentd(config string) *Agent {
	l.t.Helper()
	l.WriteConfig(config)
	a := l.LaunchAgentd()
	a.WaitState("enforcing")
	return a
}

// LaunchAgentd starts the agent with the file that is there and does not wait.
func (l *Lab) LaunchAgentd(args ...string) *Agent {
	l.t.Helper()
	build(l.t, l.repo, "agentd", "agentctl")
	all := append([]string{l.bin.path("agentd"), "--config", l.ConfigPath()}, args...)
	a := &Agent{lab: l}
	if caps := l.options.AgentCaps; len(caps) > 0 {
		limited := append([]string{"setpriv", "--bounding-set=-all,+" + strings.Join(caps, ",+"), "--inh-caps=-all"}, all...)
		a.process = l.logged(all[0], l.command(limited...))
	} else if n := l.options.AgentFiles; n > 0 {
		limited := append([]string{"prlimit", fmt.Sprintf("--nofile=%d:%d", n, n)}, all...)
		a.process = l.logged(all[0], l.command(limited...))
	} else {
		a.process = l.background(all...)
	}
	l.agents = append(l.agents, a)
	return a
}

// LaunchAgentdElsewhere is LaunchAgentd in a network namespace of its own, as for an agent
// in a container that was given Docker's socket.
func (l *Lab) LaunchAgentdElsewhere() *Agent {
	l.t.Helper()
	build(l.t, l.repo, "agentd", "agentctl")
	agentd := l.bin.path("agentd")
	a := &Agent{lab: l, process: l.logged(agentd, l.command("unshare", "--net", agentd, "--config", l.ConfigPath()))}
	l.agents = append(l.agents, a)
	return a
}

// Agentctl runs agentctl on the host with the lab's file.
func (l *Lab) Agentctl(args ...string) (stdout, stderr string, code int) {
	l.t.Helper()
	build(l.t, l.repo, "agentctl")
	return l.agentctl(args...)
}

func (l *Lab) agentctl(args ...string) (stdout, stderr string, code int) {
	verb, rest := args[0], args[1:]
	all := append([]string{l.bin.path("agentctl"), verb, "--config", l.ConfigPath()}, rest...)
	return result(l.command(all...), "")
}

// State is what `agentctl status` says, "" while the daemon does not answer.
func (a *Agent) State() (state string, detail string) {
	stdout, stderr, code := a.lab.agentctl("status", "--json")
	var status struct{ State string }
	if err := json.Unmarshal([]byte(stdout), &status); err != nil {
		return "", fmt.Sprintf("exit code %d: %s%s", code, stdout, stderr)
	}
	return status.State, stdout
}

// WaitState waits until the agent reports the state.
func (a *Agent) WaitState(want string) {
	a.lab.t.Helper()
	a.lab.until(stateTime, "agentd to be "+want, func() error {
		if !a.process.running() {
			return fmt.Errorf("agentd has ended:\n%s", tail(a.Log(), logLines))
		}
		state, detail := a.State()
		if state != want {
			return fmt.Errorf("it is %q: %s", state, strings.TrimSpace(detail))
		}
		return nil
	})
}

// Log is what every agentd of the lab has printed so far.
func (a *Agent) Log() string { return a.lab.log("agentd") }

// Running reports whether the agent has not ended.
func (a *Agent) Running() bool { return a.process.running() }

// PID is the agent's process, as the machine numbers it.
func (a *Agent) PID() int { return a.process.pid() }

// Signal sends a signal that the agent does not end by, such as SIGHUP.
func (a *Agent) Signal(s syscall.Signal) {
	a.lab.t.Helper()
	if err := a.process.signal(s, false); err != nil {
		a.lab.t.Fatalf("signalling agentd: %v", err)
	}
}

// Stop stops the agent with SIGTERM and waits. An agent that ends with an error fails the
// test.
func (a *Agent) Stop() {
	a.lab.t.Helper()
	if err := a.process.signal(syscall.SIGTERM, true); err != nil {
		a.lab.t.Fatalf("stopping agentd: %v", err)
	}
	if end := a.process.cmd.ProcessState; end != nil && !end.Success() {
		a.lab.t.Errorf("stopping agentd: it ended with %v", end)
	}
}

// Kill kills the agent with SIGKILL and waits.
func (a *Agent) Kill() {
	a.lab.t.Helper()
	if err := a.process.signal(syscall.SIGKILL, true); err != nil {
		a.lab.t.Fatalf("killing agentd: %v", err)
	}
}

// Status asks the agent itself, without a process; the error says why it does
// not answer.
func (a *Agent) Status() (reconcile.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var st reconcile.Status
	err := control.NewClient(a.lab.ControlSocket()).Status(ctx, &st)
	return st, err
}

// ControlSocket is the agent's socket, as seen from outside the lab.
func (l *Lab) ControlSocket() string { return filepath.Join(l.dir, "run", "dockwall", "agent.sock") }
