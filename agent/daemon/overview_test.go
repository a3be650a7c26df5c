package daemon

import (
	"fmt"
	"strings"
	"testing"
)

// TestStatusOfABusyHost asks a daemon with a long file while others keep the
// machine and the kernel's rules busy: the answer is for a person who waits.
func TestStatusOfABusyHost(t *testing.T) {
	const blocks = 300
	var policy strings.Builder
	for i := range blocks {
		fmt.Fprintf(&policy, "published \"p%d\" {\n  ports = [\"%d/tcp\"]\n  from  = [\"203.0.113.0/24\"]\n}\n", i, 1000+i)
	}
	h := newHost(t)
	h.write(policy.String())
	p := h.start()
	p.inForce()
	busy := h.command("sh", "-c", "for n in 1 2 3 4; do while :; do iptables-nft-save >/dev/null; done & done; wait")
	h.background(busy)

	out, _, _ := h.ctl("status")
	for _, want := range []string{"dockwall is degraded\n", "from outside to published ports    deny, except 300 blocks\n", "\n  published.p0    agent.hcl:7   ", "\n  and 280 more: agentctl status --all\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("status does not say %q:\n%s", want, out)
		}
	}
	h.until("the counters", func() bool {
		out, _, _ = h.ctl("status")
		return !strings.Contains(out, "counters were not read")
	})
}
