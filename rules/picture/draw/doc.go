// Package draw makes a drawing of a picture.Picture: a self-contained SVG, or
// dot for Graphviz.
//
// It is for layout and writing only: it asks nothing, and what it draws as open
// or closed is what the picture says.
//
//	NICs and the sources behind them │ policies │ networks, containers, ports │ policies for what leaves
//	                         lanes          lanes                        lanes
//
// A policy is a lane, a vertical line of its colour. What it lets pass has a
// wire to the lane and a dot where they meet; a crossing without a dot is none.
// So lines never have to be told apart by where they bend, and fifty containers
// are fifty rows.
//
// Invariants:
//
//  1. Deterministic: equal pictures are equal bytes.
//  2. Well-formed whatever the names hold: they are cleaned of what XML and
//     terminals cannot hold, escaped, and cut to their place; the whole name
//     is in the tooltip.
//  3. No text runs over another or out of the sheet, and no box over another.
//
// Thread safety: functions of values.
package draw
