package trial

import (
	"dockwall/agent/config"
)

// Standing is the policy that stands in for a file which was not confirmed, by
// what a Keeper keeps at path; nil if none does. It changes nothing: it is for programs that
// put rules in force before agentd runs.
func Standing(path, file string, c Clock) (*config.Document, error) {
	var r record
	ok, err := load(path, &r)
	if err != nil || !ok || r.File != file {
		return nil, err
	}
	switch p, f := r.Pending, r.Refused; {
	case p != nil && p.Candidate == "" && p.Deadline.Left(c) == 0:
		return decode(p.Former)
	case f != nil && f.Text == textOf(file):
		return decode(f.Former)
	}
	return nil, nil
}
