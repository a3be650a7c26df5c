package plan

// Step is one action on the kernel, and how a run treats it.
type Step struct {
	Action Action
	// Why is one line for people.
	Why string
	// Beside marks a step that may run at the same time as the step before it. That step
	// does the same to the other family: either may be first, or the only one that ran.
	Beside bool
	// MayFail marks a step whose failure does not stop the run, such as one that undoes a
	// step that may not have run.
	MayFail bool
}

// Script returns the text that the step's program reads, and is empty if the step needs
// no program.
func (s Step) Script() Script {
	switch a := s.Action.(type) {
	case RestoreTable:
		return a.Script
	case RestoreSets:
		return a.Script
	}
	return Script{}
}
