package inventory

// Content is an image as its archive holds it: the configuration, the history, and what
// was noticed in the files of its layers.
type Content struct {
	Image
	// Source is the archive's path, or the name by which the engine was asked for it.
	Source string `json:"source"`
	// Partial is why not all layers were read; empty if they were.
	Partial string `json:"partial,omitempty"`
	// Layers and Entries are how many were read.
	Layers  int         `json:"layers"`
	Entries int         `json:"entries"`
	Files   []LayerFile `json:"files,omitempty"`
}

// LayerFile is a file of a layer that has something to notice.
type LayerFile struct {
	Path  string `json:"path"`
	Layer int    `json:"layer"` // from 1
	// Secret says what it seems to hold; empty if no secret.
	Secret string `json:"secret,omitempty"`
	// Setuid: it has the bit setuid or setgid. WorldWritable: all users may write it.
	Setuid        bool `json:"setuid,omitempty"`
	WorldWritable bool `json:"world_writable,omitempty"`
	// SSHServer: it is the program of a server to log in with.
	SSHServer bool `json:"ssh_server,omitempty"`
	// Account says what is wrong with an account in it, of passwd and shadow.
	Account string `json:"account,omitempty"`
	// Gone is the layer that removes or replaces it; 0 if it is in the image.
	Gone int `json:"gone,omitempty"`
}
