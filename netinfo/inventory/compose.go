package inventory

// HostDecides is the reason of facts that a file cannot have: the host that runs it, or
// its engine's settings, decides.
const HostDecides = "the file does not say it: the host that runs it decides"

// ImageDecides is the reason of facts that the image of a service decides.
const ImageDecides = "the file does not say it: the image decides"

// Compose is what a Compose file says, with the files that it includes and extends.
type Compose struct {
	Path string `json:"path"`
	// Unread is why it could not be read as a project; empty if it was. Line is where.
	Unread string `json:"unread,omitempty"`
	Line   int    `json:"line,omitempty"`
	// Services are the containers that it would start, sorted by name, of all profiles.
	Services []Container `json:"services,omitempty"`
}

// Written is where a container is written that is a service of a Compose file.
type Written struct {
	File string `json:"file"`
	Line int    `json:"line"`
	// Lines are the places of its settings by their keys: "privileged",
	// "deploy.resources". A setting may come from another file, which it extends.
	Lines map[string]FileLine `json:"lines,omitempty"`
	// Built: its image is built by the project, and from no registry.
	Built bool `json:"built,omitempty"`
	// EnvUnread is why a file of variables could not be read; empty if all were.
	EnvUnread string `json:"env_unread,omitempty"`
}

// FileLine is a line of a file.
type FileLine struct {
	File string `json:"file"`
	Line int    `json:"line"`
}
