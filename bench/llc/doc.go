// Package llc counts misses of the last-level cache where the processor and the kernel let it. Nobody lies to it but the kernel and,
// on a virtual machine, whoever owns that. It promises a count or a reason, never zero for what was not counted.
package llc

import "errors"

// ErrNone reports that there is no counter, or that it never ran.
var ErrNone = errors.New("no counter of cache misses here")
