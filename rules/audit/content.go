package audit

import (
	"cmp"
	"fmt"
	"slices"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

// contentChecks are about the files of images alone.
func contentChecks() []Check {
	return []Check{
		{ID: "image.accounts", Group: Images, Severity: finding.High,
			Title:   "No account of the image lacks a password field, and only root has the number 0",
			Why:     "Any process of the container becomes such a user with su.",
			Decides: "/etc/passwd and /etc/shadow in the layers of an image", Fix: "Lock the account: passwd -l NAME.",
			content: files("no account is", true, func(f *inventory.LayerFile) string { return f.Account })},
	}
}

// judgeContent judges an image of an archive: its configuration by the checks of
// images, and its files.
func (c *Check) judgeContent(f *facts, k *inventory.Content) []Finding {
	if c.image == nil && c.content == nil {
		return nil
	}
	s := Subject{"image", cmp.Or(k.Source, k.Name()), k.ID}
	if name := k.Image.Name(); name != k.Source && len(k.Tags) > 0 {
		s.Name = k.Source + " (" + name + ")"
	}
	v := unknown("the image cannot be read: %s", k.Unread)
	if k.Unread == "" {
		v = c.ofContent(f, k)
	}
	return []Finding{c.finding(s, v)}
}

// ofContent is the worse of what the configuration and the files say.
func (c *Check) ofContent(f *facts, k *inventory.Content) verdict {
	switch {
	case c.content == nil:
		return c.image(f, &k.Image)
	case c.image == nil:
		return c.content(f, k)
	}
	config, content := c.image(f, &k.Image), c.content(f, k)
	if config.state == Fail && content.state == Fail {
		return fail("%s; %s", config.detail, content.detail)
	}
	if rank(config.state) <= rank(content.state) && config.state != Pass {
		return config
	}
	return content
}

// files judges the files of an image: what is the fault of one, or empty. Those that a
// later layer removes count unless present is set.
func files(good string, present bool, what func(*inventory.LayerFile) string) func(*facts, *inventory.Content) verdict {
	return func(_ *facts, k *inventory.Content) verdict {
		var found []string
		for i := range k.Files {
			f := &k.Files[i]
			w := what(f)
			if w == "" || present && f.Gone > 0 {
				continue
			}
			where := fmt.Sprintf("%s in layer %d", f.Path, f.Layer)
			if f.Gone > 0 {
				where += fmt.Sprintf(", though layer %d removes it", f.Gone)
			}
			if w != "." {
				where += " (" + w + ")"
			}
			found = append(found, where)
		}
		slices.Sort(found)
		switch {
		case len(found) > 0:
			return fail("%s", list(found))
		case k.Partial != "":
			return unknown("not all of the image was read: %s", k.Partial)
		}
		return pass("%s, of %d entries in %d layers", good, k.Entries, k.Layers)
	}
}

// yes is the fault of a file that a flag says all about.
func yes(is bool) string {
	if is {
		return "."
	}
	return ""
}

func contentKeys() func(*facts, *inventory.Content) verdict {
	return files("no file seems to be one", false, func(f *inventory.LayerFile) string { return f.Secret })
}

func contentSetuid() func(*facts, *inventory.Content) verdict {
	return files("none is", true, func(f *inventory.LayerFile) string { return yes(f.Setuid) })
}

func contentWritable() func(*facts, *inventory.Content) verdict {
	return files("no file is", true, func(f *inventory.LayerFile) string { return yes(f.WorldWritable) })
}

func contentServer() func(*facts, *inventory.Content) verdict {
	return files("no file is one", true, func(f *inventory.LayerFile) string { return yes(f.SSHServer) })
}
