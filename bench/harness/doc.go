// Package harness is what the measuring commands have in common: lists on their command
// lines, and how they name a cell that could not be measured. Users may write anything into a
// list; what is returned is within bounds.
package harness
