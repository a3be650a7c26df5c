package reconcile

import (
	"time"

	"dockwall/agent/audit"
	"dockwall/agent/config"
	"dockwall/rules/finding"
)

// State is the daemon's state in one word.
type State string

// The states.
const (
	Starting  State = "starting"  // nothing has been applied yet
	Enforcing State = "enforcing" // the kernel is as the file says
	Degraded  State = "degraded"  // it is not wholly so; Reasons say why
)

// Status is what the daemon says of itself.
type Status struct {
	State   State             `json:"state"`
	Reasons []finding.Finding `json:"reasons"`
	Config  ConfigStatus      `json:"config"`
	Docker  DockerStatus      `json:"docker"`
	// Backend is the iptables variant in use; empty before the first pass.
	Backend string `json:"backend"`
	// Sets is "ipset" or "inline".
	Sets string `json:"sets,omitempty"`
	// Generation counts the changes made to the kernel since the start.
	Generation uint64 `json:"generation"`
	// AppliedAt is when the kernel was last made or found to be as wanted.
	AppliedAt time.Time `json:"applied_at"`
	// LastChange is when and why something was last changed.
	LastChange Change `json:"last_change"`
	// Repairs counts the changes of others that were put back.
	Repairs uint64 `json:"repairs"`
	// Containers is how many containers have an address that rules look at.
	Containers int               `json:"containers"`
	Problems   []finding.Finding `json:"problems"`
	// Trial is the change that awaits its confirmation, or was not confirmed;
	// nil: there is none.
	Trial *Trial `json:"trial,omitempty"`
	// Audit is how the audit stands. The loop knows nothing of it: it is nil here until the
	// daemon fills it in.
	Audit *audit.Summary `json:"audit,omitempty"`
}

// NotInForce returns why parts of the file are not in force, one message each.
func (s Status) NotInForce() []string {
	var all []string
	for _, r := range s.Reasons {
		if r.Kind().Effect == finding.NotInForce {
			all = append(all, r.Message)
		}
	}
	return all
}

// ConfigStatus describes agent.hcl.
type ConfigStatus struct {
	Path string `json:"path"`
	// Error is why the file on disk is not the one in force; empty if it is.
	Error string `json:"error"`
	// Held are the files whose last good state is in force instead of their content.
	Held []config.Held `json:"held,omitempty"`
	// LoadedAt is when the policy in force was read.
	LoadedAt time.Time `json:"loaded_at"`
}

// DockerStatus describes the engine.
type DockerStatus struct {
	Connected bool   `json:"connected"`
	Version   string `json:"version"`
	Error     string `json:"error,omitempty"`
}

// Change is one change that was made to the kernel.
type Change struct {
	At    time.Time `json:"at"`
	Cause string    `json:"cause"`
	// Took is how long the pass took that made it.
	Took time.Duration `json:"took_ns"`
	// Rules and Members are how many lines came or went.
	Rules   int `json:"rules"`
	Members int `json:"members"`
}

// Trial is a change that goes back by itself unless it is confirmed in time.
type Trial struct {
	State TrialState `json:"state"`
	// File is what is, or was, on trial.
	File string `json:"file"`
	// Deadline is when it goes back, or went back.
	Deadline time.Time `json:"deadline"`
}

// TrialState is how a trial stands.
type TrialState string

// The states of a trial.
const (
	TrialPending     TrialState = "pending"     // in force until the deadline
	TrialUnconfirmed TrialState = "unconfirmed" // the policy of before is in force
)
