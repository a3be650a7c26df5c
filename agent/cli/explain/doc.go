// Package explain has the verbs that answer who reaches what: explain, for one packet, and
// map, for the whole host. The answers are those of rules/explain and rules/picture;
// here they are asked for and written.
//
// Thread safety: a verb runs in one goroutine.
package explain
