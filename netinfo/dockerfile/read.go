package dockerfile

import (
	"dockwall/netinfo/inventory"
	"dockwall/netinfo/textfile"
)

// MaxSize is the most bytes that a Dockerfile may have. Real ones have some thousand.
const MaxSize = 1 << 20

// Read reads a Dockerfile. The error is that of the file; one that cannot be parsed has
// the reason in Unread.
func Read(path string) (inventory.Dockerfile, error) {
	text, err := textfile.Read(path, MaxSize)
	if err != nil {
		return inventory.Dockerfile{}, err
	}
	return Parse(path, text), nil
}
