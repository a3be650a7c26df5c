package scenario

import (
	"errors"
	"fmt"
	"slices"
)

// check looks for what no single line shows: sections that are not there or
// that are not in use, containers and connections that were never made.
func (p *parser) check() error {
	s := &p.scenario
	if s.Prose == "" {
		return fmt.Errorf("%s:1: begin with lines of # that say what is promised", p.file)
	}
	if len(s.Steps) == 0 {
		return fmt.Errorf("%s: nothing happens", p.file)
	}
	c := checker{scenario: s, known: []string{"host", "wan", "wan2", "lan"}}
	return p.checkSteps(&c, s.Steps)
}

func (p *parser) checkSteps(c *checker, steps []Step) error {
	for _, step := range steps {
		if err := c.action(step.Do); err != nil {
			return fmt.Errorf("%s:%d: %w", p.file, step.Line, err)
		}
		if flood, ok := step.Do.(Flood); ok {
			if err := p.checkSteps(c, flood.Steps); err != nil {
				return err
			}
		}
	}
	return nil
}

// checker knows what the lines so far have made.
type checker struct {
	scenario    *Scenario
	known       []string
	connections []string
	tampered    bool
}

func (c *checker) action(a Action) error {
	switch a := a.(type) {
	case Run:
		c.known = append(c.known, a.Name)
	case Docker:
		if len(a.Args) == 3 && a.Args[0] == "rename" {
			c.known = append(c.known, a.Args[2])
		}
	case Agent:
		return c.agent(a)
	case Write:
		if _, ok := c.scenario.File(a.Section); !ok && a.Section != "" {
			return fmt.Errorf("there is no section %q", a.Section)
		}
	case Expect:
		return c.asks(a.Ask)
	case Eventually:
		return c.asks(a.Ask)
	case Flood:
		return c.asks(a.Asks...)
	case Connect:
		c.connections = append(c.connections, a.Name)
		return c.asks(a.Ask)
	case Connection:
		if !slices.Contains(c.connections, a.Name) {
			return fmt.Errorf("there is no connection %q", a.Name)
		}
	case Command:
		if !slices.Contains(c.known, a.In) {
			return fmt.Errorf("there is no %q to run anything in", a.In)
		}
	case Tamper:
		c.tampered = true
	case Repaired:
		if !c.tampered {
			return errors.New("no tampering came before")
		}
	}
	return nil
}

func (c *checker) agent(a Agent) error {
	if _, ok := c.scenario.File("agent.hcl"); !ok && (a.Do == "start" || a.Do == "launch") {
		return errors.New("there is no section agent.hcl")
	}
	return nil
}

func (c *checker) asks(asks ...Ask) error {
	for _, a := range asks {
		if !slices.Contains(c.known, a.From) {
			return fmt.Errorf("%s: there is no %q to ask from", a.Text, a.From)
		}
		if a.Place.container() && !slices.Contains(c.known, a.Place.Name) {
			return fmt.Errorf("%s: there is no container %q", a.Text, a.Place.Name)
		}
		if a.Place.Name == "gateway" && slices.Contains([]string{"host", "wan", "wan2", "lan"}, a.From) {
			return fmt.Errorf("%s: only a container has a gateway", a.Text)
		}
	}
	return nil
}
