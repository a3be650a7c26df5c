package packets

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"dockwall/rules/backend/iptables"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
	"dockwall/rules/policy/policytest"
	"dockwall/rules/trace"

	"pgregory.net/rapid"
)

var (
	seedFlag     = flag.Uint64("packets.seed", 9, "draw the policies and packets of this seed; of another one each time if 0")
	policiesFlag = flag.Int("packets.policies", 16, "policies for each variant")
)

// batch is how many packets are sent for each policy.
const batch = 60

// Random policies in force, real first packets: the client sees what the walk
// says, and what the policy means.
func TestPackets(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1_000_000_000
	}
	for _, v := range []iptables.Variant{iptables.NFT, iptables.Legacy} {
		t.Run(string(v), func(t *testing.T) {
			t.Logf("seed: -packets.seed=%d", seed)
			c := &census{classes: map[policy.Class]int{}}
			w := build(t, v)
			all, apis := w.byClass(), 0
			for i := range *policiesFlag {
				p := rapid.Custom(policytest.Policy).Example(int(seed) + i)
				if p.DockerAPI != nil {
					// Nothing is proven here, so that of the two only one is closed.
					p.DockerAPI.RequireTLS = apis%2 == 0
					apis++
				}
				lots := rand.New(rand.NewPCG(seed, uint64(i)))
				// Without sets every third, without the guard, which would hide what
				// the filter table lets through, every second.
				o := iptables.Options{Variant: v, Inline: i%3 == 2, Guard: i%2 == 0}
				w.hold(t, p, o, choose(all, lots), c)
				if t.Failed() {
					t.Fatalf("policy %d of -packets.seed=%d, %+v", i, seed, o)
				}
			}
			c.check(t)
		})
	}
}

// byClass sorts the errands by what they are judged as, so that the rare ones
// are sent as often as the many.
func (w *town) byClass() [][]errand {
	found := map[policy.Class][]errand{}
	for _, e := range w.errands() {
		// Without blocks an attempt's class does not depend on the policy.
		a := policy.Eval(policy.Policy{}, w.facts, e.q)
		found[a.Class] = append(found[a.Class], e)
	}
	var classes []policy.Class
	for c := range found {
		classes = append(classes, c)
	}
	slices.Sort(classes)
	var all [][]errand
	for _, c := range classes {
		all = append(all, found[c])
	}
	return all
}

// choose draws a batch, from each class in turn.
func choose(classes [][]errand, lots *rand.Rand) []errand {
	var drawn []errand
	for i := range batch {
		of := classes[i%len(classes)]
		drawn = append(drawn, of[lots.IntN(len(of))])
	}
	return drawn
}

// hold applies a policy and compares the outcome of the errands with
// the walk and the meaning.
func (w *town) hold(t *testing.T, p policy.Policy, o iptables.Options, errands []errand, c *census) {
	t.Helper()
	rs, _ := compile.Compile(p, w.facts)
	if err := w.enforce(rs, o); err != nil {
		t.Fatalf("putting a policy in force: %v\n%s", err, show(p))
	}
	m := trace.New(rs)
	wants := make([]want, len(errands))
	for i, e := range errands {
		wants[i] = expect(p, w, m, e)
		c.count(o, wants[i])
	}
	got := send(t, errands, wants)
	for i, e := range errands {
		if problem := wants[i].differs(got[i]); problem != "" {
			t.Errorf("%s: %s\n%s", e, problem, wants[i])
		}
	}
	if t.Failed() {
		t.Logf("policy:\n%s\nkernel:\n%s", show(p), w.rulesNow())
	}
}

func show(p policy.Policy) string {
	text, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}
