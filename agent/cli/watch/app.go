package watch

import "dockwall/agent/cli/ask"

// app is one run of agentctl.
type app struct{ *ask.App }
