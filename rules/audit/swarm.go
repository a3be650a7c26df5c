package audit

import (
	"fmt"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

func swarmChecks() []Check {
	return []Check{
		{ID: "swarm.active", Group: Others, Severity: finding.Low, CIS: cis("5.1"),
			Title:   "The engine is part of a Swarm only if that is meant",
			Why:     "Swarm opens ports 2377, 7946 and 4789, and each manager controls every node.",
			Decides: "Swarm.LocalNodeState of docker info; whether it is meant, a person has to decide", Fix: "docker swarm leave", host: ofEngine(swarmActive)},
		{ID: "swarm.managers", Group: Others, Severity: finding.Low, CIS: cis("7.1"),
			Title:   "The Swarm has an odd number of managers, and not more than seven",
			Why:     "An even number survives no more failures than one less; each manager is one more machine that controls all.",
			Decides: "Swarm.Managers of docker info, on a manager", Fix: "docker node promote, or demote.", host: swarmManagers},
		{ID: "swarm.encrypted-overlay", Group: Others, Severity: finding.Medium, CIS: cis("7.3"),
			Title:   "Packets of overlay networks are encrypted between hosts",
			Why:     "A program that sees the network between the hosts reads and changes what containers send each other.",
			Decides: "the option encrypted of each overlay network", Fix: "docker network create --driver overlay --opt encrypted", host: encryptedOverlay},
		{ID: "swarm.autolock", Group: Others, Severity: finding.Medium, CIS: cis("7.5"),
			Title:   "A manager's keys are locked when it restarts",
			Why:     "Who copies a manager's disk has the keys of the whole Swarm.",
			Decides: "EncryptionConfig.AutoLockManagers of the Swarm, on a manager", Fix: "docker swarm update --autolock=true, and keep the key.", host: autolock},
	}
}

func swarmActive(e inventory.Engine) verdict {
	if e.Swarm.Active {
		return noted("the engine is part of a Swarm")
	}
	return pass("the engine is part of no Swarm")
}

// manager is the verdict where the check is for managers, and this node is none.
func manager(f *facts) *verdict {
	v := absent("this node is no manager of a Swarm")
	if !f.Engine.Read {
		v = unknown("%s", f.Engine.Why())
	}
	if f.Engine.Read && f.Engine.Value.Swarm.Active && f.Engine.Value.Swarm.Manager {
		return nil
	}
	return &v
}

func swarmManagers(f *facts) verdict {
	if v := manager(f); v != nil {
		return *v
	}
	n := f.Engine.Value.Swarm.Managers
	said := fmt.Sprintf("it has %d managers", n)
	if n == 0 {
		return unknown("docker info does not say how many managers there are")
	}
	return when(n%2 == 0 || n > 7, said, said)
}

func encryptedOverlay(f *facts) verdict {
	if !f.Networks.Read {
		return unknown("%s", f.Networks.Why())
	}
	var open []string
	n := 0
	for _, k := range f.Networks.Value {
		// The network ingress carries what comes from outside anyway.
		if k.Driver != "overlay" || k.Name == "ingress" {
			continue
		}
		n++
		if v, ok := k.Options["encrypted"]; !ok || v == "false" {
			open = append(open, k.Name)
		}
	}
	if n == 0 {
		return absent("there is no overlay network")
	}
	return when(len(open) > 0, "not encrypted: "+list(open), "each is encrypted")
}

func autolock(f *facts) verdict {
	if v := manager(f); v != nil {
		return *v
	}
	a := f.Engine.Value.Swarm.Autolock
	if !a.Read {
		return unknown("%s", a.Why())
	}
	return when(!a.Value, "AutoLockManagers is false", "AutoLockManagers is true")
}
