package config

import "path/filepath"

// Way returns the folders that are looked into on the way to a file, symbolic links
// followed, as far as the way exists.
func Way(path string) []string {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil // there is no working folder: nothing is on the way
	}
	var dirs []string
	seen := map[string]bool{}
	for _, step := range lookups(path) {
		if !seen[step.dir] {
			seen[step.dir] = true
			dirs = append(dirs, step.dir)
		}
	}
	return dirs
}
