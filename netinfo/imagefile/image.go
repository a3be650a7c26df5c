package imagefile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"dockwall/netinfo/inventory"
)

// maxImages is how many images of an archive are read.
const maxImages = 100

// saved is an image as its manifest names its parts.
type saved struct {
	config string
	tags   []string
	layers []string
}

// images are those of the archive: by docker's manifest.json, or by the index of OCI.
func (r *reader) images(source string) ([]inventory.Content, error) {
	var all []saved
	if text, ok := r.documents["manifest.json"]; ok {
		var m tarball.Manifest
		if err := json.Unmarshal(text, &m); err != nil {
			return nil, fmt.Errorf("manifest.json: %w", err)
		}
		for _, d := range m {
			all = append(all, saved{d.Config, d.RepoTags, d.Layers})
		}
	} else if text, ok := r.documents["index.json"]; ok {
		all = r.index(text, nil, 3)
	}
	if len(all) > maxImages {
		return nil, fmt.Errorf("it holds more than %d images", maxImages)
	}
	var found []inventory.Content
	for _, s := range all {
		found = append(found, r.image(source, s))
	}
	return found, nil
}

// blob is the entry of a digest.
func blob(h v1.Hash) string { return path.Join("blobs", h.Algorithm, h.Hex) }

// index are the images of an OCI index, and of those that it names.
func (r *reader) index(text []byte, tags []string, depth int) []saved {
	m, err := v1.ParseIndexManifest(bytes.NewReader(text))
	if err != nil || depth == 0 {
		return nil
	}
	var all []saved
	for _, d := range m.Manifests {
		if d.Annotations["vnd.docker.reference.type"] != "" {
			continue // the attestation of another image
		}
		names := tags
		if n := cmp.Or(d.Annotations["io.containerd.image.name"], d.Annotations["org.opencontainers.image.ref.name"]); n != "" {
			names = []string{n}
		}
		text := r.documents[blob(d.Digest)]
		if d.MediaType.IsIndex() {
			all = append(all, r.index(text, names, depth-1)...)
			continue
		}
		im, err := v1.ParseManifest(bytes.NewReader(text))
		if err != nil || len(text) == 0 {
			continue
		}
		s := saved{config: blob(im.Config.Digest), tags: names}
		for _, l := range im.Layers {
			s.layers = append(s.layers, blob(l.Digest))
		}
		all = append(all, s)
		if len(all) > maxImages {
			break
		}
	}
	return all
}

// image is an image with what was noticed in its layers.
func (r *reader) image(source string, s saved) inventory.Content {
	c := inventory.Content{Source: source}
	id := strings.TrimSuffix(path.Base(s.config), ".json")
	c.ID, c.Tags = "sha256:"+id, s.tags
	text, ok := r.documents[path.Clean(s.config)]
	config, err := v1.ParseConfigFile(bytes.NewReader(text))
	if !ok || err != nil {
		c.Unread = "the configuration is not in the archive, or is none"
		return c
	}
	r.configured(&c.Image, config)
	var layers []*layer
	for i, name := range s.layers {
		l := r.find(name)
		switch {
		case l == nil:
			c.Partial = cmp.Or(c.Partial, r.broken, fmt.Sprintf("layer %d of %d is not in the archive", i+1, len(s.layers)))
		case l.broken != "":
			c.Partial = cmp.Or(c.Partial, fmt.Sprintf("layer %d of %d: %s", i+1, len(s.layers), l.broken))
		}
		layers = append(layers, l)
	}
	if n := len(config.RootFS.DiffIDs); n > len(s.layers) {
		c.Partial = cmp.Or(c.Partial, fmt.Sprintf("the archive names %d layers of %d", len(s.layers), n))
	}
	stacked(&c, layers)
	return c
}

// find is the layer of an entry, behind links.
func (r *reader) find(name string) *layer {
	name = path.Clean(name)
	for range 8 {
		if l := r.layers[name]; l != nil {
			return l
		}
		next, ok := r.links[name]
		if !ok {
			return nil
		}
		name = next
	}
	return nil
}

// configured adds what the configuration and the history say.
func (r *reader) configured(i *inventory.Image, c *v1.ConfigFile) {
	if !c.Created.IsZero() {
		i.Created = max(c.Created.Unix(), 0)
	}
	i.User = c.Config.User
	for _, e := range c.Config.Env {
		i.Variables = append(i.Variables, r.secrets.Variable(e))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Config.Labels)) {
		if v := r.secrets.Variable(name + "=" + c.Config.Labels[name]); v.Secret != "" {
			v.Name = "label " + v.Name
			i.Variables = append(i.Variables, v)
		}
	}
	if h := c.Config.Healthcheck; h != nil && len(h.Test) > 0 {
		i.Healthcheck = inventory.HealthSet
		if h.Test[0] == "NONE" {
			i.Healthcheck = inventory.HealthDisabled
		}
	}
	i.Exposed = slices.Sorted(maps.Keys(c.Config.ExposedPorts))
	var steps []inventory.Step
	for _, h := range c.History {
		steps = append(steps, r.secrets.Masked(h.CreatedBy, h.Comment))
	}
	i.Steps = inventory.Known(steps)
}

// stacked adds the files that were noticed, and which layer removes or replaces each.
func stacked(c *inventory.Content, layers []*layer) {
	for i, l := range layers {
		if l == nil {
			continue
		}
		c.Layers, c.Entries = c.Layers+1, c.Entries+l.entries
		for _, f := range l.files {
			f.Layer = i + 1
			for j := i + 1; j < len(layers) && f.Gone == 0; j++ {
				if layers[j] != nil && layers[j].hides(f.Path[1:]) {
					f.Gone = j + 1
				}
			}
			c.Files = append(c.Files, f)
		}
	}
}

// hides reports whether a layer removes or replaces a file of a layer below it.
func (l *layer) hides(name string) bool {
	within := func(folder string) bool { return folder == "" || strings.HasPrefix(name, folder+"/") }
	return l.paths[hash(name)] || slices.ContainsFunc(l.opaque, within) ||
		slices.ContainsFunc(l.gone, func(g string) bool { return g == name || within(g) })
}
