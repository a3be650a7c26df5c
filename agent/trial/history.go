package trial

import (
	"time"

	"dockwall/agent/config"
)

// recent is how long after a change of agent.hcl came into force it can still
// be put on trial.
const recent = 10 * time.Minute

// history is which policies of agent.hcl were in force.
type history struct {
	current *config.Document
	// text is the text of agent.hcl that current comes from; empty if not known.
	text string
	// former was in force before the first of the latest changes, which came
	// at, in time since the boot.
	former *config.Document
	at     time.Duration
}

// note takes down what is in force from now on. Several changes in a row are
// one: an operator who tries a third policy does not want to go back to the second. But
// a change that leads back to where the row began is the beginning of another.
func (h *history) note(doc *config.Document, text string, now time.Duration) {
	if h.current != nil && text != h.text && !same(h.current, doc) {
		if h.before(now) == nil || same(h.former, doc) {
			h.former, h.at = h.current, now
		}
	}
	h.current, h.text = doc, text
}

// before is what was in force before the latest changes; nil if they are not
// that recent.
func (h *history) before(now time.Duration) *config.Document {
	if h.former == nil || now-h.at > recent {
		return nil
	}
	return h.former
}
