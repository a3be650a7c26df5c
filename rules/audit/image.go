package audit

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

func imageChecks() []Check {
	return []Check{
		{ID: "image.root", Group: Images, Severity: finding.Medium, CIS: cis("4.1"),
			Title:   "The image names a user other than root",
			Why:     "Each container of it runs as root unless it is started with --user.",
			Decides: "Config.User of the image", Fix: "Add USER to the Dockerfile, with a number above 0.", image: imageRoot, dockerfile: buildRoot},
		{ID: "image.healthcheck", Group: Images, Severity: finding.Low, CIS: cis("4.6"),
			Title:   "The image has a health check",
			Why:     "A program that hangs is not noticed, and not restarted by an orchestrator.",
			Decides: "Config.Healthcheck of the image", Fix: "Add HEALTHCHECK to the Dockerfile.", image: imageHealth, dockerfile: buildHealth},
		{ID: "image.secret", Group: Images, Severity: finding.High, CIS: cis("4.10"),
			Title:   "The image holds no secret in its variables and build steps",
			Why:     "Who may pull the image can read them, even if a later step removes them.",
			Decides: "names and values of ENV, and the history of the image. Values are never printed",
			Fix:     "Replace the secret, then build with RUN --mount=type=secret, and hand secrets to the container as files.", image: imageSecret, dockerfile: buildSecret},
		{ID: "image.ssh", Group: Images, Severity: finding.Medium, CIS: cis("5.7"),
			Title:   "The image exposes no port of an SSH server",
			Why:     "Keys and passwords in a container are rarely renewed; docker exec needs none.",
			Decides: "Config.ExposedPorts of the image", Fix: "Take EXPOSE 22 and the SSH server out of the image.", image: imageSSH, dockerfile: buildSSH},
		{ID: "image.add-remote", Group: Images, Severity: finding.Low, CIS: cis("4.9"),
			Title:   "No build step adds a file from a URL",
			Why:     "ADD from a URL verifies nothing: the owner of the server decides what is in the image.",
			Decides: "the history of the image", Fix: "Use ADD --checksum, or COPY of a file that was verified before.", image: imageAddRemote, dockerfile: buildAddRemote},
		{ID: "image.update-alone", Group: Images, Severity: finding.Low, CIS: cis("4.7"),
			Title:   "No build step only updates the list of packages",
			Why:     "The step is kept in the build cache, so that later steps install outdated packages.",
			Decides: "the history of the image", Fix: "Write update and install into one RUN.", image: imageUpdateAlone, dockerfile: buildUpdateAlone},
		{ID: "image.world-writable", Group: Images, Severity: finding.Low,
			Title:   "No build step makes files writable by everyone",
			Why:     "Any process of the container, whatever its user, can replace the files.",
			Decides: "the history of the image: chmod with 777, 666, a+w or o+w; with --image, its files too", Fix: "Give the files to the user that needs them: COPY --chown.", image: imageWorldWritable, dockerfile: buildWorldWritable, content: contentWritable()},
		{ID: "image.committed", Group: Images, Severity: finding.Low, CIS: cis("4.4"),
			Title:   "The image was built from steps, not saved from a container",
			Why:     "What docker commit saved cannot be built again when a package has to be updated.",
			Decides: "the history of the image: a layer that no build step made", Fix: "Write a Dockerfile, and build the image from it.", image: imageCommitted},
		{ID: "image.key-file", Group: Images, Severity: finding.High, CIS: cis("4.10"),
			Title:   "The image holds no file of keys or passwords",
			Why:     "Who may pull the image can read it, even if a later step removes it.",
			Decides: "COPY and ADD of the Dockerfile; of an image, the files of each layer, by name and by the first bytes",
			Fix:     "Replace the keys; mount files that a step needs with RUN --mount=type=secret or type=ssh.", dockerfile: buildKeyFile, content: contentKeys()},
		{ID: "image.ssh-server", Group: Images, Severity: finding.Medium, CIS: cis("5.7"),
			Title:   "The image holds no SSH server",
			Why:     "It is a further way in, with keys and passwords of its own that are rarely renewed.",
			Decides: "RUN, CMD and ENTRYPOINT of the Dockerfile; of an image, its files", Fix: "Take it out of the image; use docker exec.", dockerfile: buildSSHServer, content: contentServer()},
		{ID: "image.age", Group: Images, Severity: finding.Low, CIS: cis("4.4"),
			Title:   "The image was built recently",
			Why:     "Each package in it is as old as the image.",
			Decides: "Created of the image; how old is too old, a person has to decide", Fix: "Build it again, or pull a newer one.", image: imageAge},
	}
}

// isRoot reports whether USER or --user names root: 0, 00, root, 0:0, root:users.
func isRoot(user string) bool {
	name, _, _ := strings.Cut(user, ":")
	if name == "" || name == "root" {
		return true
	}
	n, err := strconv.ParseUint(name, 10, 64)
	return err == nil && n == 0
}

func imageRoot(_ *facts, i *inventory.Image) verdict {
	return when(isRoot(i.User), fmt.Sprintf("Config.User is %q", i.User), "Config.User is "+i.User)
}

func imageHealth(_ *facts, i *inventory.Image) verdict {
	return when(i.Healthcheck != inventory.HealthSet, "Config.Healthcheck is "+healthWord(i.Healthcheck), "Config.Healthcheck is set")
}

func healthWord(h inventory.Health) string {
	if h == inventory.HealthDisabled {
		return "NONE"
	}
	return "not set"
}

func imageSecret(_ *facts, i *inventory.Image) verdict {
	found := secretVariables(i.Variables, nil)
	for n, s := range i.Steps.Value {
		if s.Secret != "" {
			found = append(found, fmt.Sprintf("step %d (%s)", n+1, s.Secret))
		}
	}
	switch {
	case len(found) > 0:
		return fail("%s", list(found))
	case !i.Steps.Read:
		return unknown("the history cannot be read: %s", i.Steps.Why())
	}
	return pass("neither ENV nor a step seems to hold one")
}

// secretVariables names the variables whose value may be a secret, those except.
func secretVariables(vars, except []inventory.Variable) []string {
	var found []string
	for _, v := range vars {
		if v.Secret != "" && !slices.Contains(except, v) {
			found = append(found, fmt.Sprintf("%s (%s)", v.Name, v.Secret))
		}
	}
	return found
}

func imageSSH(_ *facts, i *inventory.Image) verdict {
	return when(slices.Contains(i.Exposed, "22/tcp"), "EXPOSE 22/tcp", "22/tcp is not exposed")
}

// steps judges the history: the number of the first step that is bad.
func steps(i *inventory.Image, bad func(text string) bool, good string) verdict {
	if !i.Steps.Read {
		return unknown("the history cannot be read: %s", i.Steps.Why())
	}
	for n, s := range i.Steps.Value {
		if bad(s.Text) {
			return fail("step %d of %d", n+1, len(i.Steps.Value))
		}
	}
	return pass("%s", good)
}

func imageAddRemote(_ *facts, i *inventory.Image) verdict {
	add := regexp.MustCompile(`\bADD\s+(\[\s*")?(--\S+\s+)*https?://`)
	return steps(i, func(text string) bool { return add.MatchString(text) && !strings.Contains(text, "--checksum=") }, "no step does")
}

func imageUpdateAlone(_ *facts, i *inventory.Image) verdict {
	return steps(i, updatesAlone, "no step does")
}

// updatesAlone reports whether a step updates the list of packages, and installs none.
func updatesAlone(text string) bool {
	update := regexp.MustCompile(`\b(apt(-get)?(\s+-\S+)*\s+update|apk(\s+-\S+)*\s+update|(yum|dnf)\s+(makecache|check-update))\b`)
	install := regexp.MustCompile(`\b(install|add|upgrade|dist-upgrade|full-upgrade)\b`)
	return update.MatchString(text) && !install.MatchString(text)
}

func imageWorldWritable(_ *facts, i *inventory.Image) verdict {
	return steps(i, func(text string) bool { return slices.ContainsFunc(chmods(text), worldWritable) }, "no step does")
}

func imageCommitted(_ *facts, i *inventory.Image) verdict {
	if !i.Steps.Read {
		return unknown("the history cannot be read: %s", i.Steps.Why())
	}
	// BuildKit, the older builder and other builders write what they did; docker commit
	// writes the container's command, and docker import nothing.
	built := regexp.MustCompile(`#\(nop\)|^(RUN|COPY|ADD|ENV|CMD|ENTRYPOINT|LABEL|WORKDIR|EXPOSE|USER|ARG|VOLUME|STOPSIGNAL|SHELL|HEALTHCHECK|ONBUILD|MAINTAINER)\b` +
		`|^\|\d+ |^/bin/(sh|bash) -o?\w* |# (buildkit|debian\.sh)|buildkit|buildpacks|bazel|kaniko|jib|nix|umoci|apko`)
	for n, s := range i.Steps.Value {
		if strings.HasPrefix(s.Comment, "Imported from") {
			return noted("step %d was imported by docker import: %s", n+1, s.Comment)
		}
		if s.Text != "" && !built.MatchString(s.Text) && !built.MatchString(s.Comment) {
			return noted("step %d of %d seems to be saved by docker commit", n+1, len(i.Steps.Value))
		}
	}
	return pass("each layer names its build step")
}

func imageAge(f *facts, i *inventory.Image) verdict {
	if i.Created <= 0 {
		return absent("the image does not say when it was built")
	}
	return noted("it was built %d days ago", max(f.Now-i.Created, 0)/day)
}
