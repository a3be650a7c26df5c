package scenario

import "time"

// Scenario is one specification.
type Scenario struct {
	// Name is the file's, without .txtar.
	Name string
	// Prose is the head, without the comment signs.
	Prose string
	// Traps are the numbers that the head says it covers, of the checklist of
	// what Docker does to a host's firewall.
	Traps []int
	Host  Host
	// Engines: played on those that one of these matches; none: on all.
	Engines []Condition
	Steps   []Step
	Files   []File
}

// Host is what the scenario asks of its host; equal ones can be shared.
type Host struct {
	// Dockerd are further arguments of dockerd, separated by blanks.
	Dockerd string
	// Env is one environment variable of dockerd, KEY=VALUE.
	Env string
	// Variant is "nft" or "legacy".
	Variant string
	// Iptables: it is about rules of iptables, and is not played with another backend.
	Iptables       bool
	DockerForwards bool
	DockerLater    bool
	// Docker29: the engine is a double of Docker 29 with its nftables backend.
	Docker29 bool
	Own      bool
}

// File is a section of the file.
type File struct {
	Name string
	Text string
}

// Step is one line.
type Step struct {
	Line int
	// When: only on engines that one of these matches; none: always.
	When []Condition
	Do   Action
}

// Action is what a line does. The sum is closed: the types below are all.
type Action interface{ action() }

// Docker runs the engine's client.
type Docker struct{ Args []string }

// Run makes a container, and starts it unless it is only to be created.
type Run struct {
	Name    string
	Options []string
	Listen  string
	Create  bool
}

// Agent starts or stops the agent: Do is start, launch, stop, kill or reload.
type Agent struct{ Do string }

// Dockerd starts or stops dockerd: Do is start, launch, stop, kill or restart.
type Dockerd struct{ Do string }

// Write replaces the file Path, beside agent.hcl, with a section; an empty
// Section removes it.
type Write struct{ Path, Section string }

// Ask is one way to try to get through.
type Ask struct {
	From   string
	Proto  string // tcp, udp or icmp
	Family int    // 4 or 6
	Place  Place
	Port   uint16
	// PortOf: the port is the host's, which Docker gave to Port of this
	// container; empty if Port itself.
	PortOf string
	Text   string // as it was written
}

// Place is a target as written; Network is empty where it was not given.
type Place struct{ Name, Network, Address string }

// Verdict is what is expected of an Ask.
type Verdict struct {
	Allow bool
	// Server is the container that must answer; empty if any.
	Server string
}

// Expect asks once; for an Allow, again for a while.
type Expect struct {
	Ask     Ask
	Verdict Verdict
}

// Eventually asks until the verdict is as expected, at most for Limit.
type Eventually struct {
	Limit   time.Duration
	Ask     Ask
	Verdict Verdict
}

// Flood plays Steps while connections are tried as fast as can be.
type Flood struct {
	Asks  []Ask
	Steps []Step
	// Through is how many may get through.
	Through int
}

// Connect opens a connection and keeps it.
type Connect struct {
	Name string
	Ask  Ask
}

// Connection looks at a connection that was opened.
type Connection struct {
	Name string
	Cut  bool
}

// Command runs something on the host, or in the network of a client or a
// container.
type Command struct {
	In   string
	Args []string
}

// Tamper is a Command on the host that undoes what the agent did.
type Tamper struct{ Args []string }

// Repaired waits until the agent's rules are as before the last Tamper.
type Repaired struct{ Limit time.Duration }

// Remember notes everybody's rules and sets.
type Remember struct{}

// Remembered compares with what was noted.
type Remembered struct{}

// Gone looks for anything of the agent's in the kernel.
type Gone struct{}

// Agentctl runs the tool.
type Agentctl struct {
	Code int
	Args []string
}

// Stdout matches what the last Agentctl printed.
type Stdout struct {
	Pattern string
	Not     bool
}

// Status waits for the daemon's state, with all of the reasons among its own.
type Status struct {
	State   string
	Reasons []string
}

func (Docker) action()     {}
func (Run) action()        {}
func (Agent) action()      {}
func (Dockerd) action()    {}
func (Write) action()      {}
func (Expect) action()     {}
func (Eventually) action() {}
func (Flood) action()      {}
func (Connect) action()    {}
func (Connection) action() {}
func (Command) action()    {}
func (Tamper) action()     {}
func (Repaired) action()   {}
func (Remember) action()   {}
func (Remembered) action() {}
func (Gone) action()       {}
func (Agentctl) action()   {}
func (Stdout) action()     {}
func (Status) action()     {}

// File returns the section's text, and whether there is such a section.
func (s *Scenario) File(name string) (string, bool) {
	for _, f := range s.Files {
		if f.Name == name {
			return f.Text, true
		}
	}
	return "", false
}

// On reports whether the scenario is for the engine.
func (s *Scenario) On(engine string) bool { return matches(s.Engines, engine) }

// On reports whether the step is for the engine.
func (s Step) On(engine string) bool { return matches(s.When, engine) }
