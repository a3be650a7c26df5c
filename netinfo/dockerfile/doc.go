// Package dockerfile reads a Dockerfile with BuildKit's own parser.
//
// It is for the facts alone: what each instruction says, and in which line. What is
// right and wrong is decided in rules/audit.
//
//	file ─► BuildKit's parser ─► instructions ─► inventory.Dockerfile
//
// Invariants:
//
//  1. A file is read only if it is a regular one, of at most MaxSize bytes. A pipe, a
//     device or a folder is an error, at once.
//  2. A file that BuildKit does not parse is a Dockerfile with the reason and the line.
//     The reason quotes nothing of the file, because that may be a secret.
//  3. No value of the result is a secret's, as far as inventory.Secrets recognizes it.
//  4. Nothing is built, fetched or executed.
//
// Only agentctl uses it: the parser is not linked into agentd.
//
// Thread safety: functions of values, except Read, which reads the file.
package dockerfile
