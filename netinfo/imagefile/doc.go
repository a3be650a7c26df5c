// Package imagefile reads an image from the archive that docker save writes, or from
// an OCI archive, in one pass.
//
// It is for the facts alone: the configuration, the history, and what is to be noticed
// in the files of each layer, even if a later layer removes them. What is right and
// wrong is decided in rules/audit.
//
//	archive ─► entries ─┬─ JSON: kept ─────────────────► manifests, configurations ─┐
//	                    └─ layers: walked, by the way ─► files that are noticed ────┴─► inventory.Content
//
// Invariants:
//
//  1. Nothing is written or executed, and nothing but the first bytes of files is kept.
//     An image of any size is read as a stream.
//  2. Bytes, entries and time are limited (Limits). Beyond them, and where an archive is
//     broken, the result says why not all was read.
//  3. No value of a secret is kept.
//
// Only agentctl uses it: the modules are not linked into agentd.
//
// Thread safety: Read may be called by several goroutines, each with its own archive.
package imagefile
