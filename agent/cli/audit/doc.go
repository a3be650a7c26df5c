// Package audit has the verb audit. The facts are read by agent/audit and judged by
// rules/audit; here flags are read and the report is written.
//
// Thread safety: a verb runs in one goroutine.
package audit
