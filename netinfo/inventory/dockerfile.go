package inventory

// Dockerfile is what a Dockerfile says, stage by stage.
type Dockerfile struct {
	Path string `json:"path"`
	// Unread is why it could not be parsed; empty if it was. Line is where.
	Unread string `json:"unread,omitempty"`
	Line   int    `json:"line,omitempty"`
	// Args are the ARGs before the first FROM.
	Args   []BuildStep  `json:"args,omitempty"`
	Stages []BuildStage `json:"stages,omitempty"`
}

// BuildStage is one stage: a FROM and the instructions below it.
type BuildStage struct {
	Name string `json:"name,omitempty"`
	Line int    `json:"line"`
	// Base is the image that it is built on; Parent the stage instead, counted from 0,
	// and -1 if it is an image.
	Base   BuildImage  `json:"base"`
	Parent int         `json:"parent"`
	Steps  []BuildStep `json:"steps,omitempty"`
}

// BuildImage is an image that a Dockerfile names, with arguments filled in.
type BuildImage struct {
	Name string `json:"name,omitempty"`
	// Unset are the arguments without a default, which the name depends on.
	Unset []string `json:"unset,omitempty"`
}

// BuildStep is one instruction. No text of it holds the value of a secret.
type BuildStep struct {
	Instruction string `json:"instruction"` // in upper case
	// OnBuild: it is not done in this build, but in one that is based on the image.
	OnBuild bool `json:"on_build,omitempty"`
	Line    int  `json:"line"`
	// Text is the instruction with its continuation lines and here-documents; Lines are
	// those of the file.
	Text  string     `json:"text"`
	Lines []TextLine `json:"lines,omitempty"`
	// Secrets say what in it may be a secret, and where.
	Secrets []SecretAt `json:"secrets,omitempty"`
	// Sources and Dest are those of COPY and ADD. Inline are the names of its sources that
	// stand in the Dockerfile itself.
	Sources []string `json:"sources,omitempty"`
	Inline  []string `json:"inline,omitempty"`
	Dest    string   `json:"dest,omitempty"`
	// From are the images, not stages, that COPY --from and RUN --mount read; FromStage
	// reports whether it copies from another stage or image.
	From      []BuildImage `json:"from,omitempty"`
	FromStage bool         `json:"from_stage,omitempty"`
	Chmod     string       `json:"chmod,omitempty"`
	// Checksum reports whether ADD verifies what it fetched.
	Checksum bool `json:"checksum,omitempty"`
	// Value is the user of USER, with variables filled in; Unset are those that have no
	// value.
	Value string   `json:"value,omitempty"`
	Unset []string `json:"unset,omitempty"`
	// Ports are those of EXPOSE.
	Ports []string `json:"ports,omitempty"`
	// Health is that of HEALTHCHECK.
	Health Health `json:"health,omitempty"`
}

// TextLine is a line of a file.
type TextLine struct {
	Number int    `json:"number"`
	Text   string `json:"text"`
}

// SecretAt says why a value may be a secret, and in which line it is.
type SecretAt struct {
	Line int    `json:"line"`
	What string `json:"what"` // never the value
}
