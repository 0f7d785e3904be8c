// Package measure measures package matcher on one workload and size, beside the
// structures it is compared with: a linear scan, the containment poset of SCBR and
// compiled programs of an expression language.
//
// It reads the deterministic sequences of package workload and the clocks of the
// machine, and nobody lies to it but the matcher: every answer on a sample of
// events is compared with package filter's own evaluation of every filter, before
// and after removals, and a difference is an error. It promises that a figure it
// could not measure is absent with a reason, never zero. It does not promise a
// quiet machine: the calibration beside each cell shows how quiet it was.
package measure
