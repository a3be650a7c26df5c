package inventory

// Inventory is what was read of one host at one moment.
type Inventory struct {
	// Now is when it was read, in seconds since 1970.
	Now    int64        `json:"now"`
	Host   Host         `json:"host"`
	Daemon Daemon       `json:"daemon"`
	Engine Fact[Engine] `json:"engine"`
	// Containers are all of the engine's, running or not, sorted by name.
	Containers Fact[[]Container] `json:"containers"`
	// Images are all of the engine's, sorted by ID.
	Images   Fact[[]Image]   `json:"images"`
	Networks Fact[[]Network] `json:"networks"`
	// UnusedVolumes are the names of volumes that no container uses.
	UnusedVolumes Fact[[]string] `json:"unused_volumes"`
}

// Network is one of the engine's.
type Network struct {
	Name    string            `json:"name"`
	Driver  string            `json:"driver"`
	Options map[string]string `json:"options,omitempty"`
}

// Image is one of the engine's images.
type Image struct {
	ID string `json:"id"`
	// Tags are its names with a tag, Digests those with a digest.
	Tags    []string `json:"tags,omitempty"`
	Digests []string `json:"digests,omitempty"`
	// Created is when it was built, in seconds since 1970; 0 if the image does not say.
	Created     int64      `json:"created,omitempty"`
	User        string     `json:"user,omitempty"`
	Variables   []Variable `json:"variables,omitempty"`
	Healthcheck Health     `json:"healthcheck,omitempty"`
	// Exposed are its ports as EXPOSE names them, 22/tcp.
	Exposed []string `json:"exposed,omitempty"`
	// Steps are the steps that built it, the oldest first.
	Steps Fact[[]Step] `json:"steps"`
	// Unread is why it could not be inspected; empty if it was.
	Unread string `json:"unread,omitempty"`
}

// Name is the image's name for a person.
func (i *Image) Name() string {
	switch {
	case len(i.Tags) > 0:
		return i.Tags[0]
	case len(i.Digests) > 0:
		return i.Digests[0]
	}
	return Short(i.ID)
}

// Step is one entry of an image's history, as Masked leaves it.
type Step struct {
	Text    string `json:"text"`
	Comment string `json:"comment,omitempty"`
	// Secret says why the text may hold a secret; empty if it seems to hold none.
	Secret string `json:"secret,omitempty"`
}

// Variable is an environment variable without its value.
type Variable struct {
	Name string `json:"name"`
	// Secret says why the value may be a secret; empty if it seems to be none.
	Secret string `json:"secret,omitempty"`
	// At is where it is written, of a service of a Compose file.
	At FileLine `json:"at,omitzero"`
}

// Health says whether there is a health check.
type Health string

// The kinds of health checks.
const (
	// HealthAbsent: no health check is configured.
	HealthAbsent Health = ""
	// HealthDisabled: the image's own is switched off.
	HealthDisabled Health = "none"
	// HealthSet: there is one.
	HealthSet Health = "set"
)

// Short is an ID as docker ps prints it.
func Short(id string) string {
	if len(id) > 7 && id[:7] == "sha256:" {
		id = id[7:]
	}
	if len(id) > 12 {
		id = id[:12]
	}
	return id
}
