package rules

import (
	"crypto/sha256"
	"fmt"
)

// ID is five base32 characters of a hash over the rule's matches and verdict.
// Origin is not part of it: moving a block in the file leaves IDs alone.
func (r Rule) ID() string {
	h := sha256.New()
	for _, m := range r.Match {
		fmt.Fprintf(h, "%T%+v\n", m, m)
	}
	fmt.Fprintf(h, "%+v", r.Verdict)
	return hashName(h.Sum(nil), 5)
}
