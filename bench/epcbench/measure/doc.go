// Package measure is the instrument of epcbench: what matching and registering
// cost when the subscription store does not fit the protected memory of an enclave
// (the EPC), as a factor of what they cost when it does.
//
// A store, package matcher's or the pointer-per-node poset of package poset, is
// filled in a region whose pages are served by a pager with a limit (package
// enclave/epc/pager). The same store is then measured in turns with the limit
// lifted and with it set: the factor is a ratio within one run, of wall clock
// times, because a fault's time passes in another process. Where there is no
// pager, faults are counted by package epcmodel on the pages that a second copy of
// the store says it touches, and cost what the caller states.
//
// Nobody lies to it but the stores and its caller. It promises figures only for
// stores whose answers were right on a sample of events: those of a linear scan. It
// does not promise a quiet machine, nor that a fault costs what it does on
// hardware.
package measure
