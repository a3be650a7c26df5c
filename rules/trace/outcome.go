package trace

// Outcome is what comes of holding a packet against a match or a whole rule.
type Outcome string

// The outcomes.
const (
	Hit     Outcome = "hit"
	Miss    Outcome = "miss"
	Unknown Outcome = "unknown"
)

func outcome(hit bool) Outcome {
	if hit {
		return Hit
	}
	return Miss
}

// not negates an outcome where asked to; what is unknown stays so.
func (o Outcome) not(yes bool) Outcome {
	if !yes || o == Unknown {
		return o
	}
	return outcome(o == Miss)
}
