package audit

import (
	"slices"
	"strings"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

func originChecks() []Check {
	return []Check{
		{ID: "container.image-tag", Group: Images, Severity: finding.Low, CIS: cis("5.28"),
			Title:   "The container's image was asked for by a version",
			Why:     ":latest, or no tag, is another image on each host and each day.",
			Decides: "Config.Image", Fix: "Name a version, or a digest.", container: imageTag},
		{ID: "container.image-digest", Group: Images, Severity: finding.Low, CIS: cis("4.5"),
			Title:   "The container's image was asked for by its digest",
			Why:     "A tag can be moved to another image; a digest names one for ever.",
			Decides: "Config.Image", Fix: "Start NAME:TAG@sha256:…; docker images --digests shows the digest.", container: imageDigest},
		{ID: "container.image-stale", Group: Images, Severity: finding.Low, CIS: cis("5.28"),
			Title:   "The container runs the image that its tag names now",
			Why:     "A newer image was pulled or built, and the container still runs the old one.",
			Decides: "the container's image, and the image of its name", Fix: "Make the container again from the newer image.", container: imageStale},
		{ID: "container.registry", Group: Images, Severity: finding.Medium, CIS: cis("4.2"),
			Title:   "The container's image is from a registry that is trusted",
			Why:     "Anyone can put an image into a public registry.",
			Decides: "the registry in Config.Image, or of the image's digests, and registries of the audit block", Fix: "Pull the image from one of the registries of the audit block, or add its registry there.", container: registry},
		{ID: "container.secret", Group: Containers, Severity: finding.Medium, CIS: cis("4.10"),
			Title:   "The container's environment holds no secret",
			Why:     "Variables are shown by docker inspect, written into crash reports, and inherited by every child.",
			Decides: "names and values of Config.Env that are not the image's. Values are never printed", Fix: "Hand it over as a file: a secret of compose or Swarm, and NAME_FILE if the image knows it.", container: containerSecret},
	}
}

// reference is an image's name in its parts.
type reference struct{ domain, tag, digest string }

// parseReference reads NAME[:TAG][@DIGEST]; bare is true of an ID.
func parseReference(s string) (r reference, bare bool) {
	if rest, ok := strings.CutPrefix(s, "sha256:"); ok && isHex(rest) {
		return r, true
	}
	if len(s) == 64 && isHex(s) {
		return r, true
	}
	s, r.digest, _ = strings.Cut(s, "@")
	// A colon before the last slash is that of the registry's port.
	name := s
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, '/') {
		name, r.tag = s[:i], s[i+1:]
	}
	r.domain = "docker.io"
	if first, _, ok := strings.Cut(name, "/"); ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		r.domain = first
	}
	return r, false
}

func isHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdef") == ""
}

func imageTag(_ *facts, c *inventory.Container) verdict {
	if v := writtenImage(c); v != nil {
		return *v
	}
	r, bare := parseReference(c.Image)
	switch {
	case bare:
		return pass("Config.Image is an ID")
	case r.digest != "":
		return pass("Config.Image has a digest")
	case r.tag == "":
		return fail("Config.Image is %s, without a tag", c.Image)
	case r.tag == "latest":
		return fail("Config.Image is %s", c.Image)
	}
	return pass("Config.Image is %s", c.Image)
}

func imageDigest(_ *facts, c *inventory.Container) verdict {
	if v := writtenImage(c); v != nil {
		return *v
	}
	r, bare := parseReference(c.Image)
	return when(!bare && r.digest == "", "Config.Image is "+c.Image, "Config.Image names one image for ever")
}

// imageNamed is the image that a name stands for now; nil if there is none.
func imageNamed(f *facts, name string) *inventory.Image {
	r, _ := parseReference(name)
	if r.tag == "" && r.digest == "" {
		name += ":latest"
	}
	short := func(s string) string { return strings.TrimPrefix(strings.TrimPrefix(s, "docker.io/"), "library/") }
	for i := range f.Images.Value {
		k := &f.Images.Value[i]
		same := func(n string) bool { return short(n) == short(name) }
		if slices.ContainsFunc(k.Tags, same) || slices.ContainsFunc(k.Digests, same) {
			return k
		}
	}
	return nil
}

func imageStale(f *facts, c *inventory.Container) verdict {
	r, bare := parseReference(c.Image)
	switch {
	case bare || r.digest != "":
		return pass("its name cannot move to another image")
	case !f.Images.Read:
		return unknown("the images cannot be read: %s", f.Images.Why())
	}
	i := imageNamed(f, c.Image)
	switch {
	case i == nil:
		return absent("%s names no image that is here", c.Image)
	case i.ID == c.ImageID:
		return pass("%s is the image that it runs", c.Image)
	}
	return fail("%s is %s now, and it runs %s", c.Image, inventory.Short(i.ID), inventory.Short(c.ImageID))
}

func registry(f *facts, c *inventory.Container) verdict {
	if len(f.Registries) == 0 {
		return absent("the audit block names no registries")
	}
	if v := writtenImage(c); v != nil {
		return *v
	}
	r, bare := parseReference(c.Image)
	if !bare {
		return when(!slices.Contains(f.Registries, r.domain), "it is from "+r.domain, "it is from "+r.domain)
	}
	if !f.Images.Read {
		return unknown("the images cannot be read: %s", f.Images.Why())
	}
	for _, i := range f.Images.Value {
		if i.ID != c.ImageID {
			continue
		}
		for _, d := range i.Digests {
			if from, _ := parseReference(d); slices.Contains(f.Registries, from.domain) {
				return pass("the image is from %s too", from.domain)
			}
		}
	}
	return fail("it was asked for by its ID, and the image is from none of the registries")
}

func containerSecret(f *facts, c *inventory.Container) verdict {
	var except []inventory.Variable
	for _, i := range f.Images.Value {
		if i.ID == c.ImageID {
			except = i.Variables
		}
	}
	found := secretVariables(c.Variables, except)
	if w := c.Written; w != nil && w.EnvUnread != "" && len(found) == 0 {
		return unknown("%s", w.EnvUnread)
	}
	return when(len(found) > 0, list(found), "no variable of its own seems to hold one")
}
