// Package starter writes the first agent.hcl of a host: one that allows exactly
// what is published today, commented so that tightening it is editing it.
//
//	Snapshot ──► units (compose service, or container) ──► entries (ports) ──► text
//
// It is not for finding the facts, nor for writing the file: it makes a text of
// values. Nor does it narrow anything: where the language can say less than
// Docker does today (a port bound to one host address), the tighter line stands
// in the text as a comment.
//
// Invariants:
//
//  1. The text is valid, whatever the engine calls its containers: what is
//     quoted stays in its quotes, what is commented in its line.
//  2. A selector selects what it was written for: a name that the language
//     cannot say exactly (one with a wildcard in it) is not written, but noted.
//  3. Under the text, what outside reaches of published ports is what it
//     reaches under no policy at all; what does not run now is closed.
//  4. Equal facts give equal text.
//
// Thread safety: functions of values; no state.
package starter
