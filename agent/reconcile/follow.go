package reconcile

import (
	"context"

	"dockwall/rules/backend/iptables"
	"dockwall/rules/compile"
)

// follow is the short way for what happens most: containers came, went or
// changed, and nothing else did. Then only members of sets move, and what they
// are is known without compiling, comparing and reading again. False: it is
// something else, and nothing was done.
func (c *cycle) follow(ctx context.Context, due Due, r *result) (done bool, err error) {
	if due != DueFacts || !c.known || c.chosen || c.wanted == nil || c.options.Inline {
		return false, nil
	}
	moves, differs, ok := c.compiler.Follow(c.snapshot)
	if !ok {
		return false, nil
	}
	c.followed = c.followed || differs
	if len(moves) == 0 {
		return true, nil
	}
	p, ok := iptables.Move(moves, c.state)
	if !ok {
		c.known = false // and what is there is read anew
		return false, nil
	}
	r.plan = p
	if err := c.o.Kernel.Run(ctx, p); err != nil {
		return false, err
	}
	r.changed = len(p.Changes) > 0
	c.behind = true
	c.cut(p, c.compiler.Ruleset)
	return true, nil
}

// catchUp makes wanted what following has come to, before the compiler goes on
// to something else.
func (c *cycle) catchUp() {
	if c.behind {
		rs := c.compiler.Ruleset()
		c.wanted, c.behind = &rs, false
	}
}

// problemsLater finds out what following left for later: what does not fit
// between the file and the containers. That takes longer than a container should
// wait, so it is not the loop that does it.
func (c *cycle) problemsLater() <-chan []compile.Problem {
	c.followed, c.compiledSince = false, false
	found, find := make(chan []compile.Problem, 1), c.compiler.Problems()
	go func() { found <- find() }()
	return found
}
