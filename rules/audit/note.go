package audit

import (
	"fmt"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

// notes are the parts of the baseline that no program can decide on the host.
func notes() []Check {
	n := func(id string, group Group, c CIS, title, why, instead string) Check {
		return Check{ID: id, Group: group, Severity: finding.Low, CIS: c, Title: title, Why: why, Decides: "a person", Fix: instead, static: true,
			host: func(*facts) verdict { return noted("%s", instead) }}
	}
	setuid := n("image.setuid", Images, cis("4.8"), "Images hold no setuid programs that are not needed", "On a host it takes every layer of every image; no-new-privileges makes them harmless.",
		"remove setuid bits when the image is built: chmod a-s. agentctl audit --image and --dockerfile list them")
	setuid.dockerfile, setuid.content = buildSetuid, contentSetuid()
	return []Check{setuid,
		{ID: "daemon.version", Group: Others, Severity: finding.Low, CIS: cis("1.2.2"), Title: "The engine is up to date",
			Why: "Which version is the newest of a distribution, only its repository knows.", Decides: "ServerVersion of docker info, and a person",
			Fix: "apt list --upgradable, or dnf check-update", host: ofEngine(engineVersion)},
		{ID: "host.containers", Group: HostGroup, Severity: finding.Low, CIS: cis("6.2"), Title: "The host does not run more containers than it can manage",
			Why: "How many are too many depends on the host.", Decides: "the engine's list of containers, and a person", Fix: "Stop what is not needed.", host: containerCount},
		n("host.monitoring", HostGroup, CIS{}, "What containers use is measured", "No program sees whether a person looks at it.",
			"use cAdvisor or the engine's metrics beside dockwall's own"),
		n("host.detection", HostGroup, CIS{}, "Attacks inside containers are noticed", "dockwall sees packets and settings, not system calls.",
			"what processes do inside a container takes Falco or Tracee"),
		n("image.minimal", Images, cis("4.3"), "Images hold only the packages that are needed", "What a program needs, only its author knows.",
			"build from a small base image, in several stages"),
		n("image.scanned", Images, cis("4.4"), "Images are scanned for known vulnerabilities", "That takes a database of vulnerabilities.",
			"scan images with Trivy or Grype when they are built, and again each night"),
		n("image.signed", Images, cis("4.5", "4.12"), "Images are signed, and signatures are verified", "The engine does not report if one was verified.",
			"verify with cosign before images are pulled, and start them by digest"),
		n("image.packages", Images, cis("4.11"), "Packages in images are verified", "The history does not tell how a package was verified.",
			"install from signed repositories, and keep gpgcheck on"),
		n("container.data", Containers, CIS{}, "Data is kept in volumes", "Which files of a container are data, only its program knows.",
			"docker diff NAME lists what a container wrote beside its volumes"),
		n("container.exec-root", Containers, cis("5.24"), "docker exec does not run as root", "The engine does not say as which user a command was started.",
			"start commands with docker exec --user"),
		n("swarm.secrets", Others, cis("7.4"), "Secrets of services are kept by Swarm", "What in a service's settings is a secret, only its author knows.",
			"use docker secret; container.secret finds variables that look like one"),
		n("swarm.rotation", Others, cis("7.6", "7.7", "7.8"), "Keys and certificates of the Swarm are renewed", "When the unlock key was renewed, the engine does not tell.",
			"docker swarm unlock-key --rotate; docker swarm ca --rotate"),
		n("swarm.planes", Others, cis("7.9"), "Management and data of the Swarm use separate networks", "Which network is which, only the administrator knows.",
			"docker swarm init --advertise-addr and --data-path-addr"),
	}
}

func engineVersion(e inventory.Engine) verdict {
	return noted("the engine is %s", e.Version)
}

func containerCount(f *facts) verdict {
	if !f.Containers.Read {
		return unknown("%s", f.Containers.Why())
	}
	running := 0
	for i := range f.Containers.Value {
		if f.Containers.Value[i].Running() {
			running++
		}
	}
	return noted("%s", fmt.Sprintf("%d containers, %d of them running", len(f.Containers.Value), running))
}
